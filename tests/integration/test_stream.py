"""Many recordings through one model: the same texts as one by one, each failure alone, nobody left behind."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.errors import AudioError
from include.settings import ROOT
from include.stt import Passage, Transcriber
from include.stt.stream import Feed, Request, transcribe_stream

pytestmark = pytest.mark.integration

CALLS = [ROOT / "tests" / "audio" / name for name in ("threat_9s.m4a", "extortion_stereo_9s.m4a")]


@pytest.fixture(scope="module")
def transcriber(models: Path) -> Transcriber:
    return Transcriber()


def said(transcript: object) -> list[tuple[str | None, str, float]]:
    return [(one.speaker, one.text, one.start) for one in transcript.segments]  # type: ignore[attr-defined]


def test_together_and_one_by_one_give_the_same(transcriber: Transcriber, tmp_path: Path) -> None:
    broken = tmp_path / "broken.m4a"
    broken.write_bytes(CALLS[0].read_bytes()[:5000])
    requests = [Request(path, "en") for path in (CALLS[0], broken, *CALLS[1:])]
    found = {outcome.item.path: outcome for outcome in transcribe_stream(transcriber, requests)}
    assert len(found) == 3
    assert isinstance(found[broken].error, AudioError)
    for path in CALLS:
        alone = transcriber.transcribe(path, language="en")
        assert alone.segments
        assert said(found[path].result) == said(alone), path.name
    assert not [one for one in threading.enumerate() if one.name.startswith("stage-")]


def test_threads_share_a_model(transcriber: Transcriber, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    feed = Feed(transcriber)
    with ThreadPoolExecutor(3) as threads:
        texts = [threads.submit(feed.transcribe, Request(path, "en")) for path in CALLS[:2]]
        bad = threads.submit(feed.transcribe, Request(empty, "en", name="empty.wav"))
        passages = (Passage(0, 1.0, 3.0, ("bananas",), "en"),)
        again = threads.submit(feed.confirm, Request(CALLS[0], passages=passages))
        (heard,) = again.result()
        assert (heard.verdict, len(heard.variants)) == ("differs", 2)
        assert heard == transcriber.confirm(CALLS[0], passages)[0]
        assert [bool(one.result().segments) for one in texts] == [True, True]
        with pytest.raises(AudioError, match=r"empty\.wav is empty"):
            bad.result()
    feed.close()
    assert not [one for one in threading.enumerate() if one.name.startswith(("stage-", "transcribe-stream"))]
