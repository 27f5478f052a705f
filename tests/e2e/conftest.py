"""The shared stack, driven from outside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.pipeline.client import AirflowClient
from include.submission import client
from tests.conftest import stack_of_its_own, talk_to


@pytest.fixture(scope="package")
def stack_home(models: Path) -> Iterator[Path]:
    """PostgreSQL, S3 and Airflow, until the last test of this folder: idle they would take a third of a core."""
    with stack_of_its_own(models) as home:
        yield home


@pytest.fixture
def stack(stack_home: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This test talks to a whole stack."""
    return talk_to(stack_home, models, monkeypatch)


@pytest.fixture
def airflow(stack: Path) -> Iterator[AirflowClient]:
    with client() as session:
        session.wait_for_dag()
        yield session
