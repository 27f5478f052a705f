"""A second decode through the service: the wire, the client against a stand-in, and what the output says of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from include import plain, stt
from include.errors import AudioError, InputError, ServiceError
from include.forensic import SecondDecodes, located, wanted_passages
from include.forensic.second_decode import with_second_decodes
from include.report.strings import load_strings
from include.settings import get_settings
from include.stt import Confirmation, NotMeasured, Passage, RemoteTranscriber
from include.stt.agreement import confirmation
from include.stt.confirmation import Alternative, Variant
from include.stt.service import again_wire as wire_again
from include.stt.service import connection, wire
from include.stt.service.again_wire import Asked
from tests.unit.forensic_factory import make_segment, make_transcript
from tests.unit.test_service import engine

SOUND = b"RIFF" + bytes(range(256)) * 900
WANTED = [Passage(0, 5.0, 7.0, ("죽여", "버릴", "거야"), "ko"), Passage(1, 9.0, 10.0, ("네",), "ko")]


def heard(one: Passage, text: str | None = None) -> Confirmation:
    said = " ".join(one.words) if text is None else text
    variant = Variant(
        model="base", beam_size=5, start=one.start, end=one.end, text=said, heard=said, inserted=[], agreement=1.0,
        avg_logprob=-0.1, no_speech_prob=0.0, alternatives=[Alternative(text=said, avg_logprob=-0.1)],
    )  # fmt: skip
    return confirmation(one.start, one.end, one.language, one.words, [variant])


class Stand:
    """Stands for the service: keeps what it was asked, answers what the test says."""

    def __init__(self, answer: Callable[[httpx.Request, bytes], httpx.Response] | None = None) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self._answer = answer or self.confirms

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        self.asked.append((request.url.path, body))
        if request.url.path == wire.ENGINE:
            return httpx.Response(200, text=engine().model_dump_json())
        return self._answer(request, body)

    @staticmethod
    def confirms(request: httpx.Request, body: bytes) -> httpx.Response:
        before = wire_again.json_bytes(request.headers[wire.PASSAGES])
        assert int(request.headers["content-length"]) == len(body)
        asked = wire_again.decode_asked(body[:before])
        digest = hashlib.sha256(body[before:]).hexdigest()
        return httpx.Response(200, content=wire_again.encode_answer(digest, [heard(one) for one in asked.passages]))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., RemoteTranscriber]:
    monkeypatch.setenv("VOICEMAN_STT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("VOICEMAN_STT_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("VOICEMAN_STT_RETRY_S", "0")
    monkeypatch.setattr(connection, "difference", lambda *_: None)
    monkeypatch.setattr("include.stt.service.patience.time.sleep", lambda _: None)
    (tmp_path / "call.wav").write_bytes(SOUND)

    def make(stand: Stand | None, fallback: str = "local", **more: str) -> RemoteTranscriber:
        monkeypatch.setenv("VOICEMAN_STT_FALLBACK", fallback)
        for key, value in more.items():
            monkeypatch.setenv(key, value)
        get_settings.cache_clear()
        one = RemoteTranscriber(1)
        if stand is not None:
            one._connection._http = httpx.Client(transport=httpx.MockTransport(stand))
        return one

    return make


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A pool that needs no model; how many passages it was given."""
    given: list[int] = []

    class Pool:
        def __init__(self, *_: Any) -> None:
            pass

        def confirm(self, path: Path, passages: list[Passage], *, name: str) -> list[Confirmation]:
            given.append(len(passages))
            return [heard(one) for one in passages]

    monkeypatch.setattr("include.stt.service.remote.TranscriberPool", Pool)
    return given


def test_passages_go_before_the_recording_and_each_answer_names_the_service(
    client: Callable[..., RemoteTranscriber], local: list[int], tmp_path: Path
) -> None:
    stand = Stand()
    found = client(stand).confirm(tmp_path / "call.wav", WANTED, name="통화 1")
    assert isinstance(found, list)
    assert [one.served_by for one in found] == ["http://127.0.0.1:9"] * 2
    assert [one.verdict for one in found] == ["confirmed", "confirmed"]
    assert [path for path, _ in stand.asked] == [wire.ENGINE, wire.CONFIRM]
    assert stand.asked[1][1].endswith(SOUND)
    assert local == []
    assert client(stand).confirm(tmp_path / "call.wav", []) == []
    assert len(stand.asked) == 2, "no passage, no request"


