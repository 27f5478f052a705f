"""The intake on the real store and database: the trigger's own generator, driven in a thread, with short times.

Each test has a bucket and a database of its own: the stack's live watcher looks at others.
"""

import asyncio
import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from airflow.triggers.base import BaseEventTrigger
from typer.testing import CliRunner

from include import state
from include.cli import app
from include.manifest import Job
from include.pipeline import listing
from include.pipeline.delivery import read_delivery
from include.pipeline.drop import IncomingTrigger
from include.pipeline.notices import starts
from include.settings import get_settings
from include.storage import Store, open_store

pytestmark = pytest.mark.integration

SETTLE_S = 1.5


@pytest.fixture
def store(stack: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    name = f"intake-{uuid.uuid4().hex[:12]}"
    own = urlsplit(os.environ["AIRFLOW_CONN_VOICEMAN_DB"])
    secret = json.loads((stack / "secrets.json").read_text())["db_superuser_password"]
    with psycopg.connect(
        host=own.hostname, port=own.port, user="postgres", password=secret, dbname="postgres", autocommit=True
    ) as server:
        server.execute(f'CREATE DATABASE "{name}" OWNER voiceman')
    monkeypatch.setenv("AIRFLOW_CONN_VOICEMAN_DB", urlunsplit(own._replace(path=f"/{name}")))
    monkeypatch.setenv("VOICEMAN_BUCKET", name)
    get_settings.cache_clear()
    state.migrate()
    found = open_store()
    found.client.create_bucket(Bucket=name)
    yield found
    for item in found.list(""):
        found.delete(item.key)
    found.client.delete_bucket(Bucket=name)


def put(store: Store, key: str, body: bytes = b"not empty") -> None:
    store.client.put_object(Bucket=store.bucket, Key=f"incoming/{key}", Body=body)


class Watching:
    """A trigger that runs as in a triggerer, until the ``with`` ends."""

    def __init__(self, trigger: BaseEventTrigger) -> None:
        self._trigger = trigger
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._main(),))
        self._stop = asyncio.Event()
        self.events: list[tuple[float, Any]] = []
        """When, by the monotonic clock, and the payload."""

    async def _main(self) -> None:
        async def consume() -> None:
            async for event in self._trigger.run():
                self.events.append((time.monotonic(), event.payload))

        running = asyncio.create_task(consume())
        await self._stop.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if not running.cancelled() and running.exception() is not None:
            raise running.exception() or AssertionError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        # a look that was under way would else go on, and take what the next watcher is to be told
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    @property
    def jobs(self) -> list[str]:
        return [payload["job_id"] for _, payload in self.events]

    def jobs_after(self, number: int) -> list[str]:
        """The jobs told of, when there are so many."""
        self.wait_for(number)
        return self.jobs

    def wait_for(self, number: int, timeout_s: float = 120) -> list[tuple[float, Any]]:
        wait_until(lambda: len(self.events) >= number, timeout_s, f"{number} events; there are {self.events}")
        return self.events


def watching(settle_s: float = SETTLE_S) -> Watching:
    return Watching(IncomingTrigger(poll_s=0.2, settle_s=settle_s))


def wait_until(true: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)


def known(job_id: str) -> state.KnownDrop | None:
    return next((drop for drop in state.known_drops() if drop.seen.job_id == job_id), None)


def test_a_drop_is_ready_when_nothing_changed_for_the_settle_time(store: Store) -> None:
    with watching() as watch:
        put(store, "job/a.m4a")
        time.sleep(SETTLE_S * 0.7)
        put(store, "job/b.m4a")  # a new key
        time.sleep(SETTLE_S * 0.7)
        put(store, "job/b.m4a", b"other bytes")  # a changed one
        last = time.monotonic()
        ((at, payload),) = watch.wait_for(1)
        assert at - last >= SETTLE_S  # wait_for ends it; how soon is bench/intake.py's question
        time.sleep(1)
        assert watch.jobs == ["job"]  # told once
    drop = known("job")
    assert drop is not None
    assert payload == {"job_id": "job", "run_id": f"drop__job__{drop.seen.fingerprint[:12]}", "times": 1}


