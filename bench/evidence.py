"""What evidence costs the pipeline: a change of state with and without its link in the ledger, an attestation, a head,
a check. ``PYTHONPATH=. .venv/bin/python -m bench.evidence``; PostgreSQL alone is started, in a folder of its own.

CPU seconds are those of this process and of PostgreSQL's (from /proc), so that other work on the machine counts little.
The baseline is the same statement with the ledger's trigger switched off, measured in turn with it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console
from rich.table import Table

from include.settings import ROOT, get_settings

console = Console(width=110)


@contextmanager
def postgres() -> Iterator[int]:
    """The stack's PostgreSQL by itself, migrated and sealed; its process id."""
    from include.local import postgres as server
    from include.local.layout import Layout, StackState
    from include.local.ports import choose_ports
    from include.local.secrets import make_secrets

    home = Path(tempfile.mkdtemp(prefix="voiceman-bench-evidence-"))
    os.environ["VOICEMAN_HOME"] = str(home)
    get_settings.cache_clear()
    layout, state = Layout(home), StackState()
    layout.create()
    secrets = make_secrets(layout)
    state.ports = choose_ports({})
    placed = server.place_server(layout, state)
    server.ensure_cluster(placed, layout, secrets)
    with layout.log("postgres").open("w") as log:
        running = subprocess.Popen(
            server.server_command(placed, state), stdout=log, stderr=subprocess.STDOUT, cwd="/",
            user=placed.user, group=placed.user, extra_groups=None if placed.user is None else [],
        )  # fmt: skip
    try:
        server.ensure_databases(state, secrets, timeout_s=60, log=layout.log("postgres"))
        password, port = secrets.db_voiceman_password, state.ports["postgres"]
        os.environ["AIRFLOW_CONN_VOICEMAN_DB"] = f"postgresql://voiceman:{password}@127.0.0.1:{port}/voiceman"
        from include.state import migrate

        migrate()
        script = (ROOT / "include" / "state" / "seal_ledger.sql").read_text()
        server.run_as_superuser(state, secrets, "voiceman", script)
        yield running.pid
    finally:
        running.send_signal(signal.SIGINT)  # "fast": open connections are no reason to wait
        running.wait(30)
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(layout.server_dir(state.stack_id), ignore_errors=True)


def server_cpu(pid: int) -> float:
    """CPU seconds of PostgreSQL and its living children."""
    total = 0.0
    for process in (psutil.Process(pid), *psutil.Process(pid).children()):
        times = process.cpu_times()
        total += times.user + times.system
    return total


def timed(pid: int, count: int, work: Callable[[], object]) -> dict[str, float]:
    """Microseconds each: wall, this process's CPU, PostgreSQL's CPU (to 10 ms in all)."""
    before, began, here = server_cpu(pid), time.perf_counter(), time.process_time()
    work()
    wall, here, there = time.perf_counter() - began, time.process_time() - here, server_cpu(pid) - before
    return {"wall": wall / count * 1e6, "client": here / count * 1e6, "server": there / count * 1e6}


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=300, help="with 7 changes of state each")
    parser.add_argument("--rounds", type=int, default=5, help="with and without the ledger, in turn")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "evidence.json")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="voiceman-bench-key-"))
    with postgres() as pid:
        rows = measure(pid, args.recordings, args.rounds, folder)
    shutil.rmtree(folder)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(rows, indent=1))
    table = Table("µs each", "wall", "CPU here", "CPU PostgreSQL", title=f"{args.rounds} rounds, medians")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[key]:.0f}" if key in row else "" for key in ("wall", "client", "server")))
    console.print(table)


def measure(pid: int, recordings: int, rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Name → microseconds each."""
    from include import evidence, state
    from include.manifest import Job, Recording, State
    from include.pipeline import TaskRun, signing
    from include.pipeline.facts import transcribe_facts
    from include.settings import Settings
    from include.state import Actor
    from tests.unit.transcript_factory import segment, transcript, word

    actor, chain = Actor("run", 1, "process.batch.transcribe[3]"), list(State)[1:8]
    evidence.new_key(folder / "key.pem", folder / "public")
    signer = evidence.load_signer(Settings(signing_key=str(folder / "key.pem")))
    found: dict[str, list[dict[str, float]]] = {}

    def note(name: str, count: int, work: Callable[..., object], *given: object) -> None:
        found.setdefault(name, []).append(timed(pid, count, lambda: work(*given)))

    def add(job: str) -> list[Recording]:
        state.save_job(Job(job_id=job))
        made = [
            Recording(job_id=job, file_id=f"call-{n:05d}", name=f"call-{n:05d}.m4a", sha256="a" * 64, size_bytes=1)
            for n in range(recordings)
        ]
        for one in made:
            state.add_recording(one, actor, received_at=datetime.now(UTC))
        return made

    def advance(made: list[Recording]) -> None:
        for one in made:
            for target in chain:
                state.advance(one, target, actor)

    def chained(on: bool) -> None:
        with state.transaction() as cursor:
            word = "ENABLE" if on else "DISABLE"
            cursor.execute(f"ALTER TABLE voiceman.recording_event {word} TRIGGER recording_event_chain")

    def attest(count: int) -> None:
        for _ in range(count):
            signing.attested(one, run, facts, signer, stage="transcribe", started=datetime.now(UTC))

    def sign_heads(case: str, count: int) -> None:
        for n in range(count):
            signing.sign_head(case, (case, f"call-{n:05d}"), signer)

    one = add("warm-up")[0]
    engine = {  # as large as a real one
        "parameters": {f"parameter_{n}": n / 7 for n in range(60)},
        "weights": {f"folder/weights-{n}.bin": "c" * 64 for n in range(12)},
        "versions": {f"package-{n}": "1.2.3" for n in range(12)},
    }
    spoken = transcript([segment([word("hello", 0.0, 1.0)])], engine=engine)
    facts = transcribe_facts(one, spoken, "b" * 64, None, language="en", hit=False)
    run = TaskRun(actor, False, run_is_over=lambda _: True)
    evidence.code_facts()
    for number in range(rounds):
        for on in (False, True):
            chained(on)
            made = add(f"job-{number}-{on}")
            name = "change of state, with the ledger" if on else "change of state, without (baseline)"
            note(name, len(made) * len(chain), advance, made)
        case = f"job-{number}-True"
        note("attestation: made and signed", 200, attest, 200)
        note("head of a recording's own chain", min(recordings, 100), sign_heads, case, min(recordings, 100))
        with state.events_of(case) as rows:
            events = list(rows)
        note("check of a chain, each event", len(events), evidence.check_chain, events, case)
        lines = b"".join(event.line() for event in events)
        note("line of an export, read strictly", len(events), evidence.parse_lines, lines)
    return {
        name: {key: median(row[key] for row in rows) for key in ("wall", "client", "server")}
        for name, rows in found.items()
    }


if __name__ == "__main__":
    main()
