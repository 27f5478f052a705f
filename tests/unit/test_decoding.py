"""The decoder with the real model: no invented words, no lost passages, nothing kept from one recording to the next."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from include.settings import ROOT
from include.stt import load_channels
from include.stt.decoding import feature_seconds
from include.stt.engine import Decoded, DecodeItem, SpeechModel
from include.stt.segments import chunks_of
from include.stt.tone import TONES, with_tone
from include.stt.work import Heard, Window

RATE = 16000
Audio = NDArray[np.float32]


@pytest.fixture(scope="module")
def speech(models: Path) -> SpeechModel:
    assert models.is_dir()
    return SpeechModel(2)


@pytest.fixture(scope="module")
def threat() -> Audio:
    return load_channels(ROOT / "samples" / "threat.m4a")[0]


def seconds(length: float) -> NDArray[np.float64]:
    return np.arange(int(length * RATE)) / RATE


def tones(length: float, *frequencies: float) -> Audio:
    return np.asarray(sum(np.sin(2 * np.pi * f * seconds(length)) for f in frequencies) / 8, np.float32)


def pink(length: float) -> Audio:
    noise = np.fft.rfft(np.random.default_rng(2).standard_normal(int(length * RATE)))
    noise /= np.sqrt(np.maximum(np.arange(noise.size), 1))
    found = np.fft.irfft(noise)
    return np.asarray(found / np.abs(found).max() / 3, np.float32)


def white(length: float) -> Audio:
    return np.asarray(np.random.default_rng(3).standard_normal(int(length * RATE)) * 0.05, np.float32)


def dtmf() -> Audio:
    gap = np.zeros(RATE // 10, np.float32)
    pairs = [(697, 1209), (770, 1336), (852, 1477), (941, 1336), (697, 1477), (770, 1209), (852, 1336)]
    return np.concatenate([part for low, high in pairs for part in (tones(0.15, low, high), gap)])


def music(length: float) -> Audio:
    """Chords with overtones that swell and fade, one a second."""
    chords = [(262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294)]
    fade = np.sin(np.pi * seconds(1.0)) ** 0.5
    made = [tones(1.0, *(n * f for f in chords[i % 4] for n in (1, 2, 3))) * fade for i in range(int(length))]
    return np.concatenate(made).astype(np.float32)


SOUNDS: dict[str, Callable[[], Audio]] = {
    "silence": lambda: np.zeros(8 * RATE, np.float32),
    "white noise": lambda: white(8),
    "pink noise": lambda: pink(8),
    "faint noise": lambda: white(8) / 50,
    "ringing": lambda: tones(8, 440, 480) * (seconds(8) % 3 < 1),
    "tone": lambda: tones(8, 1000),
    "dtmf": dtmf,
    "music": lambda: music(8),
    "0.05 s": lambda: white(0.05),
    "0.4 s": lambda: pink(0.4),
    "nothing": lambda: np.zeros(0, np.float32),
}


def decoded(speech: SpeechModel, audio: Audio, language: str = "auto") -> Decoded:
    regions, chunks = speech.speech_regions(audio)
    return speech.decode([audio], [(0, *one) for one in chunks], language, [regions])


@pytest.mark.parametrize("sound", SOUNDS)
def test_no_word_where_nobody_speaks(speech: SpeechModel, sound: str) -> None:
    found = decoded(speech, SOUNDS[sound]())
    assert [one.text for one in found.chunks] == []


def test_guards_hold_where_the_detector_is_wrong(speech: SpeechModel) -> None:
    """The detector is left out: the decoder is told that all of it is to be decoded."""
    sounds = [SOUNDS[name]() for name in ("silence", "white noise", "pink noise", "tone", "dtmf", "music")]
    items = [DecodeItem([one], [(0, 0.0, len(one) / RATE)], "ko", [[]]) for one in sounds]
    found = speech.decode_many(items)
    assert [chunk.text for one in found for chunk in one.chunks] == []


def test_a_call_is_heard_in_full(speech: SpeechModel, threat: Audio) -> None:
    found = decoded(speech, threat)
    said = " ".join(one.text for one in found.chunks).lower()
    for phrase in ("hello, who is this", "went to the police", "stop calling me", "i will kill you", "where you live"):
        assert phrase in said
    assert (found.language, found.mixed, found.uncovered, found.dropped) == ("en", False, [], [])
    assert found.probability is not None
    assert found.probability > 0.9
    assert [one.language for one in found.windows] == ["en"] * len(found.windows)
    assert len(found.windows) > 1
    for chunk in found.chunks:
        assert chunk.start < chunk.end
        assert chunk.language == "en"
        assert all(chunk.start <= word.start <= word.end <= chunk.end for word in chunk.words)  # type: ignore[operator]


def test_speech_that_no_chunk_covers_is_decoded_again(speech: SpeechModel, threat: Audio) -> None:
    """The second half's chunks are missing, as if the decoder had passed over it; the detector's regions are not."""
    regions, chunks = speech.speech_regions(threat)
    half = [(0, *one) for one in chunks[:1]]
    found = speech.decode([threat], half, "en", [regions])
    again = [one for one in found.chunks if one.decode_pass == 2]
    assert "i will kill you" in " ".join(one.text for one in again).lower()
    assert all(one.start >= half[-1][2] - 1 for one in again)
    assert sum(end - start for _, start, end in found.uncovered) < 2


def test_what_stays_uncovered_is_said(speech: SpeechModel, threat: Audio) -> None:
    """Noise that is called speech: no words, and its seconds are told."""
    audio = np.concatenate([threat[: 3 * RATE], white(4)])
    found = speech.decode([audio], [(0, 0.5, 3.0)], "en", [[(0.5, 2.2), (3.0, 7.0)]])
    assert [one for one in found.chunks if one.start >= 3.0] == []
    assert [(channel, start, end) for channel, start, end in found.uncovered if start >= 3.0] == [(0, 3.0, 7.0)]


def test_a_recording_does_not_depend_on_its_neighbours(speech: SpeechModel, threat: Audio) -> None:
    booking = load_channels(ROOT / "samples" / "booking.m4a")[0]
    items = []
    for audio in (threat[: 12 * RATE], booking[: 10 * RATE]):
        regions, chunks = speech.speech_regions(audio)
        items.append(DecodeItem([audio], [(0, *one) for one in chunks], "auto", [regions]))
    alone = [speech.decode_many([one])[0] for one in items]
    together = speech.decode_many(items)
    for one, other in zip(alone, together, strict=True):
        assert [(c.text, c.start, c.end) for c in one.chunks] == [(c.text, c.start, c.end) for c in other.chunks]
        assert one.language == other.language
        assert one.windows == other.windows


def test_a_failure_leaves_nothing_behind(speech: SpeechModel, threat: Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = threat[: 12 * RATE]
    before = decoded(speech, audio)
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> list[object]:
            raise RuntimeError("the decoder broke")

        broken.setattr(speech, "_generate", fail)
        with pytest.raises(RuntimeError, match="the decoder broke"):
            decoded(speech, audio)
    assert decoded(speech, audio) == before


def test_a_short_answer_is_heard(speech: SpeechModel, threat: Audio) -> None:
    answer = np.concatenate([white(2) / 100, threat[int(0.5 * RATE) : int(1.25 * RATE)], white(2) / 100])
    found = decoded(speech, answer, "en")
    assert [one.text.strip(" .,!?").lower() for one in found.chunks] == ["hello"]


def test_tones_change_the_sound_and_not_its_length() -> None:
    quiet = np.concatenate([tones(1.0, 200), tones(1.0, 3000)]) / 100
    for tone in range(len(TONES)):
        made = with_tone(quiet, tone, [(0.0, 1.0), (1.0, 2.0)])
        assert made.shape == quiet.shape
        assert made.dtype == np.float32
    low, high = (part.std() for part in np.split(with_tone(quiet, 1, []), 2))
    assert low / high > 2
    levels = [20 * np.log10(part.std()) for part in np.split(with_tone(quiet, 2, [(0.0, 1.0), (1.0, 2.0)]), 2)]
    assert min(levels) > 20 * np.log10(quiet.std()) + 15


def test_features_are_no_longer_than_a_window_needs() -> None:
    assert feature_seconds(1.0) < feature_seconds(14.0) < feature_seconds(29.0) == 30.0


def test_a_chain_goes_on_from_the_last_whole_segment(speech: SpeechModel) -> None:
    tokenizer = speech.tokenizer("en")
    begin = tokenizer.timestamp_begin
    window = Window(0, 0, 100.0, 120.0, "en")
    first, second = tokenizer.encode(" one two"), tokenizer.encode(" three")

    def heard(*tokens: int) -> Heard:
        return Heard(tuple(tokens), "", -0.2, 0.0, 1.0, 0, 0.0, ())

    chunks, end = chunks_of(window, heard(begin, *first, begin + 150, begin + 200, *second), tokenizer)
    assert [(one.text, one.start, one.end) for one in chunks] == [("one two", 100.0, 103.0)]
    assert end == 103.0  # the second segment was begun and not ended: from there on it is decoded again
    chunks, end = chunks_of(window, heard(begin, *first, begin + 150, begin + 200, *second, begin + 300), tokenizer)
    assert [one.text for one in chunks] == ["one two", "three"]
    assert end == 120.0
    chunks, end = chunks_of(window, heard(begin, *first), tokenizer)
    assert ([one.text for one in chunks], end) == (["one two"], 120.0)


def test_every_turn_of_a_windows_loop_is_flagged(speech: SpeechModel) -> None:
    tokenizer = speech.tokenizer("en")
    begin = tokenizer.timestamp_begin
    turn = tokenizer.encode(" one two three")
    tokens = [one for at in range(6) for one in (begin + 100 * at, *turn, begin + 100 * (at + 1))]
    looped = Heard(tuple(tokens), "", -0.2, 0.0, 9.0, 1, 0.0, ("repetitive",))
    chunks, _ = chunks_of(Window(0, 0, 0.0, 12.0, "en"), looped, tokenizer)
    assert [one.text for one in chunks] == ["one two three"] * 6
    assert all(one.flags == ["repetitive"] for one in chunks)
