"""The custody ledger in the real PostgreSQL: written with the state, changed by nobody, and every change noticed."""

import io
import random
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from include import evidence, state
from include.cli import main
from include.errors import IllegalTransitionError, LedgerError, NotOwnerError, StateError, VoiceManError
from include.evidence import Event
from include.local.layout import Layout, load_state
from include.local.secrets import load_secrets
from include.manifest import ArtefactRef, Job, Recording, State
from include.pipeline import signing
from include.settings import ROOT, get_settings
from include.state import Actor
from include.storage import Store

pytestmark = pytest.mark.integration

ACTOR = Actor("run", 1, "test")
CHAIN = [
    State.STT_QUEUE, State.STT_PROCESSING, State.FORENSIC_QUEUE, State.FORENSIC_PROCESSING,
    State.REPORT_QUEUE, State.REPORT_GENERATING, State.COMPLETED,
]  # fmt: skip


def make_job(count: int = 1) -> list[Recording]:
    job_id = f"custody-{uuid.uuid4().hex[:8]}"
    state.save_job(Job(job_id=job_id))
    made = [
        Recording(job_id=job_id, file_id=f"통화 {n}", name=f"통화 {n}.m4a", sha256=f"{n:x}" * 64, size_bytes=5)
        for n in range(1, count + 1)
    ]
    for one in made:
        state.add_recording(
            one, ACTOR, received_at=datetime.now(UTC), note=state.Note(digests={"original": one.sha256})
        )
    return made


@pytest.fixture
def recording(stack: Path) -> Recording:
    return make_job()[0]


def ledger(case: str) -> list[Event]:
    with state.events_of(case) as events:
        return list(events)


def check(case: str) -> list[str]:
    """What the command line checks: chain, heads, tables; the sentences of what is wrong."""
    events = ledger(case)
    evidence.check_chain(events, case)
    keys = evidence.read_keys(get_settings().public_keys)
    evidence.check_against(state.heads_of(case), {one.seq: one.hash for one in events}, keys, case)
    return state.unexplained(case)


