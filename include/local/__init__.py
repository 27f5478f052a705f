"""The embedded stack: PostgreSQL 18, S3 (SeaweedFS) and Airflow on one machine, bound to 127.0.0.1."""

from include.local.environment import admin_credentials, load_stack_env
from include.local.secrets import Credentials
from include.local.stack import StackInfo, down, seal_ledger, up
from include.local.status import ServiceStatus, status

__all__ = [
    "Credentials",
    "ServiceStatus",
    "StackInfo",
    "admin_credentials",
    "down",
    "load_stack_env",
    "seal_ledger",
    "status",
    "up",
]
