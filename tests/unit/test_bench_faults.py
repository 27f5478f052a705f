"""The fault harness must notice what it is there for: two processes on a device, a cut body, a wrong artefact."""

import hashlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from bench.faults import devices
from bench.faults.fake import KINDS, FakeEngines, fake_transcript
from bench.faults.job import make_wav
from bench.faults.lab import FAKE
from bench.faults.proxy import S3Proxy
from include import forensic, stt
from include.local.ports import is_free
from include.pipeline.rendering import report_kinds
from include.settings import ROOT, get_settings


def test_fake_artefacts_are_valid_and_functions_of_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_FAKE_S", "0")
    for name, value in FAKE.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    one, other = make_wav("1"), make_wav("2")
    assert one != other
    path = tmp_path / "call.wav"
    path.write_bytes(one)
    made = FakeEngines().transcribers(3, "base").transcribe(path, language="auto", name="call.wav")
    text = made.to_json()
    assert text == fake_transcript(one, "auto").to_json() != fake_transcript(other, "auto").to_json()
    parsed = stt.load_transcript(text.encode())
    assert parsed.recording.sha256 == hashlib.sha256(one).hexdigest()
    assert parsed.engine.name == "fake-for-benchmarks"
    analysis = FakeEngines().analyze(
        parsed, path, name="call.wav", transcript_name="call_transcript.json", transcript_sha256="0" * 64
    )
    assert forensic.load_analysis(analysis.to_json().encode()).findings.reason.startswith("fake-for-benchmarks")
    with FakeEngines().renderer(2) as renderer:
        assert tuple(renderer.render(b"t", b"a", None)) == KINDS == report_kinds()


HOLD = """
import time
from bench.faults.devices import on_device
with on_device("a" * 64):
    print("on", flush=True)
    time.sleep(30)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, devices.VARIABLE: str(folder), "PYTHONPATH": str(ROOT)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    process = subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    return process


def test_two_living_processes_on_a_device_are_a_violation_a_dead_one_is_none(tmp_path: Path) -> None:
    first = hold(tmp_path)
    assert devices.busy(tmp_path) == ["cpu-0"]
    second = hold(tmp_path)
    violations = [line for line in devices.uses(tmp_path) if line["what"] == "violation"]
    assert [(line["pid"], line["holder"]) for line in violations] == [(second.pid, str(first.pid))]
    for process in (first, second):
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        process.stdout.close()
    assert devices.busy(tmp_path) == []
    third = hold(tmp_path)
    third.kill()
    third.wait(5)
    third.stdout.close()
    assert sum(line["what"] == "violation" for line in devices.uses(tmp_path)) == 1


def test_work_done_twice_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.VARIABLE, str(tmp_path))
    for sha in ("a", "b", "a"):
        with devices.on_device(sha), devices.on_device("c" + sha):
            assert devices.busy(tmp_path)
    assert devices.redone(devices.uses(tmp_path)) == 2  # a, and ca


class _Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    got: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    def do_PUT(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[S3Proxy]:
    _Store.got.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    one = S3Proxy(next(port for port in range(29_100, 29_900) if is_free(port)))
    one.upstream = server.server_address[1]
    yield one
    one.close()
    server.shutdown()
    server.server_close()


def test_the_proxy_hands_on_keeps_connections_and_misbehaves_on_demand(proxy: S3Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)

    def get() -> tuple[int, bytes]:
        connection.request("GET", "/bucket/key")
        answer = connection.getresponse()
        return answer.status, answer.read()

    assert get() == get() == (200, b"x" * 1000)
    connection.request("PUT", "/bucket/key", body=b"y" * 200_000)
    assert connection.getresponse().read() == b""
    assert _Store.got == [b"y" * 200_000]
    proxy.mode = "truncate"
    with pytest.raises(http.client.IncompleteRead) as cut:
        get()
    assert len(cut.value.partial) == 500
    connection.close()
    proxy.mode = "503"
    assert get()[0] == 503
    connection.close()
    proxy.mode, proxy.delay_s = "slow", 0.3
    began = time.monotonic()
    assert get() == (200, b"x" * 1000)
    assert time.monotonic() - began >= 0.3
    assert proxy.hits == 3
    proxy.mode = "pass"
    assert get() == (200, b"x" * 1000)
    connection.close()
