"""The S3 client: credentials and options from Airflow's hook, without what the hook's own client costs each process."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from include.errors import StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["open_client", "read_descriptions"]

log = logging.getLogger(__name__)

# every byte passes through SHA-256 in Store: botocore's own CRC on top would only cost time
_CONFIG = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")


@cache
def _descriptions() -> botocore.loaders.Loader:
    """botocore's reader of its files about AWS's services; it keeps what it has read."""
    return botocore.loaders.create_loader()


def read_descriptions() -> None:
    """Read what botocore keeps in files about S3 (3 MB of JSON), so that processes forked from this one need not."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _descriptions())
    try:
        session.create_client("s3", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106
    except BotoCoreError as error:  # the machine's AWS files, which our connection doesn't use
        log.warning("botocore's files on S3 are read by each task: %s", error)


def open_client(conn_id: str) -> S3Client:
    """An S3 client for an Airflow connection.

    Raises:
        StorageError: the connection is not defined.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.sdk.exceptions import AirflowException

    try:
        # the hook falls back to whatever AWS credentials it finds when the connection is missing: ask first
        S3Hook.get_connection(conn_id)
        hook = S3Hook(aws_conn_id=conn_id)
        session: Any = hook.get_session(region_name=hook.region_name)
        # boto3 has no door to a session's loader; a new one would read all the files again
        session._session.register_component("data_loader", _descriptions())
        # not get_conn(): it looks up the source of every frame of the stack, only to name its caller to the server
        client: S3Client = session.client(
            "s3",
            endpoint_url=hook.conn_config.get_service_endpoint_url("s3"),
            config=hook.config.merge(_CONFIG),
            verify=hook.verify,
        )
    except AirflowException as error:
        raise StorageError(
            f"The Airflow connection {conn_id!r} is not defined; set AIRFLOW_CONN_{conn_id.upper()}."
        ) from error
    return client
