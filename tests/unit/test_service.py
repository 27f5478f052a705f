"""The service's parts that need neither Ray nor a model."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include import errors
from include.errors import AudioError, LanguageError, ServiceError, SettingsError
from include.settings import Settings, get_settings
from include.stt import Engine, ServiceOptions
from include.stt.service import expect, patience, wire
from include.stt.service.environment import Folders
from include.stt.service.guard import Guard

TOKEN = "0123456789abcdef"


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("VOICEMAN_STT_TOKEN", TOKEN)
    get_settings.cache_clear()
    return TOKEN


async def _app(scope: Any, receive: Any, send: Any) -> None:
    status = int(scope["path"].rsplit("/", 1)[-1]) if scope["path"][-1].isdigit() else 200
    extra = [(b"retry-after", b"2")] if scope.get("query_string") == b"busy" else []
    if scope["path"] == wire.ENGINE:
        status = 503
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain"), *extra]})
    await send({"type": "http.response.body", "body": b"behind"})


def ask(
    path: str, *headers: tuple[bytes, bytes], query: bytes = b"", proxy: bool = True
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the body was read")

    scope = {"type": "http", "path": path, "headers": list(headers), "query_string": query}
    asyncio.run(Guard(_app, most_bytes=100, proxy=proxy)(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(one.get("body", b"") for one in sent)


AUTH = (b"authorization", f"Bearer {TOKEN}".encode())


@pytest.mark.parametrize(
    "value", [None, b"", b"Bearer", b"Bearer ", b"Bearer 0123456789abcde", b"Basic " + TOKEN.encode(), TOKEN.encode()]
)
@pytest.mark.parametrize("path", ["/healthz", "/-/routes", "/", wire.TRANSCRIBE])
def test_without_the_token_nothing_is_read_or_passed_on(token: str, path: str, value: bytes | None) -> None:
    status, headers, body = ask(path, *([] if value is None else [(b"authorization", value)]))
    assert status == 401
    assert headers[b"www-authenticate"] == b"Bearer"
    assert TOKEN.encode() not in body


def test_with_the_token_a_request_passes_unless_it_is_too_large_or_says_no_size(token: str) -> None:
    assert ask("/anything", AUTH) == (200, {b"content-type": b"text/plain"}, b"behind")
    assert ask("/anything", AUTH, (b"content-length", b"100"))[0] == 200
    assert ask("/anything", AUTH, (b"content-length", b"101"))[0] == 413
    assert ask("/anything", AUTH, (b"transfer-encoding", b"chunked"))[0] == 411
    assert ask("/anything", AUTH, (b"content-length", b"-1"))[0] == 411


def test_what_the_proxy_says_for_want_of_a_replica_becomes_unavailable_or_busy(token: str) -> None:
    status, headers, body = ask(wire.ENGINE, AUTH)
    assert (status, json.loads(body)["error"]["code"]) == (503, "unavailable")
    assert headers[b"retry-after"] == b"2"
    assert json.loads(ask(wire.ENGINE, AUTH, query=b"busy")[2])["error"]["code"] == "busy"
    assert ask("/other/404", AUTH)[0] == 404
    assert ask(wire.ENGINE, AUTH, proxy=False)[2] == b"behind"


def test_a_proxy_holds_no_more_than_four_of_the_largest_bodies(token: str) -> None:
    inside, go = [], asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        inside.append(1)
        await go.wait()

    async def run() -> list[int]:
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if "status" in message:
                statuses.append(message["status"])

        guard = Guard(slow, most_bytes=100, proxy=True)
        scope = {"type": "http", "path": "/x", "headers": [AUTH, (b"content-length", b"100")]}
        tasks = [asyncio.create_task(guard(scope, send, send)) for _ in range(5)]  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        go.set()
        await asyncio.gather(*tasks)
        await guard({**scope, "path": "/y"}, send, send)  # type: ignore[arg-type]
        return statuses

    assert asyncio.run(run()) == [503]
    assert len(inside) == 5, "there is room again afterwards"


@pytest.mark.parametrize("value", ["", "short"])
def test_no_token_or_a_short_one_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VOICEMAN_STT_TOKEN", value)
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match="openssl rand"):
        Guard(_app, most_bytes=1, proxy=True)
    assert "short" not in repr(Settings()) or not value


@pytest.mark.parametrize("name", errors.__all__)
def test_each_error_comes_back_as_itself(name: str) -> None:
    kind = getattr(errors, name)
    found = wire.decode_error(wire.encode_error(kind("call 7 통화.m4a is not audio.")))
    assert found is not None
    assert type(found[0]) is kind
    assert (str(found[0]), found[1]) == ("call 7 통화.m4a is not audio.", kind.code)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: json.dumps({"error": text}).encode()))
def test_what_is_no_error_of_ours_is_none(data: bytes) -> None:
    assert wire.decode_error(data) is None


def test_an_unknown_class_is_a_service_error_never_another_attribute() -> None:
    for name in ("annotations", "KeyError", "ClassVar", "__all__"):
        found = wire.decode_error(json.dumps({"error": {"type": name, "code": "x", "message": "y"}}).encode())
        assert found is not None
        assert type(found[0]) is ServiceError


@given(st.text(max_size=80))
def test_a_name_survives_the_header(name: str) -> None:
    value = wire.encode_name(name)
    assert value.isascii()
    assert value.isprintable()
    clean = name.encode("utf-8", "replace").decode()
    assert wire.decode_name(value) == (clean or "recording")


@pytest.mark.parametrize("language", ["", "KO", "ko-KR", "korean", "../x", "k"])
def test_what_is_no_language_is_refused(language: str) -> None:
    with pytest.raises(LanguageError):
        wire.check_language(language)
    assert wire.check_language("ko") == "ko"


def test_patience_ends_and_a_full_queue_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    one = patience.Patience("http://x", 10.0, 60.0)
    with pytest.raises(patience.Unusable, match="can't be reached") as away:
        while True:
            one.away("ConnectError")
    assert away.value.lasting
    assert sum(slept) == pytest.approx(10.0)
    assert all(late > early for early, late in itertools.pairwise(slept[:3])), "each wait is longer"
    assert 0.5 <= slept[0] <= 0.75

    two = patience.Patience("http://x", 10.0, 60.0)
    before = clock[0]
    with pytest.raises(patience.Unusable, match="no room in its queue") as full:
        while True:
            two.wait("3", busy=True)
    assert not full.value.lasting, "the next recording may find room"
    assert clock[0] - before == pytest.approx(60.0)

    three = patience.Patience("http://x", 10.0, 60.0)
    three.again("status 500")
    three.again("status 500")
    with pytest.raises(patience.Unusable, match="3 times"):
        three.again("status 500")


def engine(**changed: Any) -> Engine:
    made = {
        "name": "whisperx", "versions": {"whisperx": "1"}, "model": "base", "weights": {"a": "1"},
        "parameters": {"beam_size": 5, "compute_type": "int8"}, "settings_digest": "a" * 64, "device": "cpu",
    }  # fmt: skip
    return Engine.model_validate(made | changed)


def test_only_device_and_compute_type_may_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expect, "engine_info", lambda _: engine())
    assert expect.difference(engine(), None, "") is None
    other = {"settings_digest": "b" * 64}
    on_gpu = engine(**other, device="cuda", parameters={"beam_size": 5, "compute_type": "float16"})
    assert expect.difference(on_gpu, None, "") is None
    assert expect.difference(on_gpu, None, "a" * 64) == f"its digest is {'b' * 64}, not {'a' * 64}"
    assert expect.difference(on_gpu, None, "b" * 64) is None
    for changed, told in (
        ({"weights": {"a": "2"}}, "weights a is 2, not 1"),
        ({"versions": {}}, "versions whisperx is None, not 1"),
        ({"parameters": {"beam_size": 1}}, "parameters beam_size is 1, not 5"),
        ({"parameters": {"beam_size": 5, "vad": {"onset": 0.5}}}, "parameters vad.onset is 0.5, not None"),
    ):
        assert expect.difference(engine(**other, **changed), None, "") == told


def test_a_long_home_gets_short_sockets_in_a_closed_folder() -> None:
    assert Folders.of(Path("/srv/vm")).ray == Path("/srv/vm/serve/ray")
    long = Folders.of(Path("/srv") / ("x" * 80))
    assert len(str(long.ray)) < 45
    assert long.spool.parent == long.ray.parent
    assert long.state.parent == long.home


@pytest.mark.parametrize(
    "wrong", [{"tls_cert": "x"}, {"replicas": 3, "max_replicas": 2}, {"replica": 1}, {"port": 70000}]
)
def test_options_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        ServiceOptions.model_validate(wrong)


def test_audio_errors_are_not_retried_and_service_errors_are() -> None:
    assert not AudioError.retryable
    assert ServiceError.retryable
