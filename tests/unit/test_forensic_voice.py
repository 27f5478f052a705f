"""Voice measures against Praat's own values, gates, timing of turns, baselines and departures."""

from __future__ import annotations

import math

import numpy as np
import parselmouth
import pytest
from parselmouth.praat import call

from include.forensic.acoustics import describe_voice
from include.forensic.floor_timing import floor_measures, pauses
from include.forensic.praat import PARAMETERS, measure_piece, pieces_of
from include.forensic.stress import voice_departures
from include.forensic.voice import analyze_voice
from include.forensic.voice_features import feature_names, features
from include.forensic.voice_gate import gate_of
from include.forensic.voice_sounds import TurnSound, measure_turns
from include.forensic.voice_turns import VoiceTurn, turns_of
from include.stt import NotMeasured, Quality, Word
from tests.unit.forensic_factory import make_segment, make_transcript

RATE = 16000
STUDIO = Quality(speech_s=10, snr_db=45.0, bandwidth_hz=7500.0, clipping=0, missing_s=0)


def voice(hertz: float, seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """A vowel-like sound with irregular periods, a little noise and two formants."""
    random = np.random.default_rng(seed)
    out = 0.001 * random.standard_normal(int(seconds * RATE))
    at = 0.01
    response = np.arange(int(0.02 * RATE)) / RATE
    pulse = np.exp(-response * 300) * np.cos(2 * np.pi * 600 * response)
    pulse += 0.5 * np.exp(-response * 400) * np.cos(2 * np.pi * 1500 * response)
    while at < seconds - 0.03:
        start = int(at * RATE)
        out[start : start + len(pulse)] += pulse * (1 + 0.05 * random.standard_normal())
        at += (1 + 0.01 * random.standard_normal()) / hertz
    return (out * level / np.sqrt(np.mean(out**2))).astype(np.float32)


def test_every_value_is_praats_own() -> None:
    audio = voice(140, 3)
    piece = measure_piece(audio, RATE)
    sound = parselmouth.Sound(audio.astype(np.float64), sampling_frequency=RATE)
    pitch = call(sound, "To Pitch (ac)", 0.01, 75, 15, "no", 0.03, 0.45, 0.01, 0.35, 0.14, 600)
    assert np.median(piece.f0_hz[piece.voiced]) == pytest.approx(
        call(pitch, "Get quantile", 0, 0, 0.5, "Hertz"), rel=1e-4
    )
    intensity = call(sound, "To Intensity", 75, 0.01, "yes")
    time = piece.times[100]
    reference = call(intensity, "Get value at time", time, "linear") - 20 * math.log10(1 / 2e-5)
    assert piece.intensity_db[100] == pytest.approx(reference, abs=0.01)
    points = call(sound, "To PointProcess (periodic, cc)", 75, 600)
    periods = (0, 0, 0.0001, 0.02, 1.3)
    assert piece.jitter_local == pytest.approx(call(points, "Get jitter (local)", *periods), rel=1e-9)
    assert piece.shimmer_local == pytest.approx(call([sound, points], "Get shimmer (local)", *periods, 1.6), rel=1e-9)
    assert 0.002 < piece.jitter_local < 0.05
    formant = call(sound, "To Formant (burg)", 0.01, 5, 5000, 0.025, 50)
    for number in (1, 2, 3):
        value = call(formant, "Get value at time", number, time, "hertz", "Linear")
        assert piece.formants_hz[100, number - 1] == pytest.approx(value, rel=1e-6)
    report = call([sound, pitch, points], "Voice report", 0, 0, 75, 600, 1.3, 1.6, 0.03, 0.45)
    hnr = float(report.split("Mean harmonics-to-noise ratio: ")[1].split()[0])
    assert np.nanmean(piece.hnr_db) == pytest.approx(hnr, abs=0.2)


def test_pieces_cover_the_union_once() -> None:
    found = list(pieces_of([(0, 10), (5, 70), (100, 120)], 110.0))
    assert found == [(0, 30), (30, 60), (60, 70), (100, 110)]
    assert all(end - start <= PARAMETERS["piece_s"] for start, end in found)


def test_a_studio_recording_has_everything_a_telephone_does_not() -> None:
    segments = [make_segment("가나 다라 마바", 0.0, None, end=3.0)]
    studio = describe_voice(make_transcript(segments, quality=STUDIO), [voice(140, 3)], RATE).speakers[0]
    assert studio.jitter_local.value > 0
    assert studio.hnr_db.value > 0
    assert studio.formant1_hz.value == pytest.approx(600, rel=0.15)
    narrow = STUDIO.model_copy(update={"bandwidth_hz": 3400.0})
    described = describe_voice(make_transcript(segments, quality=narrow), [voice(140, 3)], RATE)
    phone = described.speakers[0]
    for value in (phone.jitter_local, phone.shimmer_local, phone.hnr_db, phone.formant1_hz):
        assert isinstance(value, NotMeasured)
        assert "3400 Hz" in value.reason
    assert phone.f0_median_hz.value == pytest.approx(140, rel=0.02)
    assert phone.formant2_hz.value > 1000
    assert "jitter" not in described.turns[0].values
    assert described.left_out


@pytest.mark.parametrize(
    ("quality", "codec", "group", "word"),
    [
        ({"snr_db": 2.0}, "aac", "pitch", "signal-to-noise"),
        ({"snr_db": 20.0}, "aac", "quality", "signal-to-noise"),
        ({"clipping": 0.01}, "aac", "intensity", "clipped"),
        ({}, "amr_nb", "quality", "amr_nb"),
        ({"bandwidth_hz": NotMeasured(reason="x")}, "aac", "quality", "not known"),
    ],
)
def test_what_makes_a_measure_meaningless_suppresses_it(quality, codec, group, word) -> None:
    transcript = make_transcript([], quality=STUDIO.model_copy(update=quality))
    transcript.recording.codec = codec
    assert word in getattr(gate_of(transcript), group).reason
    assert getattr(gate_of(make_transcript([], quality=STUDIO)), group) is None


def test_turns_join_and_split() -> None:
    segments = [
        make_segment("가 나", 0.0, "a"),
        make_segment("다 라", 1.5, "a"),
        make_segment("네", 3.0, "b"),
        make_segment("마 바", 4.0, "a"),
        make_segment("긴", 10.0, "a", end=60.0),
    ]
    turns = turns_of(make_transcript(segments))
    assert [(turn.speaker, turn.segments) for turn in turns[:3]] == [("a", (0, 1)), ("b", (2,)), ("a", (3,))]
    assert len(turns) == 6
    assert max(turn.end - turn.start for turn in turns) <= 20
    assert turns_of(make_transcript([make_segment("가", 0.0, "a", end=0.0)])) == []


def test_latency_overlap_and_interruptions() -> None:
    floor = [(0, 2, "a"), (2.5, 4, "b"), (4.3, 6, "a"), (5, 8, "b"), (8.1, 9, "a"), (9.5, 10, "b"), (9.7, 9.9, "a")]
    a, b = floor_measures("a", floor, "test"), floor_measures("b", floor, "test")
    assert b.interruptions.value == 1
    assert a.interrupted.value == 1
    assert a.interruptions.value == 0
    assert a.overlap_s.value == pytest.approx(1.2)
    assert isinstance(a.response_latency_s, NotMeasured)  # two turns only follow without overlap
    more = [*floor, (11, 12, "b"), (12.2, 13, "a")]
    assert floor_measures("a", more, "test").response_latency_s.value == pytest.approx(0.2)
    assert isinstance(floor_measures(None, floor, "test").turns, NotMeasured)


def test_pauses_leave_the_other_partys_time_out() -> None:
    words = [Word(text="가", start=t, end=t + 0.3, score=None, timing="attention") for t in np.arange(0, 10, 1.0)]
    rate, length = pauses(words, [(1.3, 1.9)])
    assert length.value == pytest.approx(0.7)
    assert rate.value == pytest.approx(60 * 8 / 3)
    assert isinstance(pauses(words[:3], [])[0], NotMeasured)


def turn_sound(index: int, speaker: str = "a", text: str = "", **values: float) -> TurnSound:
    nothing = np.full(100, 120, np.float32)
    words = tuple(
        Word(text=w, start=index * 5.0, end=index * 5.0 + 1, score=1, timing="attention") for w in text.split()
    )
    turn = VoiceTurn(index, speaker, index * 5.0, index * 5.0 + 4, (index,), words)
    return TurnSound(turn, values, nothing, nothing, nothing, np.zeros((100, 3), np.float32), math.nan, math.nan)


def usual(index: int, **changes: float) -> TurnSound:
    random = np.random.default_rng(index)
    values = {
        "f0_median_st": 30 + 0.5 * random.standard_normal(), "f0_range_st": 5 + random.standard_normal(),
        "intensity_db": -25 + random.standard_normal(), "balance_db": -10 + random.standard_normal(),
        "speech_rate": 5 + 0.3 * random.standard_normal(),
    }  # fmt: skip
    return turn_sound(index, **{**values, **changes})


def test_a_turn_far_from_its_speakers_others_is_listed_with_what_moved() -> None:
    sounds = [usual(index) for index in range(12)]
    sounds[6] = usual(6, f0_median_st=37.0, intensity_db=-12.0)
    found = voice_departures(sounds)
    assert [item.turn for item in found.listed] == [6]
    moved = {item.measure: item for item in found.listed[0].moved}
    assert set(moved) == {"f0_median_st", "intensity_db"}
    assert moved["f0_median_st"].direction == "higher"
    assert moved["f0_median_st"].effect_size > 5
    assert found.turns_compared == 12
    assert 0 < found.expected_by_chance < 1
    assert "nothing about whether what was said is true" in found.note.replace("  ", " ")


def test_no_baseline_no_departure() -> None:
    assert isinstance(voice_departures([usual(index) for index in range(8)]), NotMeasured)
    two = voice_departures([*(usual(index) for index in range(10)), turn_sound(20, "b", f0_median_st=40.0)])
    assert two.speakers_without_baseline == ["b"]
    crowded = [usual(index) for index in range(9)]
    crowded[0].overlapped_s = 3.0
    assert isinstance(voice_departures(crowded), NotMeasured)


def test_features_do_not_hear_the_level_and_ignore_silence() -> None:
    audio = voice(150, 2)
    loud, quiet = features(audio, RATE), features(audio * 0.25, RATE)
    assert tuple(loud) == feature_names()
    for name in ("f0_p50", "alpha_mean", "hammarberg_mean", "centroid_mean"):
        assert loud[name] == pytest.approx(quiet[name], abs=0.02 * abs(loud[name]) + 0.05)
    assert loud["level_p50"] - quiet["level_p50"] == pytest.approx(12.04, abs=0.1)
    assert features(np.zeros(RATE, np.float32), RATE) is None
    with pytest.raises(ValueError, match="16000"):
        features(audio, 8000)


def test_bad_input_has_named_outcomes() -> None:
    one_word = make_transcript([make_segment("네", 0.0, "a", end=0.4)])
    (found,) = describe_voice(one_word, [voice(120, 1)], RATE).speakers
    assert "voiced" in found.f0_median_hz.reason
    assert "words" in found.speech_rate.reason
    silent = describe_voice(make_transcript([], empty_reason="No speech was found."), [voice(120, 1)], RATE)
    assert silent.reason == "No speech was found."
    timeless = make_transcript([make_segment("가 나", 0.0, "a", end=0.0, words=[])])
    assert "no times" in describe_voice(timeless, [voice(120, 1)], RATE).reason
    foreign = make_transcript([make_segment("uno dos tres cuatro", 0.0, "a", end=3.0)], language="es")
    (spanish,) = describe_voice(foreign, [voice(120, 3)], RATE).speakers
    assert "'es'" in spanish.speech_rate.reason
    assert spanish.f0_median_hz.value == pytest.approx(120, rel=0.02)


def test_overlapping_speakers_in_one_channel_are_told_and_left_out_of_baselines() -> None:
    segments = [make_segment("가 나 다", 0.0, "a", end=3.0), make_segment("라 마 바", 0.5, "b", end=2.5)]
    transcript = make_transcript(segments)
    transcript.speakers.method = "none"
    first, second = measure_turns(transcript, [voice(120, 3)], RATE)
    assert first.overlapped_s == pytest.approx(2.0)
    assert second.overlapped_s == pytest.approx(2.0)


def test_the_door_gives_every_part_or_its_reason() -> None:
    segments = [make_segment("가나 다라 마바 사아", at * 4.0, "channel-1", end=at * 4.0 + 2) for at in range(10)]
    transcript = make_transcript(segments, quality=STUDIO)
    found = analyze_voice(transcript, [voice(140, 40)], RATE, findings=[])
    assert len(found.description.turns) == 10
    assert found.description.speakers[0].f0_median_hz.value == pytest.approx(140, rel=0.02)
    assert found.departures.turns_compared == 10
    assert found.emotion.turns.measured is False
    assert found.cross_checks.compared == 10
    off = analyze_voice(transcript, [voice(140, 40)], RATE, findings=[], emotion_off=True)
    assert "switched off" in off.emotion.turns.reason
    silent = analyze_voice(transcript, None, RATE, findings=[])
    assert all(getattr(silent, name).measured is False for name in type(silent).model_fields)
    type(found).model_validate_json(found.model_dump_json())