def test_a_ready_marker_starts_at_once_and_a_hold_marker_holds(store: Store) -> None:
    with watching(settle_s=600) as watch:
        put(store, "markers/_READY", b"")
        put(store, "held/_HOLD", b"")
        put(store, "held/_READY", b"")
        put(store, "held/a.m4a")
        put(store, "ready/a.m4a")
        time.sleep(1)
        assert watch.jobs == []  # markers alone are no drop
        put(store, "ready/_READY", b"")
        put_at = time.monotonic()
        ((at, payload),) = watch.wait_for(1)
        assert payload["job_id"] == "ready"
        assert at - put_at < 30  # the settle time is 600
        store.delete("incoming/held/_HOLD")
        watch.wait_for(2)
        assert watch.jobs == ["ready", "held"]


def test_a_manifest_makes_it_ready_when_all_it_lists_is_there(store: Store) -> None:
    files = [{"name": name, "sha256": hashlib.sha256(b"x").hexdigest()} for name in ("a.m4a", "통화 b.m4a")]
    with watching(settle_s=0.3) as watch:
        put(store, "job/manifest.json", json.dumps({"files": files}).encode())
        put(store, "job/a.m4a")
        wait_until(lambda: known("job") is not None, 20, "the watcher's first look")
        time.sleep(1.5)
        assert watch.jobs == []  # the settle time is over, but a file is missing
        drop = known("job")
        assert drop is not None
        assert drop.seen.problem == (
            "1 of the 2 files that manifest.json lists are not there, '통화 b.m4a' among them; upload them."
        )
    with watching(settle_s=600) as watch:
        put(store, "job/통화 b.m4a")
        put_at = time.monotonic()
        ((at, _),) = watch.wait_for(1)
        assert at - put_at < 30  # not after the settle time of 600
    delivery = read_delivery(store, "job")
    assert delivery is not None
    assert list(delivery.files) == ["a.m4a", "통화 b.m4a"]
    assert read_delivery(store, "incoming/other/") is None


def test_a_broken_or_unkept_manifest_is_told_and_does_not_hold_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MANIFEST_WAIT_S", 2.0)
    put(store, "broken/a.m4a")
    put(store, "broken/manifest.json", b"{")
    put(store, "missing/a.m4a")
    put(store, "missing/manifest.json", json.dumps({"files": [{"name": "b", "sha256": "0" * 64}]}).encode())
    with watching(settle_s=0.1) as watch:
        began = time.monotonic()
        wait_until(lambda: len(state.known_drops()) == 2, 60, "a look")
        shown = CliRunner().invoke(app, ["drops"], env={"COLUMNS": "400"}).output
        assert "manifest.json is not a list of files" in shown
        assert "1 of the 1 files that manifest.json lists are not there" in shown
        watch.wait_for(2)
        assert sorted(watch.jobs) == ["broken", "missing"]
        assert all(at - began >= 2.0 for at, _ in watch.events)


def test_a_multipart_upload_counts_when_it_is_complete(store: Store) -> None:
    upload = {"Bucket": store.bucket, "Key": "incoming/job/long.m4a"}
    with watching() as watch:
        upload["UploadId"] = store.client.create_multipart_upload(Bucket=upload["Bucket"], Key=upload["Key"])[
            "UploadId"
        ]
        parts = []
        for number, size in ((1, 5 << 20), (2, 1000)):
            part = store.client.upload_part(**upload, PartNumber=number, Body=b"x" * size)
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
            time.sleep(SETTLE_S)
        assert list(store.list("incoming/")) == []
        assert (watch.jobs, known("job")) == ([], None)
        store.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        completed = time.monotonic()
        ((at, payload),) = watch.wait_for(1)
        assert at - completed >= SETTLE_S  # from its completion, not from its begin
        assert payload["job_id"] == "job"


def test_late_files_repeated_drops_and_one_file_in_two_jobs_are_runs_of_their_own(store: Store) -> None:
    with watching(settle_s=0.5) as watch:
        put(store, "job/a.m4a")
        put(store, "other/a.m4a")
        watch.wait_for(2)
        assert sorted(watch.jobs) == ["job", "other"]
        store.delete("incoming/job/a.m4a")  # claimed
        wait_until(lambda: known("job") is None, 60, "the claimed drop to be forgotten")
        put(store, "job/late.m4a")
        watch.wait_for(3)
        store.delete("incoming/job/late.m4a")
        wait_until(lambda: known("job") is None, 60, "the claimed drop to be forgotten")
        put(store, "job/a.m4a")  # the same bytes under the same key as at first
        watch.wait_for(4)
    runs = [payload["run_id"] for _, payload in watch.events if payload["job_id"] == "job"]
    assert len(set(runs)) == 3


