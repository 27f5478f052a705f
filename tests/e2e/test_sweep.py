"""What a night and a backfill find, in the real PostgreSQL and S3."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include import pipeline, state
from include.manifest import ArtefactRef, Job, Recording, State
from include.pipeline import TaskRun
from include.pipeline.engines import get_engines
from include.pipeline.redo import Redoing
from include.pipeline.sweep import RETRIES, Again, backfill, sweep
from include.settings import get_settings
from include.state import Actor
from include.storage import Store
from tests.nights import first_night

pytestmark = pytest.mark.e2e

FIRST = datetime(2021, 3, 1, 17, tzinfo=UTC)  # no other test receives anything then
DATES = [FIRST + timedelta(days=number) for number in range(4)]
TO_COMPLETED = [one for one in State if one not in (State.PENDING, State.FAILED)]
DIGEST = "ab" * 32


def over(_: str) -> bool:
    return True


def going_on(_: str) -> bool:
    return False


@pytest.fixture
def store(store: Store) -> Store:
    first_night()
    return store


def job(name: str, language: str = "auto") -> str:
    job_id = f"sweep-{name}-{uuid.uuid4().hex[:8]}"
    state.save_job(Job(job_id=job_id, language=language))
    return job_id


def received(job_id: str, file_id: str, at: datetime, *, run_id: str = "submit__1") -> Recording:
    one = Recording(job_id=job_id, file_id=file_id, name=f"{file_id}.m4a", sha256=DIGEST, size_bytes=1)
    state.add_recording(one, Actor(run_id, 1, "test"), received_at=at)
    return one


def failed(job_id: str, file_id: str, at: datetime, code: str = "storage") -> Recording:
    one = received(job_id, file_id, at)
    state.fail(one, Actor("submit__1", 1, "test"), code=code, message="A sentence.")
    return one


def completed(job_id: str, file_id: str, at: datetime, *, outdated: str | None = None) -> Recording:
    """With today's artefacts, but for the kind that is ``outdated``."""
    one, actor, engines = received(job_id, file_id, at), Actor("submit__1", 1, "test"), get_engines()
    for step in TO_COMPLETED:
        state.advance(one, step, actor)
    for kind, today in (("forensic.json", engines.analysis_digest()), ("report.pdf", engines.report_digest())):
        digest = ("0" * 64 if kind == outdated else today) + DIGEST[:16]
        reference = ArtefactRef(uri=f"s3://bucket/completed/{job_id}/{file_id}_{kind}", sha256=DIGEST)
        state.save_artefacts(one, [state.Artefact(kind, reference, digest, False)])
    return one


def ours(found: list[Again], *jobs: str) -> list[tuple[str, str]]:
    return [(one.job_id, one.redo) for one in found if one.job_id in jobs]


def test_a_night_with_nothing_to_do_is_green(stack: Path) -> None:
    assert first_night()["state"] == "success"


def test_a_backfill_finds_exactly_its_dates(store: Store) -> None:
    start, end = DATES[1], DATES[2]
    before, inside, after = job("before"), job("inside"), job("after")
    both, today = job("both"), job("today")
    old = "forensic.json"
    completed(before, "last", start - timedelta(microseconds=1), outdated=old)
    completed(inside, "first", start, outdated=old)
    completed(inside, "last", end - timedelta(microseconds=1), outdated=old)
    completed(after, "first", end, outdated=old)
    completed(both, "before", DATES[0], outdated=old)
    failed(both, "inside", start + timedelta(hours=3), code="audio")
    completed(today, "as it should be", start + timedelta(hours=4))
    expected = {
        "failed": {both},
        "outdated": {both, inside},  # `today` is not outdated: nothing to do
        "all": {both, inside, today},
    }
    for redo, jobs in expected.items():
        found = backfill(start, end, redo, over)  # type: ignore[arg-type]
        assert {one.job_id for one in found} == jobs, redo
        assert {one.redo for one in found} == {redo}
        assert len(found) == len(jobs)
    assert {one.job_id for one in backfill(DATES[0], DATES[1], "all", over)} == {before, both}
    assert {one.job_id for one in backfill(DATES[2], DATES[3], "all", over)} == {after}
    assert backfill(DATES[0] - timedelta(days=1), DATES[0], "all", over) == []


def test_the_claim_of_a_backfill_leaves_other_dates_alone(store: Store) -> None:
    two_dates = job("claim")
    for file_id, at in (("day 0", DATES[0]), ("day 1", DATES[1]), ("day 2", DATES[2])):
        failed(two_dates, file_id, at)
    actor = Actor(f"backfill__{two_dates}", 1, "test")
    run = TaskRun(actor, last_try=False, run_is_over=over)
    pipeline.claim_job(store, Job(job_id=two_dates), run, redo=Redoing("all", (DATES[1], DATES[2])))
    rows = state.recordings_of(two_dates)
    assert {key: row.state for key, row in rows.items()} == {
        "day 0": State.FAILED, "day 1": State.PENDING, "day 2": State.FAILED,
    }  # fmt: skip
    assert {key for key, row in rows.items() if row.run_id == actor.run_id} == {"day 1"}


