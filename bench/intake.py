"""How long a drop waits for its run, by each way in.

Drops into a stack of its own; seconds from the last byte put until the run of ``process`` is running, less the settle
time. The asset watcher of ``dags/intake.py`` beside a deferrable sensor around the same trigger, and beside an SQS
queue with a watcher that looks only every 30 s. The drops hold nothing to transcribe. Part of ``make bench-intake``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from include.settings import ROOT, get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

console = Console(width=160)

SETTLE_S = 2.0
IDLE_S = 10.0
SENSOR_DAG = '''
"""### A deferrable sensor instead of the asset watcher. When it is red: it is for the benchmark only."""
from datetime import datetime, timedelta
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseSensorOperator, dag
from include.pipeline.drop import IncomingTrigger

class DropSensor(BaseSensorOperator):
    def execute(self, context):
        self.defer(trigger=IncomingTrigger(), method_name="resume")
    def resume(self, context, event):
        return [{"trigger_run_id": event["run_id"], "conf": {"job_id": event["job_id"]}}]

@dag(schedule="@continuous", max_active_runs=1, start_date=datetime(2026, 1, 1), catchup=False,
     is_paused_upon_creation=False, default_args={"owner": "voiceman", "retries": 3,
     "retry_delay": timedelta(seconds=5)})
def intake():
    TriggerDagRunOperator.partial(
        task_id="start", trigger_dag_id="process", skip_when_already_exists=True, logical_date=None
    ).expand_kwargs(DropSensor(task_id="wait").output)

