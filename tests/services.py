"""How tests look at the services of a local stack."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from include import local
from include.local import ServiceStatus, StackInfo

__all__ = ["by_name", "s3_client"]


def by_name() -> dict[str, ServiceStatus]:
    return {service.name: service for service in local.status()}


def s3_client(stack: StackInfo, access: str, secret: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=stack.s3_endpoint, region_name="us-east-1", aws_access_key_id=access,
        aws_secret_access_key=secret, config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
