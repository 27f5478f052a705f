"""The resident service, real: Ray Serve, a loaded model, HTTP. One service for all of these tests; the last ends it."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from include.errors import AudioError, LanguageError, ServiceError, SettingsError
from include.forensic import located, wanted_passages
from include.settings import ROOT, get_settings
from include.stt import (
    NotMeasured,
    RemoteTranscriber,
    ServiceOptions,
    Transcriber,
    Transcript,
    probe,
    serve,
    service_status,
)
from include.stt.service.environment import Folders

pytestmark = pytest.mark.integration

CALL = ROOT / "tests" / "audio" / "threat_9s.m4a"


@dataclass
class Service:
    url: str
    token: str
    home: Path
    process: subprocess.Popen[str]

    def ask(self, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        headers = {} if token == "" else {"Authorization": f"Bearer {token or self.token}"}
        headers |= more.pop("headers_more", {})
        return httpx.request(more.pop("method", "GET"), self.url + path, headers=headers, timeout=120.0, **more)

    def post(self, data: bytes) -> httpx.Response:
        return self.ask("/v1/transcriptions?language=en", method="POST", content=data)

    @property
    def folders(self) -> Folders:
        return Folders.of(self.home)

    def processes(self) -> list[psutil.Process]:
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [psutil.Process(self.process.pid), *found]


@pytest.fixture(scope="module")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home, token = tmp_path_factory.mktemp("a-home-with-a-name-that-is-too-long-for-a-socket"), secrets.token_hex(32)
    environment = os.environ | {
        "VOICEMAN_HOME": str(home), "VOICEMAN_MODEL_DIR": str(models), "VOICEMAN_STT_TOKEN": token,
        "VOICEMAN_DEVICE": "cpu", "VOICEMAN_STT_MAX_MB": "1",
    }  # fmt: skip
    command = [ROOT / "voiceman", "serve", "--port", "0", "--replicas", "1", "--at-once", "2", "--queue", "1"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    one = Service("", token, home, process)
    try:
        said = ""
        for line in process.stdout:
            said += line
            if "is ready: " in line:
                break
        assert "is ready: " in said, said
        one.url = said.rsplit(" ", 1)[1].strip()
        yield one
    finally:
        members = one.processes() if process.poll() is None else []
        process.terminate()
        try:
            process.wait(60)
        finally:
            for member in members:
                if member.is_running():
                    member.kill()
            process.stdout.close()
            shutil.rmtree(one.folders.ray.parent, ignore_errors=True)


@pytest.fixture
def client(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """This test's settings name the service."""
    monkeypatch.setenv("VOICEMAN_STT_URL", service.url)
    monkeypatch.setenv("VOICEMAN_STT_TOKEN", service.token)
    monkeypatch.setenv("VOICEMAN_STT_FALLBACK", "fail")
    monkeypatch.setenv("VOICEMAN_STT_RETRY_S", "0.3")
    monkeypatch.setenv("VOICEMAN_DEVICE", "cpu")
    get_settings.cache_clear()
    return service


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-t", "6", "-i", CALL, "-ar", "16000", "-ac", "1", path], check=True)
    return path


def text(transcript: Transcript) -> list[str]:
    return [segment.text for segment in transcript.segments]


@pytest.mark.parametrize(
    "path", ["/healthz", "/-/healthz", "/-/routes", "/v1/engine", "/v1/transcriptions", "/v1/confirmations", "/other"]
)
@pytest.mark.parametrize("token", ["", "wrong" * 8])
def test_every_route_asks_for_the_token(service: Service, path: str, token: str) -> None:
    answer = service.ask(path, token=token, method="POST" if path.endswith("ions") else "GET")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["type"] == "ServiceError"


def test_it_is_ready_once_a_model_is_loaded(client: Service) -> None:
    assert service_status() == {"url": client.url, "ready": True, "models": 1}
    assert service_status(client.url)["ready"]
    assert client.ask("/-/healthz").status_code == 200


