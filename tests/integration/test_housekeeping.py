"""Housekeeping on the real store and database: what may go goes, recorded first; what may not, stays."""

import json
import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include import state
from include.errors import SettingsError, StateError
from include.manifest import Job, Recording, State
from include.pipeline.leftovers import remove_folders, remove_leftovers
from include.pipeline.retention import apply_retention
from include.pipeline.sweeping import Sweep
from include.settings import get_settings
from include.state import Actor
from include.storage import Store, layout, unfinished_uploads

pytestmark = pytest.mark.integration

CHAIN = [
    State.STT_QUEUE, State.STT_PROCESSING, State.FORENSIC_QUEUE, State.FORENSIC_PROCESSING,
    State.REPORT_QUEUE, State.REPORT_GENERATING, State.COMPLETED,
]  # fmt: skip
IN_A_YEAR = timedelta(days=366)
DECIDED = "The head of the lab decided on 2026-01-02 that originals go after a year."


def policy(monkeypatch: pytest.MonkeyPatch, days: dict[str, int], originals: str = "") -> None:
    monkeypatch.setenv("VOICEMAN_RETENTION_DAYS", json.dumps(days))
    monkeypatch.setenv("VOICEMAN_RETENTION_ORIGINALS_POLICY", originals)
    get_settings.cache_clear()


def new_job(store: Store, last: State, *, name: str = "call.m4a") -> Recording:
    """A job with one recording at this state, and an object under every prefix."""
    job = Job(job_id=f"keep-{uuid.uuid4().hex[:8]}")
    actor = Actor(f"run-{job.job_id}", 1, "test")
    state.save_job(job)
    data = f"original of {job.job_id}".encode()
    original = store.write(layout.original_key(job.job_id, name), data)
    one = Recording(job_id=job.job_id, file_id="call", name=name, sha256=original.sha256, size_bytes=len(data))
    state.add_recording(one, actor, received_at=datetime.now(UTC))
    if last is State.FAILED:
        state.fail(one, actor, code="audio", message="It is cut off.")
    else:
        for step in CHAIN[: CHAIN.index(last) + 1] if last is not State.PENDING else ():
            state.advance(one, step, actor)
    for key in (
        layout.incoming_key(job.job_id, "next.m4a"),
        layout.processing_key(job.job_id, name),
        layout.processing_key(job.job_id, "call_transcript.json"),
        layout.manifest_key(job.job_id, actor.run_id),
        layout.completed_key(job.job_id, "call_report.pdf"),
        layout.summary_key(job.job_id),
        layout.failed_key(job.job_id, name),
        layout.cache_transcript_key(one.sha256, "0" * 64),
    ):
        store.write(key, key.encode())
    return one


def keys(store: Store, one: Recording) -> dict[str, list[str]]:
    """Prefix → names of what is there of a recording's job."""
    found = {
        prefix: sorted(item.key.split("/", 2)[2] for item in store.list(f"{prefix}/{one.job_id}/"))
        for prefix in ("incoming", "processing", "completed", "failed", "originals")
    }
    found["cache"] = [item.key for item in store.list(f"cache/transcripts/{one.sha256[:2]}/{one.sha256}/")]
    return found


def recorded(job_or_key: str) -> list[tuple[Any, ...]]:
    with state.transaction() as cursor:
        cursor.execute(
            "SELECT key, sha256, policy, actor, size_bytes FROM voiceman.deletion WHERE key LIKE %s ORDER BY id",
            (f"%{job_or_key}%",),
        )
        return list(cursor.fetchall())


def sweep_later(store: Store, later: timedelta = IN_A_YEAR, **more: Any) -> Sweep:
    """A pass in the future: what was written now is old then."""
    return Sweep(store, "test", now=datetime.now(UTC) + later, **more)