@contextmanager
def superuser() -> Iterator[psycopg.Cursor]:
    """Who may do anything, triggers switched off; what it did is rolled back."""
    layout = Layout.current()
    local = load_state(layout)
    assert local is not None
    with psycopg.connect(
        host="127.0.0.1", port=local.ports["postgres"], user="postgres", dbname="voiceman",
        password=load_secrets(layout).db_superuser_password,
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute("SET session_replication_role = replica")
        yield cursor


def test_every_change_of_state_is_an_event_with_its_digests(recording: Recording) -> None:
    case = recording.job_id
    for one in CHAIN[:2]:
        state.advance(recording, one, Actor("run", 2, "dag.task[3]"))
    made = state.Artefact("transcript.json", ArtefactRef(uri="s3://x/y", sha256="b" * 64), "d", False)
    state.save_artefacts(recording, [made])
    state.advance(recording, CHAIN[2], ACTOR, note=state.Note(digests={"working copy": "c" * 64}))
    state.fail(recording, ACTOR, code="audio", message='cut "off"\nhere\t\x01')
    state.reopen(recording, Actor("run-2", 1, "claim"), reason="dropped again")
    assert check(case) == []
    facts = [one.facts for one in ledger(case)]
    assert [(one["action"], one["from_state"], one["to_state"]) for one in facts] == [
        ("claimed", None, "PENDING"), ("state", "PENDING", "STT_QUEUE"), ("state", "STT_QUEUE", "STT_PROCESSING"),
        ("state", "STT_PROCESSING", "FORENSIC_QUEUE"), ("state", "FORENSIC_QUEUE", "FAILED"),
        ("reopened", "FAILED", "PENDING"),
    ]  # fmt: skip
    original = {"recording": "1" * 64, "original": "1" * 64}
    assert facts[0]["digests"] == original
    assert facts[3]["digests"] == {"recording": "1" * 64, "transcript.json": "b" * 64, "working copy": "c" * 64}
    assert facts[4]["reason"] == 'audio: cut "off"\nhere\t\x01'
    assert facts[5]["reason"] == "dropped again"
    assert (facts[1]["actor"], facts[1]["run"], facts[1]["try"]) == ("dag.task[3]", "run", 2)
    assert {one["recording"] for one in facts} == {"통화 1"}
    at, local = (datetime.fromisoformat(facts[0][key]) for key in ("at", "local"))
    assert at == local
    assert local.utcoffset() == timedelta(hours=9)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


def test_the_body_is_canonical_json(recording: Recording) -> None:
    import rfc8785

    for one in CHAIN[:3]:
        state.advance(recording, one, ACTOR)
    state.fail(recording, ACTOR, code="x", message='\\ / " \b\f\n\r\t \x1f \x7f é 통화 \U0001f600 </script>')
    for event in ledger(recording.job_id):
        assert rfc8785.dumps(event.facts).decode() == event.body


def test_no_state_without_its_event_and_no_event_without_its_state(recording: Recording) -> None:
    before = len(ledger(recording.job_id))
    with pytest.raises(IllegalTransitionError):
        state.advance(recording, State.COMPLETED, ACTOR)
    with pytest.raises(NotOwnerError):
        state.advance(recording, State.STT_QUEUE, Actor("another", 1, "x"))
    with pytest.raises(StateError), state.transaction() as cursor:
        cursor.execute("UPDATE voiceman.recording SET state = 'STT_QUEUE' WHERE job_id = %s", (recording.job_id,))
        cursor.execute("SELECT 1 / 0")
    assert len(ledger(recording.job_id)) == before
    assert check(recording.job_id) == []


def test_writers_side_by_side_make_one_chain(stack: Path) -> None:
    made = make_job(8)
    errors: list[Exception] = []

    def work(one: Recording) -> None:
        try:
            for target in CHAIN:
                state.advance(one, target, ACTOR)
        except VoiceManError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    events = ledger(made[0].job_id)
    assert len(events) == 8 * 8
    assert check(made[0].job_id) == []


def test_all_of_a_job_moved_at_once_is_an_event_each(stack: Path) -> None:
    made = make_job(3)
    state.advance_all(made[0].job_id, State.PENDING, State.STT_QUEUE, ACTOR)
    facts = [one.facts for one in ledger(made[0].job_id)]
    assert sorted(one["recording"] for one in facts if one["to_state"] == "STT_QUEUE") == ["통화 1", "통화 2", "통화 3"]
    assert check(made[0].job_id) == []


STATEMENTS = [
    "UPDATE custody.event SET body = body", "DELETE FROM custody.event", "TRUNCATE custody.event CASCADE",
    "INSERT INTO custody.event SELECT * FROM custody.event LIMIT 1", "DELETE FROM custody.head",
    "UPDATE custody.head SET at = now()", "ALTER TABLE custody.event DISABLE TRIGGER ALL",
    "DROP TABLE custody.event CASCADE", "DROP SCHEMA custody CASCADE", "ALTER SCHEMA custody RENAME TO x",
    "CREATE TABLE custody.other (a int)", "DROP FUNCTION custody.append CASCADE",
    "SELECT custody.write('c', 'j', '', 'x', NULL, NULL, NULL, NULL, 'x', '{}', NULL)",
    "CREATE OR REPLACE FUNCTION custody.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "SET ROLE voiceman_custody", "SET session_replication_role = replica",
    "ALTER TABLE custody.event OWNER TO voiceman", "GRANT voiceman_custody TO voiceman",
]  # fmt: skip


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_pipelines_own_role_can_only_append(recording: Recording, statement: str) -> None:
    assert state.ledger_sealed()
    with (
        pytest.raises(StateError, match=r"permission denied|must be (able|owner)|not the owner"),
        state.transaction() as cursor,
    ):
        cursor.execute(statement)
    assert check(recording.job_id) == []


@pytest.mark.parametrize("statement", STATEMENTS[:3])
def test_the_owner_is_held_by_a_trigger(recording: Recording, statement: str) -> None:
    with superuser() as cursor:
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("SET ROLE voiceman_custody")
        with pytest.raises(psycopg.Error, match="append-only"):
            cursor.execute(statement)


def test_the_case_of_a_job_is_fixed(recording: Recording) -> None:
    with state.transaction() as cursor:
        cursor.execute("UPDATE voiceman.job SET case_name = 'other' WHERE job_id = %s", (recording.job_id,))
    assert state.case_of(recording.job_id) == recording.job_id
    assert state.case_of("no such job") is None


def test_what_is_no_change_of_state_is_noted_too(recording: Recording) -> None:
    given = state.Note("fetched", "for the prosecutor", {"report.pdf": "d" * 64})
    state.note(recording.job_id, None, given, Actor("", 0, "kim"))
    state.note("no such job", None, given, Actor("", 0, "kim"))
    last = ledger(recording.job_id)[-1].facts
    assert (last["action"], last["reason"], last["digests"]) == ("fetched", "for the prosecutor", dict(given.digests))
    assert (last["run"], last["try"], last["recording"], last["own_seq"]) == (None, None, None, 1)
    assert check(recording.job_id) == []


def test_deletions_are_events_of_their_case(recording: Recording) -> None:
    job_id = recording.job_id
    keys = [f"originals/{job_id}/{recording.name}", f"completed/{job_id}/x_report.pdf", "cache/transcripts/aa/b.json"]
    gone = [
        state.Deletion(key, 7, datetime.now(UTC), "retention: by order", "dag.task", "e" * 64 if n == 0 else None)
        for n, key in enumerate(keys)
    ]
    assert state.record_deletions(gone) == 3
    facts = [one.facts for one in ledger(job_id)][1:]
    assert {(one["recording"], one["reason"]) for one in facts} == {
        ("통화 1", f"retention: by order: {keys[0]} (7 bytes)"), (None, f"retention: by order: {keys[1]} (7 bytes)"),
    }  # fmt: skip
    assert [one["digests"] for one in facts if one["recording"]] == [{keys[0]: "e" * 64}]
    assert check(job_id) == []


def test_heads_are_signed_once_for_each_end(recording: Recording, store: Store) -> None:
    case = recording.job_id
    signing.sign_gate(store, case)
    signing.sign_gate(store, case)
    assert len(state.heads_of(case)) == 1
    state.advance(recording, CHAIN[0], ACTOR)
    assert case in state.cases_without_head()
    assert signing.sign_open_heads() >= 1
    assert state.cases_without_head() == []
    assert len(state.heads_of(case, None)) == 2
    own = (recording.job_id, recording.file_id)
    signer = signing.open_signer()
    assert signer is not None
    assert signer.demo
    assert signing.sign_head(case, own, signer) is not None
    assert signing.sign_head(case, (recording.job_id, None), signer) is None
    assert len(state.heads_of(case)) == 3
    assert check(case) == []
    keys = evidence.read_keys(get_settings().public_keys)
    with state.events_of(case, own) as events:
        evidence.check_extract(
            list(events), state.heads_of(case, own), keys, case=case, job=case, recording=recording.file_id
        )
    assert [one.key for one in store.list(f"completed/{case}/ledger_head_")]


def test_a_head_for_another_event_or_out_of_turn_is_refused(recording: Recording, store: Store) -> None:
    case = recording.job_id
    (event,) = ledger(case)
    for previous, seq, digest in (("f" * 64, 1, event.hash), (None, 1, "f" * 64), (None, 2, event.hash)):
        with pytest.raises(StateError), state.transaction() as cursor:
            cursor.execute("SELECT custody.add_head(%s, '', '', %s, %s, %s, 'x', 'y')", (case, previous, seq, digest))


def tamper(cursor: psycopg.Cursor, case: str, source: random.Random, count: int) -> None:
    """One random change of the ledger's rows or of what they vouch for, hashes made anew as far as a forger can."""
    seq, other = source.randint(1, count), source.randint(1, count)
    row = "WHERE case_name = %s AND seq = %s"
    hashed = (
        "encode(sha256(convert_to(concat_ws(E'\\n', 'voiceman.event/1', case_name, seq, prev, body), 'UTF8')), 'hex')"
    )
    job, event_columns = "WHERE job_id = %s", "prev, body, hash FROM custody.event"
    kinds: list[Callable[[], object]] = [
        lambda: cursor.execute(f"UPDATE custody.event SET body = replace(body, 'test', 'kim') {row}", (case, seq)),
        lambda: (
            cursor.execute(f"UPDATE custody.event SET body = replace(body, 'test', 'kim') {row}", (case, seq)),
            cursor.execute(f"UPDATE custody.event SET hash = {hashed} {row}", (case, seq)),
        ),
        lambda: cursor.execute(f"UPDATE custody.event SET prev = repeat('1', 64) {row}", (case, seq)),
        lambda: cursor.execute(f"DELETE FROM custody.event {row}", (case, seq)),
        lambda: cursor.execute("DELETE FROM custody.event WHERE case_name = %s AND seq >= %s", (case, seq)),
        lambda: (  # the end is cut, and the recording set back to fit
            cursor.execute("DELETE FROM custody.event WHERE case_name = %s AND seq > %s", (case, count - 1)),
            cursor.execute("UPDATE voiceman.recording SET state = 'REPORT_GENERATING' WHERE job_id = %s", (case,)),
        ),
        lambda: (
            cursor.execute(f"UPDATE custody.event SET seq = 1000 {row}", (case, seq)),
            cursor.execute(f"UPDATE custody.event SET seq = %s {row}", (seq, case, seq % count + 1)),
            cursor.execute(f"UPDATE custody.event SET seq = %s {row}", (seq % count + 1, case, 1000)),
        ),
        lambda: cursor.execute(
            f"INSERT INTO custody.event SELECT case_name, 1000, job, recording, 1000, {event_columns} {row}",
            (case, other),
        ),
        lambda: cursor.execute("UPDATE voiceman.recording SET sha256 = repeat('e', 64) WHERE job_id = %s", (case,)),
        lambda: cursor.execute(
            f"UPDATE voiceman.recording SET state = 'FAILED', error_code = 'x', error_message = 'x' {job}", (case,)
        ),
        lambda: cursor.execute("UPDATE voiceman.artefact SET sha256 = repeat('e', 64) WHERE job_id = %s", (case,)),
        lambda: cursor.execute("DELETE FROM voiceman.recording WHERE job_id = %s", (case,)),
        lambda: cursor.execute(
            "UPDATE custody.head SET envelope = replace(envelope, 'e', 'f') WHERE case_name = %s", (case,)
        ),
    ]  # fmt: skip
    source.choice(kinds)()


def test_what_a_superuser_changes_is_noticed(recording: Recording, store: Store) -> None:
    case = recording.job_id
    for one in CHAIN:
        if one is State.COMPLETED:
            ref = ArtefactRef(uri="s3://x/y", sha256="b" * 64)
            state.save_artefacts(recording, [state.Artefact("report.pdf", ref, "d", False)])
        state.advance(recording, one, ACTOR)
    signing.sign_gate(store, case)
    assert check(case) == []
    keys = evidence.read_keys(get_settings().public_keys)
    missed = []
    with superuser() as cursor:
        for seed in range(200):
            cursor.execute("SAVEPOINT before")
            tamper(cursor, case, random.Random(seed), len(CHAIN) + 1)
            assert cursor.rowcount > 0, seed
            if not noticed(cursor, case, keys):
                missed.append(seed)
            cursor.execute("ROLLBACK TO SAVEPOINT before")
    assert missed == []
    assert check(case) == []


def noticed(cursor: psycopg.Cursor, case: str, keys: dict[str, evidence.PublicKey]) -> bool:
    """The checks on what this transaction sees; nothing of it is committed."""
    from include.state import custody_checks

    cursor.execute(
        "SELECT case_name, seq, prev, body, hash FROM custody.event WHERE case_name = %s ORDER BY seq", (case,)
    )
    events = [Event(*row) for row in cursor.fetchall()]
    cursor.execute("SELECT envelope FROM custody.head WHERE case_name = %s ORDER BY job, recording, number", (case,))
    heads = [row[0].encode() for row in cursor.fetchall()]
    try:
        evidence.check_chain(events, case)
        evidence.check_against(heads, {one.seq: one.hash for one in events}, keys, case)
    except (LedgerError, VoiceManError):
        return True
    return bool(custody_checks.differences(cursor, case))


def test_a_cut_end_with_its_head_deleted_is_noticed_by_the_copy_in_the_store(
    recording: Recording, store: Store
) -> None:
    case = recording.job_id
    state.advance(recording, CHAIN[0], ACTOR)
    signing.sign_gate(store, case)
    kept = [store.read(one.key) for one in store.list(f"completed/{case}/ledger_head_")]
    hashes = {one.seq: one.hash for one in ledger(case)[:-1]}
    keys = evidence.read_keys(get_settings().public_keys)
    evidence.check_against([], hashes, keys, case)  # the database alone says nothing
    with pytest.raises(LedgerError, match="was cut"):
        evidence.check_against(kept, hashes, keys, case)


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def voiceman(monkeypatch: pytest.MonkeyPatch) -> Command:
    """The whole command line in this process: processes of its own would spend their time importing."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        said, told = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        monkeypatch.setattr(sys, "argv", ["voiceman", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        with redirect_stdout(said), redirect_stderr(told), pytest.raises(SystemExit) as ended:
            main()
        texts = [one.buffer.getvalue().decode() for one in (said, told)]  # type: ignore[attr-defined]
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), *texts)

    return run


def test_the_command_line_exports_and_checks(
    recording: Recording, store: Store, tmp_path: Path, voiceman: Command
) -> None:
    case = recording.job_id
    state.advance(recording, CHAIN[0], ACTOR)
    signing.sign_gate(store, case)
    state.advance(recording, CHAIN[1], ACTOR)
    checked = voiceman("ledger", case, "--check")
    assert checked.returncode == 0, checked.stderr
    assert "3 events, 2 of them before a signed head" in checked.stdout
    assert "1 heads, 1 copies" in checked.stdout
    assert "DEMO key" in checked.stdout
    assert "could change the ledger" not in checked.stdout  # it is sealed
    printed = voiceman("ledger", case)
    assert evidence.parse_lines(printed.stdout.encode()) == ledger(case)
    assert voiceman("ledger", case, "--out", str(tmp_path)).returncode == 0
    verified = voiceman("ledger-verify", str(tmp_path))
    assert verified.returncode == 0, verified.stderr
    assert "1 events came after that and are not signed yet" in verified.stdout
    lines = (tmp_path / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "ledger.jsonl").write_bytes(b"".join(lines[:1]))
    cut = voiceman("ledger-verify", str(tmp_path))
    assert cut.returncode == 1
    assert "was cut" in cut.stderr
    unknown = voiceman("ledger", "no-such-case")
    assert unknown.returncode == 1
    assert "no event of a case or job" in unknown.stderr
    listed = voiceman("key", "list")
    assert "DEMO" in listed.stdout, listed.stderr


def test_the_check_names_a_head_that_was_deleted_in_the_database(recording: Recording, store: Store) -> None:
    from include.pipeline import check_ledger

    signing.sign_gate(store, recording.job_id)
    signer = signing.open_signer()
    assert signer is not None
    (event,) = ledger(recording.job_id)
    # signed once, handed out, and then not in the database: as if a superuser had deleted it
    gone, digest = evidence.sign_head(recording.job_id, None, evidence.Link(1, 1, event.hash), "f" * 64, signer)
    store.write(f"completed/{recording.job_id}/ledger_head_{digest[:16]}.dsse.json", gone)
    found = check_ledger(store, recording.job_id)
    assert found.copies == 2
    assert found.problems == ["A signed head lies in the store and not in the database: it was deleted there."]


def test_a_bundles_extract_is_whole_and_names_no_other_recording(stack: Path) -> None:
    from include.pipeline import recording_extract

    made = make_job(3)
    job_id, one = made[0].job_id, made[1]
    state.note(job_id, None, state.Note("fetched"), ACTOR)
    for target in CHAIN[:3]:
        for each in made:
            state.advance(each, target, ACTOR)
    signer = signing.open_signer()
    assert signer is not None
    keys = evidence.read_keys(get_settings().public_keys)
    for _ in range(2):  # signed anew only where something came
        lines, heads = recording_extract(job_id, one.file_id, signer)
        events = evidence.parse_lines(lines)
        found = evidence.check_extract(events, heads.splitlines(), keys, case=job_id, job=job_id, recording=one.file_id)
        assert {scope: end.count for scope, end in found.items()} == {(job_id, one.file_id): 4, (job_id, None): 1}
        assert len(heads.splitlines()) == 2
    assert made[0].file_id not in lines.decode()
    state.advance(one, CHAIN[3], ACTOR)
    lines, heads = recording_extract(job_id, one.file_id, signer)
    assert (len(lines.splitlines()), len(heads.splitlines())) == (6, 3)
    assert check(job_id) == []


def test_many_sign_the_same_chain_at_once(stack: Path) -> None:
    (one,) = make_job()
    signer = signing.open_signer()
    assert signer is not None
    found: list[bytes | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(signing.sign_head(one.job_id, None, signer))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(state.heads_of(one.job_id)) == 1


def test_a_database_from_before_gets_a_ledger_that_vouches_for_nothing_earlier(stack: Path) -> None:
    layout = Layout.current()
    local = load_state(layout)
    assert local is not None
    name = f"scratch_{uuid.uuid4().hex[:8]}"
    place = {"host": "127.0.0.1", "port": local.ports["postgres"], "user": "postgres",
             "password": load_secrets(layout).db_superuser_password}  # fmt: skip
    with psycopg.connect(**place, dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(**place, dbname=name) as scratch, scratch.cursor() as cursor:
                cursor.execute("CREATE SCHEMA voiceman")
                files = sorted((ROOT / "include" / "state" / "migrations").glob("*.sql"))
                for file in files[:5]:
                    cursor.execute(file.read_text())
                cursor.execute("INSERT INTO voiceman.job (job_id, language, priority) VALUES ('old', 'ko', 'normal')")
                cursor.execute(
                    "INSERT INTO voiceman.recording (job_id, file_id, name, received_name, sha256, size_bytes, "
                    "received_at, run_id, try_number, actor) SELECT 'old', n::text, n || '.wav', n || '.wav', "
                    "repeat('a', 64), 1, now(), 'run', 1, 'x' FROM generate_series(1, 3) n"
                )
                cursor.execute(
                    "INSERT INTO voiceman.artefact (job_id, file_id, kind, uri, sha256, settings_digest) "
                    "VALUES ('old', '2', 'transcript.json', 's3://x/y', repeat('b', 64), 'd')"
                )
                for file in files[5:]:
                    cursor.execute(file.read_text())
                cursor.execute("UPDATE voiceman.recording SET state = 'STT_QUEUE' WHERE file_id = '2'")
                cursor.execute("SELECT case_name, seq, prev, body, hash FROM custody.event ORDER BY seq")
                events = [Event(*row) for row in cursor.fetchall()]
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert evidence.check_chain(events, "old").count == 4
    facts = [one.facts for one in events]
    assert [one["action"] for one in facts] == ["ledger began"] * 3 + ["state"]
    assert facts[1]["digests"] == {"recording": "a" * 64, "transcript.json": "b" * 64}
    assert "nothing before is vouched for" in facts[0]["reason"]


def test_a_signed_export_is_judged_by_the_verifier_alone(
    recording: Recording, store: Store, tmp_path: Path, voiceman: Command
) -> None:
    case, path = recording.job_id, tmp_path / "case.zip"
    state.advance(recording, CHAIN[0], ACTOR)
    signing.sign_gate(store, case)
    state.advance(recording, CHAIN[1], ACTOR)  # not under any head yet: the export signs one
    done = voiceman("ledger", case, "--out", str(path))
    assert done.returncode == 0, done.stderr
    judged = voiceman("verify", str(path), "--lang", "en")
    assert judged.returncode == 0, judged.stdout
    assert "3 events (1 to 3)" in judged.stdout
    assert "DEMONSTRATION KEY" in judged.stdout
    path.write_bytes(path.read_bytes().replace(b"STT_QUEUE", b"STT_QVEUE"))
    assert voiceman("verify", str(path)).returncode == 1


def test_the_stack_has_a_demo_certificate_for_reports(stack: Path) -> None:
    layout = Layout.current()
    certificate = evidence.load_pdf_certificate(get_settings().model_copy(update={
        "pdf_certificate": str(layout.demo_certificate)}))  # fmt: skip
    assert certificate is not None
    assert certificate.demo
