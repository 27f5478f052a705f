import pytest

from include.stt.transcript import Word
from include.stt.words import DecodedChunk, snap_to_speech, to_segments


def word(text: str, start: float | None, end: float | None) -> Word:
    return Word(text=text, start=start, end=end, score=0.9, timing="none" if start is None else "attention")


def chunk(words: list[Word], text: str = "") -> DecodedChunk:
    text = text or "".join(one.text for one in words)
    return DecodedChunk(0, 0.0, 30.0, text, words, avg_logprob=-0.1, no_speech_prob=0.0, flags=["low_confidence"])


def test_sentences_and_pauses_cut_segments() -> None:
    words = [word(" Hello.", 0, 0.5), word(" How", 0.6, 0.8), word(" are", 0.8, 1.0), word(" you", 2.0, 2.2)]
    segments = to_segments(chunk(words), "channel-1")
    assert [one.text for one in segments] == ["Hello.", "How are", "you"]
    assert [(one.start, one.end) for one in segments] == [(0, 0.5), (0.6, 1.0), (2.0, 2.2)]
    assert {one.speaker for one in segments} == {"channel-1"}
    assert segments[0].flags == ["low_confidence"]
    assert segments[0].confidence == pytest.approx(0.9)  # of its words, not of the 30 s decoded together


def test_a_long_run_is_cut() -> None:
    words = [word(f" w{n}", n * 0.5, n * 0.5 + 0.4) for n in range(60)]
    segments = to_segments(chunk(words), None)
    assert len(segments) > 1
    assert all(one.end - one.start <= 13 for one in segments)
    assert sum(len(one.words) for one in segments) == 60


def test_text_without_word_times_is_kept_and_marked() -> None:
    segments = to_segments(chunk([], text="안녕하세요"), None)
    assert [(one.text, one.start, one.end) for one in segments] == [("안녕하세요", 0.0, 30.0)]
    assert "no_word_times" in segments[0].flags
    assert segments[0].confidence == pytest.approx(0.9048, abs=1e-4)  # exp(mean log-probability)
    assert to_segments(chunk([], text="  "), None) == []


def test_a_word_does_not_reach_over_a_pause() -> None:
    # attention gives the pause between 1 and 8 s to the word after it
    words = [word(" one", 0.0, 1.0), word(" two", 1.0, 8.6), word(" gap", 3.0, 3.2), word(" none", None, None)]
    snapped = snap_to_speech(words, [(0.0, 1.0), (8.0, 9.0)])
    assert [(one.start, one.end) for one in snapped] == [(0.0, 1.0), (8.0, 8.6), (3.0, 3.2), (None, None)]