def test_the_transcript_is_the_one_a_process_of_its_own_makes(
    client: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served = RemoteTranscriber(1)
    made = served.transcribe(CALL, language="en")
    assert "i will kill you" in " ".join(text(made)).lower()
    assert made.engine.served_by == client.url
    assert made.engine.fallback is None

    monkeypatch.setenv("VOICEMAN_STT_URL", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("VOICEMAN_STT_FALLBACK", "local")
    get_settings.cache_clear()
    away = RemoteTranscriber(1)
    with caplog.at_level(logging.WARNING):
        own = away.transcribe(CALL, language="en")
    assert own.engine.served_by is None
    assert own.engine.fallback == ("The speech service http://127.0.0.1:9 can't be reached (ConnectError, 0 s long).")
    assert "threat_9s.m4a is transcribed in this process instead" in caplog.text
    assert own.segments == made.segments
    same = {"served_by": None, "fallback": None}
    assert own.engine.model_copy(update=same) == made.engine.model_copy(update=same)
    assert own.recording == made.recording
    with monkeypatch.context() as patched, pytest.raises(AudioError):
        patched.setattr(away, "_remote", lambda *_: pytest.fail("what was away a moment ago is asked again"))
        away.transcribe(ROOT / "Makefile")
    served.close()
    away.close()


def test_passages_are_decoded_again_as_a_process_of_its_own_does(client: Service, tmp_path: Path) -> None:
    served = RemoteTranscriber(1)
    made = served.transcribe(CALL, language="en")
    passages = wanted_passages(made, located(made).findings)
    assert passages
    found = served.confirm(CALL, passages)
    assert not isinstance(found, NotMeasured)
    assert {one.served_by for one in found} == {client.url}
    own = Transcriber(1).confirm(CALL, passages)
    assert [one.model_copy(update={"served_by": None}) for one in found] == own
    assert "confirmed" in {one.verdict for one in own}
    text_file = tmp_path / "recording"
    text_file.write_bytes((ROOT / "Makefile").read_bytes())
    with pytest.raises(AudioError):
        served.confirm(text_file, passages)
    answer = client.ask("/v1/confirmations", method="POST", content=b"{}", headers_more={"X-VoiceMan-Passages": "2"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (422, "InputError")
    served.close()


def test_a_bad_file_fails_alone_with_the_error_it_would_have_here(client: Service, clip: Path, tmp_path: Path) -> None:
    served = RemoteTranscriber(4)
    recording = tmp_path / "recording"  # as the service calls it
    recording.write_bytes((ROOT / "Makefile").read_bytes())
    with pytest.raises(AudioError) as here:
        probe(recording, name="call 7 통화.m4a")
    with ThreadPoolExecutor(3) as threads:
        good = [threads.submit(served.transcribe, clip, language="en") for _ in range(2)]
        bad = threads.submit(served.transcribe, ROOT / "Makefile", name="call 7 통화.m4a")
        with pytest.raises(AudioError) as there:
            bad.result()
        assert [text(one.result()) for one in good] == [text(good[0].result())] * 2
        assert text(good[0].result())
    assert str(there.value) == str(here.value)
    with pytest.raises(LanguageError):
        served.transcribe(clip, language="no language")
    served.close()


def test_too_large_and_too_vague(client: Service, tmp_path: Path) -> None:
    answer = client.post(bytes((1 << 20) + 1))
    assert answer.status_code == 413
    assert "VOICEMAN_STT_MAX_MB" in answer.json()["error"]["message"]
    assert client.ask("/v1/transcriptions", method="POST", content=iter([b"x"])).status_code == 411
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(3 << 20))
    served = RemoteTranscriber(1)
    with pytest.raises(ServiceError, match=r"refuses: The recording has 3,145,728 bytes.*FALLBACK=fail forbids"):
        served.transcribe(large)
    served.close()


def test_a_full_queue_says_so_and_the_client_comes_back(client: Service, clip: Path) -> None:
    data = clip.read_bytes()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.post(data), range(8)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.json()["error"]["code"] for answer in refused} == {"busy"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    served = RemoteTranscriber(3)
    with ThreadPoolExecutor(served.replicas) as threads:
        made = list(threads.map(lambda _: served.transcribe(clip, language="en"), range(3)))
    assert len({str(text(one)) for one in made}) == 1
    served.close()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("VOICEMAN_BEAM_SIZE", "1", "parameters beam_size is 5, not 1"), ("VOICEMAN_STT_DIGEST", "0" * 64, "not 000")],
)
def test_another_engine_is_never_used_silently(
    client: Service, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    served = RemoteTranscriber(1)
    with pytest.raises(ServiceError, match=told):
        served.transcribe(CALL)
    served.close()


def test_nothing_listens_beyond_this_machine(service: Service) -> None:
    listening = [
        one.laddr for process in service.processes() for one in process.net_connections() if one.status == "LISTEN"
    ]
    assert len(listening) > 3
    assert {one.ip for one in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_second_one_and_one_without_token_refuse(service: Service, models: Path) -> None:
    with pytest.raises(SettingsError, match="VOICEMAN_STT_TOKEN is missing"):
        serve(ServiceOptions())
    run = subprocess.run(
        [ROOT / "voiceman", "serve", "--port", "0"], capture_output=True, text=True,
        env=os.environ | {
                "VOICEMAN_HOME": str(service.home), "VOICEMAN_STT_TOKEN": service.token,
                "VOICEMAN_MODEL_DIR": str(models),
            },
    )  # fmt: skip
    assert run.returncode == 1
    assert "runs already" in run.stderr


def test_the_end_waits_for_what_is_under_way_and_leaves_nothing(client: Service) -> None:
    members = client.processes()
    assert len(members) > 5
    with ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(client.post, CALL.read_bytes())
        spool = client.folders.spool
        deadline = time.monotonic() + 20
        while not list(spool.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        client.process.send_signal(signal.SIGTERM)
        refused = False
        while not refused and not under_way.done():
            try:
                refused = client.ask("/v1/engine").status_code == 503
            except httpx.TransportError:
                refused = True
            time.sleep(0.05)
        assert under_way.result().status_code == 200
        assert refused, "nothing new is taken while the last one is finished"
    assert client.process.wait(60) == 0
    assert not psutil.wait_procs(members, timeout=5)[1]
    assert not spool.exists()
    assert client.folders.ray.parent.stat().st_mode & 0o077 == 0
    logs = [path for path in client.folders.ray.rglob("*") if path.is_file()]
    assert any("Speech" in path.name for path in logs)
    for path in logs:
        if path.is_file() and not path.is_symlink():
            said = path.read_bytes().lower()
            assert client.token.encode() not in said, path
            assert b"i will kill" not in said, path