def test_a_service_that_is_away_is_said_in_every_confirmation_and_in_the_log(
    client: Callable[..., RemoteTranscriber], local: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    one = client(None)
    one._connection._http = httpx.Client(transport=httpx.MockTransport(gone))
    with caplog.at_level(logging.WARNING):
        found = one.confirm(tmp_path / "call.wav", WANTED)
    assert isinstance(found, list)
    assert all("can't be reached" in (item.fallback or "") and item.served_by is None for item in found)
    assert local == [2]
    assert "2 passages of call.wav are decoded in this process instead" in caplog.text


def test_fail_forbids_it_and_the_reason_comes_back(
    client: Callable[..., RemoteTranscriber], local: list[int], tmp_path: Path
) -> None:
    stand = Stand(lambda *_: httpx.Response(503, content=wire.encode_error(ServiceError("x"), wire.UNAVAILABLE)))
    found = client(stand, "fail").confirm(tmp_path / "call.wav", WANTED)
    assert isinstance(found, NotMeasured)
    assert "VOICEMAN_STT_FALLBACK=fail" in found.reason
    assert local == []


def test_another_second_model_is_never_used_silently(
    client: Callable[..., RemoteTranscriber], local: list[int], tmp_path: Path
) -> None:
    asked: list[str] = []

    def refuse(request: httpx.Request, body: bytes) -> httpx.Response:
        asked.append(wire_again.decode_asked(body[: int(request.headers[wire.PASSAGES])]).confirm_model)
        return httpx.Response(422, content=wire.encode_error(ServiceError("none here"), wire.OTHER))

    found = client(Stand(refuse), VOICEMAN_CONFIRM_MODEL="large-v3").confirm(tmp_path / "call.wav", WANTED)
    assert isinstance(found, list)
    assert asked == ["large-v3"]
    assert all("none here" in (one.fallback or "") for one in found)


def test_the_recordings_own_fault_is_raised_as_it_would_be_here(
    client: Callable[..., RemoteTranscriber], local: list[int], tmp_path: Path
) -> None:
    stand = Stand(lambda *_: httpx.Response(422, content=wire.encode_error(AudioError("call.wav is no audio."))))
    with pytest.raises(AudioError, match="no audio"):
        client(stand).confirm(tmp_path / "call.wav", WANTED)
    assert local == []


@pytest.mark.parametrize("wrong", ["recording", "count", "words", "nonsense"])
def test_an_answer_about_something_else_is_refused(
    client: Callable[..., RemoteTranscriber], tmp_path: Path, wrong: str
) -> None:
    digest = "0" * 64 if wrong == "recording" else hashlib.sha256(SOUND).hexdigest()
    said = {"count": WANTED[:1], "words": WANTED[::-1]}.get(wrong, WANTED)
    body = b"{}" if wrong == "nonsense" else wire_again.encode_answer(digest, [heard(one) for one in said])
    with pytest.raises(ServiceError, match="answer"):
        client(Stand(lambda *_: httpx.Response(200, content=body))).confirm(tmp_path / "call.wav", WANTED)


def test_the_passages_survive_the_wire() -> None:
    assert wire_again.decode_asked(wire_again.encode_asked(Asked("", tuple(WANTED)))) == Asked("", tuple(WANTED))


@pytest.mark.parametrize(
    "wrong",
    [
        Asked("", ()),
        Asked("", (Passage(0, 5.0, 5.0, (), "ko"),)),
        Asked("", (Passage(0, 0.0, 28.5, ("a",), "ko"),)),
        Asked("", (Passage(2, 0.0, 1.0, ("a",), "ko"),)),
        Asked("", (Passage(0, 0.0, 1.0, ("a",), "../x"),)),
    ],
)
def test_passages_that_can_not_be_are_refused(wrong: Asked) -> None:
    with pytest.raises(InputError):
        wire_again.decode_asked(wire_again.encode_asked(wrong))


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "²", "9" * 20, str((1 << 20) + 1)])
def test_a_length_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InputError):
        wire_again.json_bytes(value)


def test_a_finding_says_that_the_process_decoded_it_itself() -> None:
    transcript = make_transcript([make_segment("너 진짜 죽여 버릴 거야", 5.0, "a")])
    findings = located(transcript).findings
    assert isinstance(findings, list)
    passages = wanted_passages(transcript, findings)
    decoded = [heard(one).model_copy(update={"fallback": "The speech service is away."}) for one in passages]
    told = with_second_decodes(findings, transcript, SecondDecodes.of(passages, decoded))[0].confirmation
    assert not isinstance(told, NotMeasured)
    assert told.status == "confirmed"
    assert told.detail.endswith("Decoded by the process itself: The speech service is away.")
    korean = load_strings("ko").recorded(told.detail.replace("is away", "http://x can't be reached (ConnectError)"))
    assert "처리 과정 안에서 다시 해독했습니다: 음성 서비스 http://x에 연결할 수 없습니다" in korean
    assert "Decoded" not in korean


def test_analyze_asks_the_service_where_one_is_set(
    client: Callable[..., RemoteTranscriber], local: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    client(None)
    monkeypatch.setattr(stt.Transcriber, "__init__", lambda *_: pytest.fail("a model of its own is loaded"))
    monkeypatch.setattr(stt.RemoteTranscriber, "confirm", lambda *_: asked.append("service") or [])
    assert plain._confirmed(tmp_path / "call.wav", WANTED) == []
    assert asked == ["service"]
