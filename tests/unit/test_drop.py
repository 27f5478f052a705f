"""The intake's parts that need no stack: pages of a listing, queue messages, pauses."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest

from include.errors import StorageError
from include.pipeline import drop
from include.pipeline.drop import IncomingTrigger
from include.pipeline.listing import look
from include.pipeline.notices import jobs_named, starts
from include.settings import ROOT
from include.storage import Store
from include.storage.listing import list_cheaply


def s3(port: int) -> Any:
    return boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="a", aws_secret_access_key="b",
        region_name="us-east-1",
    )  # fmt: skip


@pytest.fixture
def synthetic(request: pytest.FixtureRequest) -> Iterator[int]:
    """Port of a store that lists synthetic keys (bench/synthetic_s3.py); the parameter is (keys, jobs)."""
    command = [sys.executable, str(ROOT / "bench" / "synthetic_s3.py"), *map(str, request.param)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        yield int(server.stdout.readline())
        server.stdin.close()


@pytest.mark.parametrize("synthetic", [(2500, 7)], indirect=True)
def test_the_cheap_parser_says_what_boto3_says(synthetic: int) -> None:
    plain, cheap = s3(synthetic), s3(synthetic)
    list_cheaply(cheap)

    def listed(client: Any) -> list[tuple[Any, ...]]:
        pages = list(client.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix="incoming/"))
        assert [page["KeyCount"] for page in pages] == [1000, 1000, 500]
        fields = ("Key", "Size", "LastModified", "ETag")
        return [tuple(item[field] for field in fields) for page in pages for item in page["Contents"]]

    assert listed(cheap) == listed(plain)
    assert len(listed(cheap)) == 2500


@pytest.mark.parametrize("synthetic", [(2500, 7)], indirect=True)
def test_a_look_over_several_pages(synthetic: int) -> None:
    store = Store(s3(synthetic), "bucket")
    drops = look(store, settle_s=30)
    assert [drop.job_id for drop in drops] == [f"job-{n:06d}" for n in range(7)]
    assert {drop.quiet_s for drop in drops} == {30}
    assert [drop.fingerprint for drop in look(store, settle_s=30)] == [drop.fingerprint for drop in drops]
    assert len({drop.fingerprint for drop in drops}) == 7


def test_a_store_that_is_away_is_named() -> None:
    with pytest.raises(StorageError, match=r"^S3 could not be reached while listing incoming/"):
        look(Store(s3(9), "bucket"), settle_s=1)


def record(key: str) -> dict[str, Any]:
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": quote_plus(key)}}}


def batch(*bodies: Any) -> dict[str, Any]:
    return {"status": "success", "message_batch": [{"MessageId": "1", "Body": json.dumps(body)} for body in bodies]}


@pytest.mark.parametrize(
    ("payload", "jobs"),
    [
        (batch({"Records": [record("incoming/사건-1/통화 1.m4a"), record("incoming/b/_READY")]}), {"사건-1", "b"}),
        (batch({"Records": [record("completed/x/y.pdf"), record("incoming/stray.m4a")]}), set()),
        (batch({"Message": json.dumps({"Records": [record("incoming/c/a.m4a")]})}), {"c"}),
        (batch({"source": "aws.s3", "detail": {"object": {"key": "incoming/d/a+b.m4a"}}}), {"d"}),
        (batch({"Service": "Amazon S3", "Event": "s3:TestEvent"}), set()),
        (batch({"Records": [record("incoming/c/a.m4a")]}, {"other": 1}), None),
        (batch({"Records": [{"s3": {}}]}), None),
        (batch([1, 2]), None),
        (batch({"detail": {"object": {"key": 5}}}), None),
        ({"message_batch": [{"Body": "[" * 100_000}]}, None),
        (batch({"Records": [record("incoming/%00/x"), record("incoming/../x")]}), set()),
        ({"message_batch": [{"Body": "no JSON"}]}, None),
        ({"message_batch": [{}]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_jobs_that_messages_name(payload: Any, jobs: set[str] | None) -> None:
    assert jobs_named(payload) == jobs


def never(_: str) -> bool:
    return False


def test_a_drop_whose_run_failed_gets_another() -> None:
    told = {"job_id": "a", "run_id": "drop__a__1", "times": 3}
    assert starts([told], lambda run_id: run_id == "drop__a__1") == [{"job_id": "a", "run_id": "drop__a__1__3"}]
    assert starts([told], never) == [{"job_id": "a", "run_id": "drop__a__1"}]


@pytest.mark.parametrize("payload", [{"job_id": "a", "run_id": [1]}, {"job_id": 5, "run_id": "x"}])
def test_a_payload_that_is_no_start_is_none(payload: Any) -> None:
    assert jobs_named(payload) is None


def test_events_of_the_watcher_need_no_look() -> None:
    one, two = {"job_id": "a", "run_id": "drop__a__1"}, {"job_id": "b", "run_id": "drop__b__2"}
    assert starts([two, one, two], never) == [one, two]
    assert starts([], never) == []
    assert starts([batch({"Event": "s3:TestEvent"})], never) == []


def test_more_events_than_airflow_can_map_are_left_for_the_next_time() -> None:
    many = [{"job_id": f"j{n}", "run_id": f"drop__j{n}__1"} for n in range(1100)]
    assert len(starts(many, never)) == 1000


def test_the_trigger_is_stored_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert IncomingTrigger(3.0, 7.0).serialize() == (
        "include.pipeline.drop.IncomingTrigger", {"poll_s": 3.0, "settle_s": 7.0},
    )  # fmt: skip
    monkeypatch.setenv("VOICEMAN_POLL_S", "not a number")
    IncomingTrigger(3.0, 7.0)  # made anew by the triggerer: must not raise whatever the environment says


@pytest.mark.parametrize(
    ("due_s", "took_s", "paused"),
    [
        (None, 0.0, 1.0),
        (0.3, 0.0, 0.35),  # a drop settles before the next look
        (-4.0, 0.0, 1.0),  # due, but its job is being claimed
        (0.1, 0.2, 0.85),  # a look that took long is followed by a pause four times as long
        (None, 0.4, 1.6),
    ],
)
def test_the_pause_between_two_looks(
    due_s: float | None, took_s: float, paused: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = [0.0]  # a clock that only sleeping moves: a busy machine changes nothing

    async def sleep(seconds: float) -> None:
        slept.append(slept[-1] + seconds)

    monkeypatch.setattr(drop, "time", SimpleNamespace(monotonic=lambda: slept[-1]))
    monkeypatch.setattr(drop, "asyncio", SimpleNamespace(sleep=sleep))
    asyncio.run(IncomingTrigger(1.0, 1.0)._pause(due_s, took_s))
    assert slept[-1] == pytest.approx(paused, abs=0.01)
