"""The shared stack, driven from outside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.pipeline.client import AirflowClient
from include.storage import Store, open_store
from include.submission import client


@pytest.fixture
def store(stack: Path) -> Store:
    return open_store()


@pytest.fixture
def airflow(stack: Path) -> Iterator[AirflowClient]:
    with client() as session:
        session.wait_for_dag()
        yield session
