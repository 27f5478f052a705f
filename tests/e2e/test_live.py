"""The whole stack with a live scheduler, driven the ways a lab drives it: command line, REST API, a drop."""

import io
import json
import os
import subprocess
import sys
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from include import local, state
from include.manifest import State
from include.pipeline.client import AirflowClient
from include.settings import ROOT, get_settings
from include.storage import Store, layout
from tests.integration.test_job import QUIET

pytestmark = pytest.mark.e2e


def voiceman(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    command = [str(ROOT / "voiceman"), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def pdf_text(data: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages).split())


@pytest.fixture(scope="module")
def job() -> str:
    return f"e2e-{uuid.uuid4().hex[:6]}"


def test_submit_and_wait(store: Store, airflow: AirflowClient, job: str, tmp_path: Path) -> None:
    text = tmp_path / "notes.m4a"
    text.write_text("not audio " * 100)
    parts = {"booking": (0, 9), "threat": (8, 9), "extortion_stereo": (0, 15)}  # seconds of the samples
    calls = [tmp_path / f"{name}.m4a" for name in parts]
    for path, (start, length) in zip(calls, parts.values(), strict=True):
        sample = ROOT / "samples" / path.name
        cut = [
            "ffmpeg",
            "-v",
            "error",
            "-ss",
            str(start),
            "-t",
            str(length),
            "-i",
            str(sample),
            "-c",
            "copy",
            str(path),
        ]
        subprocess.run(cut, check=True)
    run = voiceman("submit", *calls, text, "--job", job, "--wait")
    assert run.returncode == 1, run.stderr  # one of the four is not audio: the gate is red
    assert f"s3://{store.bucket}/completed/{job}/job_summary.json" in run.stdout
    assert "/dags/process/runs/submit__" in run.stdout
    summary = json.loads(store.read(layout.summary_key(job)))
    assert summary["totals"]["by_state"] == {"COMPLETED": 3, "FAILED": 1}
    assert {one["file_id"] for one in summary["recordings"] if one["state"] == "FAILED"} == {"notes"}
    assert store.exists(layout.failed_error_key(job, "notes"))
    assert airflow.state(summary["run_id"]) == "failed"
    path = f"/api/v2/dags/process/dagRuns/{summary['run_id']}/taskInstances"
    tasks = airflow.call("GET", path).json()["task_instances"]
    others = {one["task_id"]: one["state"] for one in tasks if one["state"] != "success"}
    assert others == {"gate": "failed", "ask": "skipped"}  # nothing was held, so nobody is asked
    assert list(store.list(f"incoming/{job}/")) == []


def test_the_reports_hold_the_words_and_the_findings(store: Store, job: str) -> None:
    threat = pdf_text(store.read(layout.completed_key(job, "threat_report.en.pdf")))
    assert "I will kill you" in threat
    assert "Conditional threat" in threat
    digest = state.recordings_of(job)["threat"].recording.sha256
    assert digest in threat.replace(" ", "")
    korean = pdf_text(store.read(layout.completed_key(job, "threat_report.pdf")))
    assert "조건부 협박" in korean
    assert "I will kill you" in korean
    money = pdf_text(store.read(layout.completed_key(job, "extortion_stereo_report.en.pdf")))
    # int8 arithmetic differs between processors: Whisper writes the number in words on some, in digits on others
    assert "five thousand dollars" in money or "$5,000" in money
    assert "Extortion" in money
    harmless = json.loads(store.read(layout.completed_key(job, "booking_forensic.json")))
    assert harmless["findings"] == []
    assert "appointment" in pdf_text(store.read(layout.completed_key(job, "booking_report.en.pdf")))


def test_the_events_tell_who_did_what(store: Store, job: str) -> None:
    with state.transaction() as cursor:
        cursor.execute(
            "SELECT to_state, actor FROM voiceman.recording_event WHERE job_id = %s AND file_id = 'threat' ORDER BY id",
            (job,),
        )
        rows = cursor.fetchall()
    assert rows == [
        ("PENDING", "process.claim"),
        ("STT_QUEUE", "process.plan"),
        ("STT_PROCESSING", "process.batch.transcribe[0]"),
        ("FORENSIC_QUEUE", "process.batch.transcribe[0]"),
        ("FORENSIC_PROCESSING", "process.batch.analyze[0]"),
        ("REPORT_QUEUE", "process.batch.analyze[0]"),
        ("REPORT_GENERATING", "process.batch.report[0]"),
        ("COMPLETED", "process.batch.report[0]"),
    ]


def test_fetch_brings_everything(stack: Path, job: str, tmp_path: Path) -> None:
    run = voiceman("fetch", job, tmp_path)
    assert run.returncode == 0, run.stderr
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {
        "completed/threat_report.pdf",
        "completed/job_summary.json",
        "failed/notes_error.json",
        "failed/notes.m4a",
    } <= names
    assert job in voiceman("jobs").stdout


def test_a_bundle_is_verified_by_the_file_in_it_without_voiceman(stack: Path, job: str, tmp_path: Path) -> None:
    run = voiceman("bundle", job, "threat", "--out", tmp_path)
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(tmp_path / "threat.zip") as bundle:
        assert "documents/transcript.rttm" in bundle.namelist()
        (tmp_path / "verify.py").write_bytes(bundle.read("verify.py"))
        keyid = json.loads(bundle.read("manifest.dsse.json"))["signatures"][0]["keyid"]
    command = [sys.executable, "-I", tmp_path / "verify.py", tmp_path / "threat.zip"]
    alone = subprocess.run([*command, "--trust", keyid], capture_output=True, text=True, cwd=tmp_path)
    assert alone.returncode == 0, alone.stdout
    assert "demo" in alone.stdout.lower()
    assert voiceman("verify", tmp_path / "threat.zip", "--trust", "0" * 64).returncode == 3, "another lab's key"


def test_xcom_holds_references_and_labels_name_recordings(airflow: AirflowClient, store: Store, job: str) -> None:
    run_id = json.loads(store.read(layout.summary_key(job)))["run_id"]
    path = f"/api/v2/dags/process/dagRuns/{run_id}"
    instances = airflow.call("GET", f"{path}/taskInstances").json()["task_instances"]
    labels = {one["rendered_map_index"] for one in instances if one["task_id"] == "batch.transcribe"}
    assert labels == {"batch-0001: extortion_stereo, booking, threat +1"}  # the longest first
    entries = airflow.call("GET", f"{path}/taskInstances/~/xcomEntries", params={"limit": 100}).json()["xcom_entries"]
    assert {one["task_id"] for one in entries} >= {"claim", "plan", "batch.transcribe", "summarize"}
    values = []
    for one in entries:
        found = airflow.call(
            "GET",
            f"{path}/taskInstances/{one['task_id']}/xcomEntries/{one['key']}",
            params={"map_index": one["map_index"]},
        )
        values.append(json.dumps(found.json()["value"]))
    assert all("kill" not in value and len(value) < 2000 for value in values)


def test_a_drop_starts_a_job(store: Store, airflow: AirflowClient) -> None:
    job = f"사건-{uuid.uuid4().hex[:6]}"  # a Hangul job id reaches Airflow's run id
    key = layout.incoming_key(job, "통화 녹음.m4a")
    store.client.put_object(Bucket=store.bucket, Key=key, Body=QUIET)
    deadline, rows = time.monotonic() + 150, {}
    while time.monotonic() < deadline:
        rows = state.recordings_of(job)
        if rows and all(row.state.terminal for row in rows.values()):
            break
        time.sleep(1)
    assert {key: row.state for key, row in rows.items()} == {"통화 녹음": State.COMPLETED}
    assert rows["통화 녹음"].run_id.startswith(f"drop__{job}__")


@pytest.mark.parametrize("conf", [{"job_id": "../x"}, {"job_id": "ok", "language": "xx"}, {}])
def test_the_api_refuses_wrong_parameters(airflow: AirflowClient, conf: dict[str, Any]) -> None:
    body = {"logical_date": None, "conf": conf}
    answer = airflow.call("POST", "/api/v2/dags/process/dagRuns", json=body)
    assert answer.status_code == 400, answer.text


def test_nothing_answers_without_a_login(stack: Path) -> None:
    local.admin_credentials()  # the stack is up
    url = get_settings().ui_url
    for path in ("/api/v2/dags", "/api/v2/dags/process/dagRuns", "/api/v2/variables"):
        assert httpx.get(url + path).status_code == 401, path
    wrong = httpx.post(f"{url}/auth/token", json={"username": "admin", "password": "admin"})
    assert wrong.status_code == 401


def test_urgent_jobs_come_first(airflow: AirflowClient) -> None:
    weights = {}
    for priority in ("normal", "urgent"):
        run_id = airflow.start(
            f"none-{uuid.uuid4().hex[:6]}", f"prio-{uuid.uuid4().hex}", language="auto", priority=priority
        )
        while airflow.state(run_id) not in ("success", "failed"):
            time.sleep(0.5)
        found = airflow.call("GET", f"/api/v2/dags/process/dagRuns/{run_id}/taskInstances").json()["task_instances"]
        weights[priority] = {one["task_id"]: one["priority_weight"] for one in found}["claim"]
        assert airflow.state(run_id) == "failed"  # nothing was dropped: named, not waited for
    assert weights["urgent"] == weights["normal"] + 1000


def test_no_secret_and_no_spoken_word_in_the_logs(stack: Path, store: Store, job: str) -> None:
    secrets = json.loads((stack / "secrets.json").read_text())
    values = [value for value in _strings(secrets) if len(value) >= 12]
    assert values
    logs = [path for path in (stack / "logs").rglob("*") if path.is_file()]
    assert any("transcribe" in str(path) for path in logs)
    for path in logs:
        content = path.read_text(errors="replace")
        assert not [value for value in values if value in content], path
        assert "kill you" not in content.lower(), path


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [one for item in value.values() for one in _strings(item)]
    return [value] if isinstance(value, str) else []
