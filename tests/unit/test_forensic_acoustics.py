"""Voice measures against sounds whose pitch, level and timing are known."""

from __future__ import annotations

import numpy as np
import pytest

from include.forensic import Measure
from include.forensic.acoustics import describe_voice, envelope
from include.forensic.speech_timing import pause_ratio, speech_rate, syllables
from include.stt import NotMeasured, Word
from tests.unit.forensic_factory import make_segment, make_transcript

RATE = 16000


def buzz(hertz: float, seconds: float, level: float = 0.2) -> np.ndarray:
    """A voice-like sound: ten harmonics, scaled to an RMS of ``level``."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.cos(2 * np.pi * hertz * number * time) / number for number in range(1, 11))
    return (wave * level / np.sqrt(np.mean(wave**2))).astype(np.float32)


def whole(seconds: float, speaker: str | None = None):
    return make_segment("가나 다라 마바", 0.0, speaker, end=seconds)


def test_pitch_and_level_of_a_known_sound() -> None:
    (measures,) = describe_voice(make_transcript([whole(5.0)]), [buzz(120, 5)], RATE).speakers
    assert measures.speaker is None
    assert measures.voiced_s.value == pytest.approx(5, abs=0.1)
    assert measures.f0_median_hz.value == pytest.approx(120, abs=0.5)
    assert measures.f0_iqr_semitones.value == pytest.approx(0, abs=0.05)
    assert measures.intensity_median_db.value == pytest.approx(20 * np.log10(0.2), abs=0.3)


def test_the_range_of_two_pitches_is_in_semitones() -> None:
    sound = np.concatenate([buzz(110, 3), buzz(220, 3)])
    (measures,) = describe_voice(make_transcript([whole(6.0)]), [sound], RATE).speakers
    assert measures.f0_iqr_semitones.value == pytest.approx(12, abs=0.2)


def test_each_speaker_is_read_from_their_channel() -> None:
    transcript = make_transcript([whole(4.0, "channel-1"), whole(4.0, "channel-2")])
    low, high = describe_voice(transcript, [buzz(100, 4), buzz(210, 4)], RATE).speakers
    assert (low.speaker, high.speaker) == ("channel-1", "channel-2")
    assert low.f0_median_hz.value == pytest.approx(100, abs=0.5)
    assert high.f0_median_hz.value == pytest.approx(210, abs=0.5)


def test_only_transcribed_stretches_count_and_chunks_leave_no_seam() -> None:
    sound = np.concatenate([buzz(100, 70), buzz(300, 20)])
    (measures,) = describe_voice(make_transcript([whole(70.0)]), [sound], RATE).speakers
    assert measures.voiced_s.value == pytest.approx(70, abs=0.2)  # Praat gives no frame within 20 ms of a cut
    assert measures.f0_median_hz.value == pytest.approx(100, abs=0.5)
    assert measures.f0_iqr_semitones.value == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("sound", [buzz(120, 0.5), np.zeros(3 * RATE, np.float32), np.zeros(10, np.float32)])
def test_too_little_voice_is_not_measured(sound: np.ndarray) -> None:
    (measures,) = describe_voice(make_transcript([whole(3.0)]), [sound], RATE).speakers
    assert isinstance(measures.voiced_s, Measure)
    for value in (measures.f0_median_hz, measures.f0_iqr_semitones, measures.intensity_median_db):
        assert isinstance(value, NotMeasured)
        assert "voiced" in value.reason


def test_no_audio_no_segments() -> None:
    transcript = make_transcript([whole(3.0)])
    assert isinstance(describe_voice(transcript, None, RATE), NotMeasured)
    assert isinstance(describe_voice(transcript, [], RATE), NotMeasured)
    assert isinstance(describe_voice(transcript, [np.empty(0, np.float32)], RATE), NotMeasured)
    assert isinstance(describe_voice(make_transcript([]), [buzz(120, 1)], RATE), NotMeasured)


def word(text: str, start: float | None, end: float | None) -> Word:
    return Word(text=text, start=start, end=end, score=None, timing="none" if start is None else "attention")


def test_pauses_and_rate() -> None:
    words = [word("안녕", 0.0, 1.0), word("하세요", 1.0, 2.0), word("네", 3.0, 4.0)]
    assert pause_ratio(words).value == 0.25
    assert speech_rate(words, "ko").value == 2.0
    assert "attention" in speech_rate(words, "ko").method
    overlapping = [*words, word("네", 0.5, 1.5)]
    assert pause_ratio(overlapping).value == 0.25


def test_without_word_times_no_rate() -> None:
    words = [word("안녕", None, None)] * 5
    assert isinstance(pause_ratio(words), NotMeasured)
    assert isinstance(speech_rate(words, "ko"), NotMeasured)
    assert isinstance(speech_rate([word("a", 0, 1)] * 5, "de"), NotMeasured)
    assert isinstance(pause_ratio([word("a", 1.0, 1.0)] * 5), NotMeasured)


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [("안녕하세요", "ko", 5), ("OK", "ko", 0), ("banana", "en", 3), ("shh", "en", 1), ("12", "en", 0)],
)
def test_syllables(text: str, language: str, count: int) -> None:
    assert syllables(text, language) == count


def test_the_envelope_keeps_every_peak_in_few_points() -> None:
    left, right = np.zeros(RATE * 60, np.float32), np.zeros(RATE * 60, np.float32)
    left[RATE * 30] = -0.75
    found = envelope([left, right], RATE)
    assert len(found.peaks) == 2
    assert len(found.peaks[0]) <= 4000
    assert max(found.peaks[0]) == 0.75
    assert found.peaks[0].index(0.75) * found.step_s == pytest.approx(30, abs=found.step_s)
    assert max(found.peaks[1]) == 0
    assert isinstance(envelope(None, RATE), NotMeasured)
    assert isinstance(envelope([np.empty(0, np.float32)], RATE), NotMeasured)
