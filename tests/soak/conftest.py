"""The stack of tests/e2e, for what takes minutes of it."""

from tests.e2e.conftest import airflow, stack, stack_home

__all__ = ["airflow", "stack", "stack_home"]