intake()
'''


@contextmanager
def stack(folder: Path, dag: str | None, **environment: str) -> Iterator[dict[str, str]]:
    """A stack of a copy of this checkout, with another ``dags/intake.py`` if given; yields its environment."""
    root = folder / "checkout"
    for name in ("include", "dags", "plugins"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("airflow.cfg", "pools.json", "voiceman"):
        shutil.copy2(ROOT / name, root / name)
    if dag is not None:
        (root / "dags" / "intake.py").write_text(dag, encoding="utf-8")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "PYTHONPATH"))}
    given = inherited | environment | {
        "VOICEMAN_HOME": str(folder / "home"),
        "VOICEMAN_MODEL_DIR": str(ROOT / ".voiceman" / "models"),
        "VOICEMAN_SETTLE_S": str(SETTLE_S),
        "VOICEMAN_PYTHON": sys.executable,
    }  # fmt: skip

    def voiceman(command: str) -> None:
        # in the copy: Python looks for modules where it is started first
        run = subprocess.run(
            [str(root / "voiceman"), command], env=given, cwd=root, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            sys.exit(f"{command} failed:\n{run.stdout}{run.stderr}")

    try:
        voiceman("up")
        yield given
    finally:
        voiceman("down")
        shutil.rmtree(folder, ignore_errors=True)


def drops_into(given: dict[str, str], number: int, queue: str | None) -> dict[str, Any]:
    """In a process with the stack's environment: drop, wait for the runs, and tell what they took."""
    command = [sys.executable, "-W", "ignore", __file__, "--inside", "--drops", str(number)]
    command += ["--queue", queue] if queue else []
    run = subprocess.run(
        command, env=given | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        sys.exit(run.stdout + run.stderr)
    console.print(run.stdout.splitlines()[-1])  # at once: ending the stack takes a while
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def _cpu_s() -> float:
    """CPU seconds of the stack's processes so far, those that have ended included (as far as their parents know)."""
    import psutil

    from include.local import status

    total = 0.0
    for service in status():
        if service.pid is None or service.name in ("postgres", "s3"):
            continue
        parent = psutil.Process(service.pid)
        for process in (parent, *parent.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
    return total


def measure_drops(number: int, queue: str | None) -> None:
    """See :func:`drops_into`."""
    from include.local import load_stack_env

    os.environ.update(load_stack_env())
    get_settings.cache_clear()
    from include.storage import open_store
    from include.submission import client

    store, name = open_store(), "x" * 230 + ".m4a"  # refused by the claim: nothing is transcribed
    put: dict[str, float] = {}

    def drop(job: str) -> None:
        files = {name: b"nothing to transcribe"} | ({"_READY": b""} if queue else {})
        for file, body in files.items():
            key = f"incoming/{job}/{file}"
            store.client.put_object(Bucket=store.bucket, Key=key, Body=body)
            put[job] = time.time()
            if queue:
                _notify(queue, key)

    def runs() -> dict[str, float]:
        found = airflow.call("GET", "/api/v2/dags/process/dagRuns", params={"limit": 100}).json()["dag_runs"]
        return {
            run["conf"]["job_id"]: datetime.fromisoformat(run["start_date"]).timestamp()
            for run in found
            if run["start_date"]
        }

    def wait_for(jobs: set[str]) -> dict[str, float]:
        deadline = time.monotonic() + 120
        while not jobs <= set(found := runs()):
            if time.monotonic() > deadline:
                sys.exit(f"no run of {sorted(jobs - set(found))} after 120 s")
            time.sleep(0.5)
        return found

    with client() as airflow:
        airflow.wait_for_dag()
        drop("warm")
        wait_for({"warm"})
        time.sleep(6)
        before = _cpu_s()
        time.sleep(IDLE_S)
        idle = (_cpu_s() - before) / IDLE_S
        before, began = _cpu_s(), time.monotonic()
        for index in range(number):
            drop(f"job-{index}")
            time.sleep(6 + random.random() * 2)  # its run is over, and it falls anywhere between two looks
        found = wait_for({f"job-{index}" for index in range(number)})
        time.sleep(5)
        busy = (_cpu_s() - before - idle * (time.monotonic() - began)) / number
    waits = [found[f"job-{index}"] - put[f"job-{index}"] - (0 if queue else SETTLE_S) for index in range(number)]
    print(json.dumps({"waits": waits, "idle": idle, "busy": busy}))


def _notify(queue: str, key: str) -> None:
    import boto3

    sqs = boto3.client(
        "sqs", endpoint_url=queue.rsplit("/", 2)[0], region_name="us-east-1", aws_access_key_id="a",
        aws_secret_access_key="b",
    )  # fmt: skip
    body = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}}]}
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))


def start(number: int, only: str | None) -> None:
    """Seconds from a drop to its run, for each way in."""
    table = Table("way in", "median s", "most s", "CPU s/s idle", "CPU s a drop more", title="drop to running")
    ways = {"watcher": None, "sensor": SENSOR_DAG, "queue": None}
    for way, dag in ways.items():
        if only not in (None, way):
            continue
        folder = Path(tempfile.mkdtemp(prefix="voiceman-bench-"))
        with console.status(way):
            found = _with_queue(folder, number) if way == "queue" else _without(folder, dag, number)
        waits = found["waits"]
        table.add_row(
            way, f"{statistics.median(waits):.1f}", f"{max(waits):.1f}", f"{found['idle']:.3f}", f"{found['busy']:.2f}"
        )
        console.print(way, [round(one, 1) for one in waits])
    console.print(table)


def _without(folder: Path, dag: str | None, number: int) -> dict[str, Any]:
    with stack(folder, dag) as given:
        return drops_into(given, number, None)


def _with_queue(folder: Path, number: int) -> dict[str, Any]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        sqs = boto3.client(
            "sqs", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        queue = sqs.create_queue(QueueName="drops")["QueueUrl"]
        extra = {"region_name": "us-east-1", "service_config": {"sqs": {"endpoint_url": url}}}
        connection = json.dumps({"conn_type": "aws", "login": "a", "password": "b", "extra": extra})
        environment = {
            "VOICEMAN_SQS_QUEUE": queue, "VOICEMAN_SQS_CONN_ID": "bench_queue", "VOICEMAN_POLL_S": "30",
            "AIRFLOW_CONN_BENCH_QUEUE": connection,
        }  # fmt: skip
        with stack(folder, None, **environment) as given:
            return drops_into(given, number, queue)
    finally:
        server.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drops", type=int, default=10)
    parser.add_argument("--only", choices=["watcher", "sensor", "queue"])
    parser.add_argument("--inside", action="store_true", help="the measuring process; for this program's own use")
    parser.add_argument("--queue")
    args = parser.parse_args()
    if args.inside:
        measure_drops(args.drops, args.queue)
    else:
        start(args.drops, args.only)


if __name__ == "__main__":
    main()