def test_a_restarted_triggerer_goes_on_where_the_last_was(store: Store) -> None:
    put(store, "job/a.m4a")
    with watching(settle_s=600) as first:
        wait_until(lambda: known("job") is not None, 60, "a look")
    assert first.events == []
    with state.transaction() as cursor:  # as if the first had looked ten minutes ago
        cursor.execute("UPDATE voiceman.incoming_drop SET since = since - interval '10 minutes'")
    with watching(settle_s=600) as second:  # one that began anew would wait ten minutes more
        assert second.jobs_after(1) == ["job"]
    with watching(settle_s=600) as third:
        time.sleep(1)
    assert third.events == []  # told before


def test_two_triggerers_tell_of_each_drop_once(store: Store) -> None:
    for number in range(40):
        put(store, f"job-{number}/a.m4a")
    with watching(settle_s=1) as one, watching(settle_s=1) as two:
        wait_until(lambda: len(one.events) + len(two.events) >= 40, 120, "40 events")
        time.sleep(1)
        assert sorted(one.jobs + two.jobs) == sorted(f"job-{number}" for number in range(40))


def back_date(seconds: float) -> None:
    with state.transaction() as cursor:
        cursor.execute(
            "UPDATE voiceman.incoming_drop SET announced_at = announced_at - make_interval(secs => %s)", (seconds,)
        )


def test_a_lost_event_is_repeated_ever_more_rarely(store: Store) -> None:
    put(store, "job/a.m4a")
    put(store, "job/_READY", b"")
    pauses = [15, 30, 60, 120, 240, 480, 900, 900]
    with watching() as watch:
        watch.wait_for(1)
        for number, pause in enumerate(pauses, 1):
            back_date(pause - 3)
            time.sleep(0.6)
            assert len(watch.events) == number
            back_date(3)
            watch.wait_for(number + 1)
    assert len({payload["run_id"] for _, payload in watch.events}) == 1  # the second start finds its run


def test_a_job_that_is_being_claimed_is_left_alone(store: Store) -> None:
    put(store, "job/_READY", b"")
    with state.transaction() as claim:
        state.job_lock(claim, "job")
        with watching() as watch:
            for number in range(3):
                put(store, f"job/{number}.m4a")
                time.sleep(0.4)
            assert watch.events == []
    with watching() as watch:
        watch.wait_for(1)  # what is still there when the claim is over is told


def test_what_a_killed_claim_left_is_its_retrys_for_a_minute(store: Store) -> None:
    put(store, "job/a.m4a")
    put(store, "job/b.m4a")
    with watching(settle_s=0.2) as watch:
        watch.wait_for(1)
        state.mark_claim("job", under_way=True)
        store.delete("incoming/job/a.m4a")  # it had claimed one of two when it was killed
        time.sleep(1.5)
        assert len(watch.events) == 1
        with state.transaction() as cursor:
            cursor.execute("UPDATE voiceman.incoming_drop SET claimed_at = claimed_at - interval '1 minute'")
        watch.wait_for(2)  # nobody came back
        state.mark_claim("job", under_way=True)
        put(store, "job/c.m4a")
        time.sleep(1)
        assert len(watch.events) == 2
        state.mark_claim("job", under_way=False)
        watch.wait_for(3)  # what came while the claim was under way


@pytest.mark.parametrize("away", ["S3", "DB"])
def test_a_store_or_database_that_is_away_is_tried_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, away: str
) -> None:
    put(store, "job/a.m4a")
    put(store, "job/_READY", b"")
    if away == "S3":
        nowhere = json.loads(os.environ["AIRFLOW_CONN_VOICEMAN_S3"])
        nowhere["extra"]["endpoint_url"] = "http://127.0.0.1:9"
        nowhere["extra"]["config_kwargs"]["retries"] = {"total_max_attempts": 1}
        told, connection = "S3 could not be reached while listing incoming/", json.dumps(nowhere)
    else:
        told, connection = "PostgreSQL can't be reached", "postgresql://voiceman:x@127.0.0.1:9/voiceman"
    with monkeypatch.context() as changed:
        changed.setenv(f"AIRFLOW_CONN_VOICEMAN_{away}", connection)
        with watching() as watch:
            wait_until(lambda: told in caplog.text, 120, "the failure")
            assert watch.events == []
            changed.undo()
            watch.wait_for(1, timeout_s=30)


