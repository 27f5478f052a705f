"""The S3 client: the connection's options, nothing read twice."""

import pytest
from botocore.loaders import JSONFileLoader

from include.errors import StorageError
from include.storage.client import open_client, read_descriptions

CONNECTION = "aws://someone:a-long-secret@/?region_name=ap-northeast-2&endpoint_url=http%3A%2F%2Flocalhost%3A9"


def test_a_client_has_the_connection_s_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOME_S3", CONNECTION)
    client = open_client("some_s3")
    assert (client.meta.endpoint_url, client.meta.region_name) == ("http://localhost:9", "ap-northeast-2")
    assert client.meta.config.request_checksum_calculation == "when_required"  # Store digests every byte itself
    assert client._request_signer._credentials.access_key == "someone"


def test_a_missing_connection_is_named() -> None:
    with pytest.raises(StorageError, match="set AIRFLOW_CONN_NO_SUCH_S3"):
        open_client("no_such_s3")


def test_descriptions_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOME_S3", CONNECTION)
    read_descriptions()
    read = []
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _, path: read.append(path))
    open_client("some_s3")
    assert read == []