def test_a_night_takes_over_what_ended_runs_left(store: Store) -> None:
    left = job("left", "ko")
    received(left, "half way", DATES[1], run_id="submit__dead")
    received(left, "later", DATES[1] + timedelta(hours=2), run_id="submit__alive")
    assert ours(sweep(store, DATES[2], lambda run_id: run_id == "submit__dead"), left) == [(left, "nothing")]
    assert ours(sweep(store, DATES[2], going_on), left) == []
    assert ours(sweep(store, DATES[1], over), left) == []  # received when that night was over: the next one's
    (entry,) = [one for one in sweep(store, DATES[2], over) if one.job_id == left]
    assert (entry.first, entry.last) == (DATES[1], DATES[1] + timedelta(hours=2))
    (dated,) = [one for one in backfill(DATES[1], DATES[2], "outdated", over) if one.job_id == left]
    assert dated.redo == "outdated"


def test_a_night_finds_drops_that_nobody_claims(store: Store) -> None:
    dropped, held, marked = (f"sweep-{name}-{uuid.uuid4().hex[:8]}" for name in ("drop", "held", "marked"))
    names = (dropped, held, marked, "a..b")
    for key in (f"{dropped}/call.m4a", f"{held}/call.m4a", f"{held}/_HOLD", f"{marked}/_READY", "a..b/call.m4a"):
        store.client.put_object(Bucket=store.bucket, Key=f"incoming/{key}", Body=b"" if "/_" in key else b"audio")
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    try:
        # not one still being uploaded, not markers alone, not what can't be a job
        assert ours(sweep(store, tomorrow, over), *names) == [(dropped, "nothing")]
        assert ours(sweep(store, datetime.now(UTC) + timedelta(minutes=50), over), *names) == []  # the watcher's still
        asked: list[str] = []
        assert ours(sweep(store, tomorrow, lambda run_id: asked.append(run_id) is not None), *names) == []
        assert [one for one in asked if one.startswith(f"drop__{dropped}__")], "the run that the watcher starts"
        state.save_job(Job(job_id=dropped))
        received(dropped, "claimed already", DATES[3] + timedelta(days=900), run_id="submit__claiming")
        assert ours(sweep(store, tomorrow, lambda run_id: run_id != "submit__claiming"), *names) == []
    finally:
        for name in names:
            for item in list(store.list(f"incoming/{name}/")):
                store.delete(item.key)


def test_a_night_retries_what_may_heal_three_times(store: Store) -> None:
    broken, bad = job("transient"), job("bad")
    one = failed(broken, "call", DATES[1])
    failed(bad, "notes", DATES[1], code="audio")
    failed(bad, "changed", DATES[1], code="digest_mismatch")

    def nights() -> list[tuple[str, str]]:
        return ours(sweep(store, DATES[2], over), broken, bad)

    def again(run_id: str) -> None:
        actor = Actor(run_id, 1, "reprocess.claim")
        state.reopen(one, actor)
        state.fail(one, actor, code="storage", message="Away again.")

    assert RETRIES == 3
    for night in range(RETRIES):
        assert nights() == [(broken, "failed")], night
        again(f"nightly__{broken}__night-{night}")
    assert nights() == []  # three were enough
    again("submit__by hand")  # somebody asked for it, perhaps after mending something: it counts anew
    assert nights() == [(broken, "failed")]
    again(f"nightly__{broken}__night-9")
    assert nights() == [(broken, "failed")]
    assert ours(sweep(store, DATES[1], over), broken) == []


@pytest.mark.parametrize("kind", ["forensic.json", "report.pdf"])
def test_a_night_does_outdated_ones_again_the_newest_first(
    store: Store, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer, current = job("older"), job("newer"), job("current")
    # newer than anything else in the database, so that the cap reaches nothing but these
    at = datetime.now(UTC) + timedelta(days=30)
    completed(older, "call", at, outdated=kind)
    completed(newer, "call 1", at + timedelta(hours=1), outdated=kind)
    completed(newer, "call 2", at + timedelta(hours=2), outdated=kind)
    completed(current, "call", at + timedelta(hours=3))
    jobs, before = (older, newer, current), at + timedelta(days=1)
    assert ours(sweep(store, before, over), *jobs) == [(newer, "outdated"), (older, "outdated")]
    monkeypatch.setenv("VOICEMAN_NIGHTLY_MAX_RECORDINGS", "2")
    get_settings.cache_clear()
    (entry,) = [one for one in sweep(store, before, over) if one.redo == "outdated"]
    assert (entry.job_id, entry.first, entry.last) == (newer, at + timedelta(hours=1), at + timedelta(hours=2))
    with state.transaction() as cursor:  # out of the way of the next round, and of other tests
        cursor.execute("UPDATE voiceman.recording SET received_at = %s WHERE job_id = ANY (%s)", (FIRST, list(jobs)))


def test_a_job_found_twice_is_started_once(store: Store) -> None:
    mixed = job("mixed")
    failed(mixed, "failed", DATES[1] + timedelta(hours=1))
    completed(mixed, "outdated", DATES[1], outdated="report.pdf")
    received(mixed, "left", DATES[1] + timedelta(hours=2))
    assert ours(sweep(store, DATES[2], over), mixed) == [(mixed, "outdated")]
