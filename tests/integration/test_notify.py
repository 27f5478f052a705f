"""Notifications to a real mail server and real web servers on this machine; and to ones that are away or hang."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from include import pipeline, state
from include.manifest import Job, Manifest, Recording, State
from include.pipeline import notifying
from include.settings import get_settings
from include.state import Actor
from include.storage import Store, layout

pytestmark = pytest.mark.integration

SPOKEN = "누구든지 죽여 버리겠다"
CHAIN = [
    State.STT_QUEUE, State.STT_PROCESSING, State.FORENSIC_QUEUE, State.FORENSIC_PROCESSING,
    State.REPORT_QUEUE, State.REPORT_GENERATING, State.COMPLETED,
]  # fmt: skip


class Web:
    """A web server that keeps what is posted to it."""

    def __init__(self, status: int = 200) -> None:
        self.posted: list[tuple[str, bytes]] = []
        posted = self.posted

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_port)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


class Inbox:
    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


@pytest.fixture
def mail() -> Iterator[tuple[Inbox, int]]:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield inbox, controller.port
    controller.stop()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def connect(monkeypatch: pytest.MonkeyPatch, **connections: dict[str, Any]) -> None:
    for name, value in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(value))
    monkeypatch.setenv("VOICEMAN_NOTIFY_CONN_IDS", ",".join(connections))
    monkeypatch.setenv("VOICEMAN_NOTIFY_EMAIL_TO", "lab@example.org, 감정@example.org".replace("감정", "duty"))
    get_settings.cache_clear()


def http_to(port: int) -> dict[str, Any]:
    return {"conn_type": "http", "host": f"http://127.0.0.1:{port}/hooks/job", "password": "web-secret"}


def smtp_to(port: int) -> dict[str, Any]:
    extra = {"from_email": "voiceman@example.org", "disable_ssl": True, "disable_tls": True}
    return {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}


def slack_to(port: int) -> dict[str, Any]:
    return {"conn_type": "slackwebhook", "host": f"http://127.0.0.1:{port}/services", "password": "T0/B0/slack-secret"}


def ended(store: Store, *states: State, missing: tuple[str, ...] = ()) -> tuple[str, Any]:
    """A job whose run has ended so; its id and the context of the task notify."""
    job = Job(job_id=f"notify-{uuid.uuid4().hex[:8]}")
    actor = Actor(f"run-{job.job_id}", 1, "test")
    state.save_job(job)
    recordings = []
    for number, last in enumerate(states):
        one = Recording(
            job_id=job.job_id, file_id=f"홍길동-{number}", name=f"홍길동-{number}.m4a", sha256="a" * 64, size_bytes=1
        )
        state.add_recording(one, actor, received_at=datetime.now(UTC))
        if last is State.FAILED:
            state.fail(one, actor, code="audio", message=f"The file 홍길동-{number} says {SPOKEN}.")
        else:
            for step in CHAIN[: CHAIN.index(last) + 1]:
                state.advance(one, step, actor)
        recordings.append(one)
    manifest = Manifest(job=job, run_id=actor.run_id, recordings=tuple(recordings), missing=missing)
    store.write(layout.manifest_key(job.job_id, actor.run_id), manifest.model_dump_json().encode())
    return job.job_id, {"run_id": actor.run_id, "ti": SimpleNamespace(dag_id="process")}


def test_web_hook_mail_and_slack_are_told_ids_and_counts_only(
    store: Store, monkeypatch: pytest.MonkeyPatch, web: Web, mail: tuple[Inbox, int], caplog: pytest.LogCaptureFixture
) -> None:
    inbox, mail_port = mail
    connect(monkeypatch, hook=http_to(web.port), post=smtp_to(mail_port), chat=slack_to(web.port))
    job_id, context = ended(store, State.COMPLETED, State.FAILED, State.FAILED, missing=("홍길동-9.m4a",))
    assert pipeline.notify_end(context, job_id) == "hook: sent; post: sent; chat: sent"

    (hook_path, hook_body), (slack_path, slack_body) = web.posted
    assert (hook_path, slack_path) == ("/hooks/job", "/services/T0/B0/slack-secret")
    told = json.loads(hook_body)
    assert told == {
        "schema": "voiceman.notification/1",
        "job_id": job_id,
        "run_id": f"run-{job_id}",
        "dag_id": "process",
        "outcome": "failed",
        "recordings": 3,
        "completed": 1,
        "failed": 2,
        "unfinished": 0,
        "missing": 1,
        "failures": {"audio": 2},
        "link": f"{get_settings().ui_url}/dags/process/runs/run-{job_id}",
    }
    ((recipients, message),) = inbox.mails
    assert recipients == ["lab@example.org", "duty@example.org"]
    assert message["Subject"] == f"[VoiceMan] {job_id}: 실패 있음 / failures (1/3)"
    body = message.get_body(("html",)).get_content()
    assert "완료 / completed: 1" in body
    assert told["link"] in body
    slack_text = json.loads(slack_body)["text"]
    assert "실패 / failed: 2 (audio 2)" in slack_text
    assert told["link"] in slack_text
    everything = hook_body.decode() + body + str(message["Subject"]) + slack_text
    for secret in ("홍길동", SPOKEN, "slack-secret", "web-secret"):
        assert secret not in everything
        assert secret not in caplog.text


def test_on_failure_only(store: Store, monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    connect(monkeypatch, hook=http_to(web.port))
    monkeypatch.setenv("VOICEMAN_NOTIFY_ON", "failure")
    get_settings.cache_clear()
    job_id, context = ended(store, State.COMPLETED)
    assert pipeline.notify_end(context, job_id) == "not told: nothing failed"
    assert web.posted == []
    for states, missing in (((State.FAILED,), ()), ((State.COMPLETED,), ("late.m4a",)), ((State.REPORT_QUEUE,), ())):
        job_id, context = ended(store, *states, missing=missing)
        assert pipeline.notify_end(context, job_id) == "hook: sent"
    assert [json.loads(body)["outcome"] for _, body in web.posted] == ["failed"] * 3


def test_a_claim_that_failed_is_told(store: Store, monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    connect(monkeypatch, hook=http_to(web.port))
    context: Any = {"run_id": "nothing-claimed", "ti": SimpleNamespace(dag_id="reprocess")}
    assert pipeline.notify_end(context, "no-such-job") == "hook: sent"
    told = json.loads(web.posted[0][1])
    assert (told["outcome"], told["recordings"]) == ("failed", 0)
    assert told["link"].endswith("/dags/reprocess/runs/nothing-claimed")


def test_each_connection_is_tried_whatever_the_others_do(
    store: Store, monkeypatch: pytest.MonkeyPatch, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    refusing = Web(status=500)
    away = free_port()
    connect(
        monkeypatch, gone=http_to(away), refuses=http_to(refusing.port), nomail=smtp_to(away), noslack=slack_to(away),
        badslack=slack_to(refusing.port), odd={"conn_type": "postgres", "host": "x"}, works=http_to(web.port),
    )  # fmt: skip
    monkeypatch.setenv("VOICEMAN_NOTIFY_CONN_IDS", "unknown,gone,refuses,nomail,noslack,badslack,odd,works")
    get_settings.cache_clear()
    job_id, context = ended(store, State.COMPLETED)
    began = time.monotonic()
    told = dict(part.split(": ", 1) for part in pipeline.notify_end(context, job_id).split("; "))
    assert time.monotonic() - began < 240
    refusing.close()
    assert told.pop("works") == "sent"
    assert told.pop("unknown") == "not configured: no such connection"
    assert told.pop("odd") == "not configured: the type postgres has no notifier"
    assert set(told) == {"gone", "refuses", "nomail", "noslack", "badslack"}
    assert all(result.startswith("failed: ") and result.endswith(("Error", "Exception")) for result in told.values())
    assert len(web.posted) == 1
    assert "slack-secret" not in caplog.text


@pytest.mark.parametrize("kind", [http_to, smtp_to, slack_to])
def test_a_server_that_never_answers_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connect(monkeypatch, silent=kind(silent.getsockname()[1]))
        job_id, context = ended(store, State.COMPLETED)
        end = notifying._how_it_ended(job_id, context["run_id"], "process")
        began = time.monotonic()
        result = notifying.tell("silent", end, context, timeout_s=1.0)
        assert time.monotonic() - began < 60
        assert result == "failed: TimeoutError"


def test_nobody_to_mail_to_and_nobody_to_tell(
    store: Store, monkeypatch: pytest.MonkeyPatch, mail: tuple[Inbox, int]
) -> None:
    job_id, context = ended(store, State.COMPLETED)
    assert pipeline.notify_end(context, job_id) == "not configured"
    connect(monkeypatch, post=smtp_to(mail[1]))
    monkeypatch.setenv("VOICEMAN_NOTIFY_EMAIL_TO", "")
    get_settings.cache_clear()
    assert pipeline.notify_end(context, job_id) == "post: not configured: nobody to mail to"
    assert mail[0].mails == []


def test_a_database_that_is_away_fails_no_job(store: Store, monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    connect(monkeypatch, hook=http_to(web.port))
    job_id, context = ended(store, State.COMPLETED)
    monkeypatch.setenv("AIRFLOW_CONN_VOICEMAN_DB", f"postgresql://x:y@127.0.0.1:{free_port()}/x")
    monkeypatch.setattr("include.state.database._WAIT_S", 1.0)
    assert pipeline.notify_end(context, job_id) == "failed: StateError"