def test_nothing_goes_by_default(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = new_job(store, State.COMPLETED)
    before = keys(store, one)
    sweep = sweep_later(store)
    apply_retention(sweep)
    assert (sweep.counts, keys(store, one)) == ({}, before)


def test_by_prefix_and_age_and_never_of_an_unfinished_job(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    policy(monkeypatch, {"completed/": 365, "failed/": 30, "cache/": 30, "processing/": 400})
    done, busy = new_job(store, State.COMPLETED), new_job(store, State.REPORT_GENERATING)
    waiting, broken = new_job(store, State.PENDING), new_job(store, State.FAILED)
    before = {one.job_id: keys(store, one) for one in (done, busy, waiting, broken)}

    young = sweep_later(store, timedelta(days=20))
    apply_retention(young)
    assert {one.job_id: keys(store, one) for one in (done, busy, waiting, broken)} == before

    said: list[str] = []
    dry = sweep_later(store, dry_run=True, say=said.append)
    apply_retention(dry)
    assert {one.job_id: keys(store, one) for one in (done, busy, waiting, broken)} == before
    assert recorded(done.job_id) == []

    sweep = sweep_later(store)
    apply_retention(sweep)
    assert sweep.counts == dry.counts
    assert len(said) == sweep.counts["retention"]
    gone = {"completed": [], "failed": [], "cache": []}
    assert keys(store, done) == before[done.job_id] | gone
    assert keys(store, broken) == before[broken.job_id] | gone
    assert keys(store, busy) == before[busy.job_id]
    assert keys(store, waiting) == before[waiting.job_id]
    entries = recorded(done.job_id)
    assert [entry[0] for entry in entries] == [
        f"completed/{done.job_id}/call_report.pdf", f"completed/{done.job_id}/job_summary.json",
        f"failed/{done.job_id}/call.m4a",
    ]  # fmt: skip
    assert {entry[2] for entry in entries} == {
        "retention: completed/ after 365 days", "retention: failed/ after 30 days"
    }  # fmt: skip
    assert len(recorded(done.sha256)) == 1


def test_a_job_that_is_being_claimed_is_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    policy(monkeypatch, {"completed/": 1})
    one = new_job(store, State.COMPLETED)
    before = keys(store, one)
    with state.transaction() as cursor:
        state.job_lock(cursor, one.job_id)
        sweep = sweep_later(store)
        apply_retention(sweep)
        remove_leftovers(sweep)
    assert keys(store, one) == before
    apply_retention(sweep_later(store))
    assert keys(store, one)["completed"] == []


def test_originals_go_only_by_an_explicit_policy_with_their_digest(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done, changed = new_job(store, State.COMPLETED), new_job(store, State.COMPLETED)
    busy = new_job(store, State.FORENSIC_QUEUE)
    store.write(layout.original_key(changed.job_id, changed.name), b"other bytes than were claimed")
    store.write(layout.original_key("unknown-job", "x.m4a"), b"the database knows nothing of it")
    policy(monkeypatch, {"originals/": 300}, "   ")
    with pytest.raises(SettingsError, match="VOICEMAN_RETENTION_ORIGINALS_POLICY is not valid: .*who decided"):
        apply_retention(sweep_later(store))
    assert keys(store, done)["originals"] == [done.name]

    policy(monkeypatch, {"originals/": 300}, DECIDED)
    apply_retention(sweep_later(store))
    assert keys(store, done)["originals"] == []
    assert keys(store, changed)["originals"] == [changed.name]
    assert "it is not what was claimed" in caplog.text
    assert keys(store, busy)["originals"] == [busy.name]
    assert store.exists(layout.original_key("unknown-job", "x.m4a"))
    ((key, sha256, why, actor, size),) = recorded(done.job_id)
    assert key == layout.original_key(done.job_id, done.name)
    assert (sha256, actor, size) == (done.sha256, "test", done.size_bytes)
    assert why == f"retention: originals/ after 300 days; {DECIDED}"
    # the bucket keeps versions: what was deleted is still there under a delete marker
    versions = store.client.list_object_versions(Bucket=store.bucket, Prefix=key)
    assert len(versions["Versions"]) == len(versions["DeleteMarkers"]) == 1
    store.delete(layout.original_key("unknown-job", "x.m4a"))


class StoppedAfterRecordError(Exception):
    pass


def test_a_crash_never_leaves_a_deletion_unrecorded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    policy(monkeypatch, {"completed/": 1})
    one = new_job(store, State.COMPLETED)

    class DyingStore(Store):
        deleted = 0

        def delete(self, key: str) -> None:
            if key.startswith(f"completed/{one.job_id}/"):  # other tests' jobs go as well
                if self.deleted:
                    raise StoppedAfterRecordError(key)
                self.deleted += 1
            super().delete(key)

    with pytest.raises(StoppedAfterRecordError):
        apply_retention(sweep_later(DyingStore(store.client, store.bucket)))
    assert len(keys(store, one)["completed"]) == 1
    assert len(recorded(f"completed/{one.job_id}/")) == 2  # what was not deleted is recorded, too: recorded first
    apply_retention(sweep_later(store))
    assert keys(store, one)["completed"] == []
    assert len(recorded(f"completed/{one.job_id}/")) == 2  # and not a second time
    # the same key written and deleted again is another deletion
    time.sleep(1.1)  # S3's times are in seconds
    store.write(layout.summary_key(one.job_id), b"again")
    apply_retention(sweep_later(store))
    assert len(recorded(layout.summary_key(one.job_id))) == 2


def test_the_record_can_only_grow(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    policy(monkeypatch, {"completed/": 1})
    one = new_job(store, State.COMPLETED)
    apply_retention(sweep_later(store))
    for statement in ("DELETE FROM voiceman.deletion", "UPDATE voiceman.deletion SET key = 'x'"):
        with pytest.raises(StateError, match="append-only"), state.transaction() as cursor:
            cursor.execute(statement)
    assert len(recorded(one.job_id)) == 2


def test_leftovers_go_and_what_is_worked_on_stays(store: Store) -> None:
    done, busy = new_job(store, State.COMPLETED), new_job(store, State.STT_PROCESSING)
    store.write(layout.processing_key(busy.job_id, "gone_report.pdf"), b"of a recording that nobody knows")
    store.write(layout.processing_key("nobodys-job", "x.m4a"), b"of a job that nobody knows")
    store.write(layout.incoming_key(done.job_id, "_HOLD"), b"")
    begun = store.client.create_multipart_upload(Bucket=store.bucket, Key=f"incoming/{done.job_id}/big.wav")
    part = {"UploadId": begun["UploadId"], "PartNumber": 1, "Body": b"x" * 100}
    store.client.upload_part(Bucket=store.bucket, Key=f"incoming/{done.job_id}/big.wav", **part)  # type: ignore[arg-type]
    before = keys(store, done), keys(store, busy)

    remove_leftovers(sweep_later(store, timedelta(hours=23)))
    assert (keys(store, done), keys(store, busy)) == before
    assert [upload.key for upload in unfinished_uploads(store)] == [f"incoming/{done.job_id}/big.wav"]

    dry = sweep_later(store, timedelta(hours=25), dry_run=True)
    remove_leftovers(dry)
    assert (keys(store, done), keys(store, busy)) == before
    assert dry.counts["uploads"] == 1

    sweep = sweep_later(store, timedelta(hours=25))
    remove_leftovers(sweep)
    # "kept" counts what is worked on, in all jobs: the live stack may begin something in between
    assert {**sweep.counts, "kept": 0} == {**dry.counts, "kept": 0}
    manifest = layout.manifest_key(done.job_id, f"run-{done.job_id}").split("/")[2]
    assert keys(store, done) == before[0] | {"processing": [manifest], "incoming": ["next.m4a"]}
    assert keys(store, busy)["processing"] == [name for name in before[1]["processing"] if name != "gone_report.pdf"]
    assert not store.exists(layout.processing_key("nobodys-job", "x.m4a"))
    assert list(unfinished_uploads(store)) == []
    whys = {entry[0].split("/")[-1]: entry[2] for entry in recorded(done.job_id)}
    assert whys["_HOLD"] == "leftover: a submit that never ended"
    assert whys["big.wav"] == "leftover: an upload that was never finished"
    assert whys["call.m4a"] == "leftover: no unfinished recording has it"


def test_local_folders_of_killed_tasks(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(name: str, *, mode: int = 0o700, hours: float = 25, inside: float = 25) -> Path:
        path = tmp_path / name
        path.mkdir()
        (path / "recording").write_bytes(b"x")
        path.chmod(mode)
        for target, age in ((path / "recording", inside), (path, hours)):
            then = time.time() - age * 3600
            os.utime(target, (then, then))
        return path

    gone = [folder("voiceman-task-tmp-ab12_x9z"), folder("voiceman-task-tmp-00000000")]
    home = folder("voiceman-mystuff1")
    kept = [
        home, folder("voiceman-tests-ab12_x9z"), folder("voiceman-mydata"), folder("voiceman-personal", mode=0o755),
        folder("voiceman-young_1x", hours=1), folder("voiceman-inuse_1x", inside=1), folder("other-ab12_x9z"),
    ]  # fmt: skip
    link = tmp_path / "voiceman-linked_1"
    link.symlink_to(home)
    if os.getuid() == 0:
        strangers = folder("voiceman-stranger")
        os.chown(strangers, 65534, 65534)
        kept.append(strangers)
    monkeypatch.setenv("VOICEMAN_HOME", str(home / "stack"))
    get_settings.cache_clear()
    dry = Sweep(store, "test", dry_run=True)
    remove_folders(dry, tmp_path)
    assert all(path.exists() for path in gone)
    sweep = Sweep(store, "test")
    remove_folders(sweep, tmp_path)
    assert dry.counts == sweep.counts == {"folders": 2}
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (*kept, link))