def test_what_can_not_be_a_job_is_shown(store: Store) -> None:
    for key in ("stray.m4a", "a..b/x.m4a", "nice case/x.m4a", "good/x.m4a", "bad\x07name/x.m4a", "bad\x08name/x.m4a"):
        put(store, key)
    with watching(settle_s=0.5) as watch:
        watch.wait_for(1)
        time.sleep(1)
        assert watch.jobs == ["good"]
    problems = {drop.seen.job_id: drop.seen.problem for drop in state.known_drops()}
    assert set(problems) == {"incoming/", "a..b", "nice case", "good", "bad�name"}
    assert "1 files lie directly under s3://" in (problems["incoming/"] or "")
    assert "is left where it is: The job id 'nice case' is not acceptable" in (problems["nice case"] or "")
    shown = CliRunner().invoke(app, ["drops"], env={"COLUMNS": "400"}).output
    assert "is left where it is" in shown
    assert "1 times" in shown


def test_a_look_that_began_earlier_changes_nothing_newer(store: Store) -> None:
    early = state.clock()
    state.record_drops([state.SeenDrop("job", "f2", 0.0)], begun=state.clock())
    state.record_drops([state.SeenDrop("job", "f1", 0.0)], begun=early)
    state.record_drops([], begun=early)
    drop = known("job")
    assert drop is not None
    assert drop.seen.fingerprint == "f2"
    state.record_drops([], begun=state.clock(), jobs=["another"])
    assert known("job") is not None  # it was not looked at
    state.record_drops([], begun=state.clock())
    assert known("job") is None


def test_ten_thousand_unchanged_drops_are_not_written_again(store: Store) -> None:
    drops = [state.SeenDrop(f"job-{n}", f"f{n}", 600.0) for n in range(10_000)]
    state.record_drops(drops, begun=state.clock())

    def versions() -> set[tuple[str, str]]:
        with state.transaction() as cursor:
            cursor.execute("SELECT job_id, xmin::text FROM voiceman.incoming_drop")
            return set(cursor.fetchall())

    before = versions()
    state.record_drops(drops, begun=state.clock())
    assert state.announce_drops() == []
    assert versions() == before
    assert len(before) == 10_000


def test_the_rest_of_a_giant_drop_waits_until_few_of_its_recordings_do(store: Store) -> None:
    for name in ("giant", "ready"):
        state.save_job(Job(job_id=name, language="ko"))

    def waiting(change: str) -> None:
        with state.transaction() as cursor:
            cursor.execute(change)

    waiting(
        "INSERT INTO voiceman.recording (job_id, file_id, name, received_name, sha256, size_bytes, received_at, "
        "run_id, try_number, actor) SELECT 'giant', 'f' || n, 'f.wav', 'f.wav', repeat('a', 64), 1, now(), 'run', 1, "
        "'claim' FROM generate_series(1, 501) n"
    )
    seen = {"giant": 0.01, "small": 0.01, "ready": 0.0}
    state.record_drops([state.SeenDrop(name, "f", quiet) for name, quiet in seen.items()], begun=state.clock())
    waiting(
        "INSERT INTO voiceman.recording (job_id, file_id, name, received_name, sha256, size_bytes, received_at, "
        "run_id, try_number, actor) SELECT 'ready', file_id, name, name, sha256, 1, now(), 'run', 1, 'claim' "
        "FROM voiceman.recording"
    )
    time.sleep(0.05)
    # another job's never waits, nor what somebody said is complete
    assert sorted(drop.job_id for drop in state.announce_drops()) == ["ready", "small"]
    assert [drop.seen.job_id for drop in state.known_drops() if drop.held] == ["giant"]
    assert state.next_due_s() is None  # not "long ago", which would hide the next one
    waiting("UPDATE voiceman.recording SET state = 'STT_QUEUE' WHERE file_id = 'f1'")
    assert state.announce_drops() == []
    waiting("UPDATE voiceman.incoming_drop SET since = since - interval '5 minutes' WHERE job_id = 'giant'")
    assert [drop.job_id for drop in state.announce_drops()] == ["giant"]
    waiting("UPDATE voiceman.incoming_drop SET since = clock_timestamp(), announced = 0 WHERE job_id = 'giant'")
    time.sleep(0.05)
    assert state.announce_drops() == []
    waiting("UPDATE voiceman.recording SET state = 'STT_PROCESSING' WHERE file_id = 'f1'")
    assert [drop.job_id for drop in state.announce_drops()] == ["giant"]


