"""The shared stack, driven from outside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.pipeline.client import AirflowClient
from include.submission import client


@pytest.fixture
def airflow(stack: Path) -> Iterator[AirflowClient]:
    with client() as session:
        session.wait_for_dag()
        yield session