def test_the_rest_of_a_giant_drop_does_not_wait_for_a_run_that_is_dead(store: Store) -> None:
    state.save_job(Job(job_id="dead", language="ko"))
    with state.transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.recording (job_id, file_id, name, received_name, sha256, size_bytes, received_at, "
            "run_id, try_number, actor, updated_at) SELECT 'dead', 'f' || n, 'f.wav', 'f.wav', repeat('a', 64), 1, "
            "now(), 'run', 1, 'claim', now() - interval '61 seconds' FROM generate_series(1, 501) n"
        )
    state.record_drops([state.SeenDrop("dead", "f1", 0.01)], begun=state.clock())
    time.sleep(0.05)
    assert [drop.job_id for drop in state.announce_drops()] == ["dead"]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An SQS queue on a local server: (client, URL)."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        url = f"http://127.0.0.1:{port}"
        monkeypatch.setenv(
            "AIRFLOW_CONN_QUEUE_TEST",
            json.dumps(
                {
                    "conn_type": "aws", "login": "a", "password": "b",
                    "extra": {"region_name": "us-east-1", "service_config": {"sqs": {"endpoint_url": url}}},
                }
            ),
        )  # fmt: skip
        client = boto3.client(
            "sqs", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        yield client, client.create_queue(QueueName="drops")["QueueUrl"]
    finally:
        server.stop()


def test_a_notification_starts_what_is_ready_and_leaves_the_rest_to_the_watcher(store: Store, queue: Any) -> None:
    from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger

    client, url = queue

    def notify(*keys: str) -> None:
        records = [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}} for key in keys]
        client.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": records}))

    def receive() -> Any:
        trigger = MessageQueueTrigger(
            scheme="sqs", sqs_queue=url, aws_conn_id="queue_test", max_messages=10, waiter_delay=1
        )
        with Watching(trigger) as watch:
            return watch.wait_for(1)[0][1]

    put(store, "ready/a.m4a")
    put(store, "ready/_READY", b"")
    put(store, "settling/a.m4a")
    put(store, "unnamed/a.m4a")
    put(store, "unnamed/_READY", b"")
    notify("incoming/ready/a.m4a")
    notify("incoming/ready/_READY", "incoming/settling/a.m4a")
    payload = receive()
    assert len(payload["message_batch"]) == 2
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = client.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
    assert {left[name] for name in counts} == {"0"}  # deleted after receipt
    runs = starts([payload], lambda _: False)
    assert [run["job_id"] for run in runs] == ["ready"]
    assert starts([payload], lambda _: False) == []  # the same messages again
    notify("incoming/ready/_READY")
    assert starts([receive()], lambda _: False) == []  # delivered again
    with watching(settle_s=0.5) as watch:
        watch.wait_for(2)
        assert sorted(watch.jobs) == ["settling", "unnamed"]
    assert starts([None], lambda _: False) == []  # an event made by hand: looks at all, finds nothing new


def test_a_long_job_id_is_shown_whole_on_a_narrow_screen_and_an_unknown_case_is_named(
    store: Store, tmp_path: Path
) -> None:
    job_id = f"long-{'x' * 40}-{uuid.uuid4().hex}"
    state.save_job(Job(job_id=job_id))
    shown = CliRunner().invoke(app, ["jobs"], env={"COLUMNS": "80"}).output
    first = "".join(line.split("│")[1].strip() if "│" in line else "" for line in shown.splitlines())
    assert job_id in first
    asked = CliRunner().invoke(app, ["case-report", "2026-nobody", "--out", str(tmp_path)])
    assert "Neither a case nor a job is called '2026-nobody'" in str(asked.exception)
