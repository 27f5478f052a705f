"""Bad input to the analysis: each has an outcome with a name, none breaks."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from include.forensic import analyze_transcript, load_analysis
from include.stt import NotMeasured, SpeakerInfo
from include.stt.transcript import SetAside, SpeakerTurn, UncoveredSpeech
from tests.unit.forensic_factory import SHA, make_segment, make_transcript

RATE = 16000


def analysed(transcript, seconds: float | None = None, channels: int = 1):
    sound = None
    if seconds is not None:
        noise = np.random.default_rng(1).normal(0, 0.05, int(seconds * RATE)).astype(np.float32)
        sound = [noise] * channels
    result = analyze_transcript(
        transcript, transcript_name="a_transcript.json", transcript_sha256=SHA, channels=sound, sample_rate=RATE
    )
    return load_analysis(result.to_json())


def test_no_speech() -> None:
    reason = "0.0 s of speech found, at least 0.5 s are needed"
    result = analysed(make_transcript([], language="und", empty_reason=reason), 3)
    for value in (result.findings, result.acoustics, result.emotion, result.stress, result.cross_checks):
        assert value == NotMeasured(reason=reason)
    assert result.scores.review_order == NotMeasured(reason=reason)


def test_one_word() -> None:
    result = analysed(make_transcript([make_segment("네", 0.0, "a", end=0.4)]), 2)
    assert result.findings == []
    assert result.scores.review_order == 0
    assert "voiced" in result.acoustics[0].f0_median_hz.reason
    assert "baseline" in result.stress.reason


@pytest.mark.parametrize("found", [0, 200])
def test_seventy_minutes_of_words_in_linear_time_and_flat_memory(found: int) -> None:
    lines = ["네 알겠습니다 그렇게 할게요", "내일 세 시에 다시 전화 드릴게요", "죽여버린다 진짜"]
    segments = [make_segment(lines[2 if at < found else at % 2], at * 6.0, f"s{at % 2}") for at in range(700)]
    tracemalloc.start()
    began = time.process_time()
    result = analysed(make_transcript(segments))
    used = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len([one for one in result.findings if one.found_by == "rule"]) == found
    assert peak < 400e6
    assert used < 240  # tracemalloc slows it several times over; bench/analysis.py has the real figure


def test_overlapping_speakers_are_said() -> None:
    segments = [
        make_segment("가 나 다 라", 0.0, "speaker-1", end=3.0),
        make_segment("라 마 바", 0.5, "speaker-2", end=2.5),
    ]
    turns = [SpeakerTurn(start=0.0, end=3.0, speaker="speaker-1"), SpeakerTurn(start=0.5, end=2.5, speaker="speaker-2")]
    speakers = SpeakerInfo(method="diarization", speakers=["speaker-1", "speaker-2"], turns=turns)
    result = analysed(make_transcript(segments, speakers=speakers), 4)
    assert [one.floor.overlap_s.value for one in result.acoustics] == [2.0, 2.0]
    assert [one.overlapped_s for one in result.voice_turns.turns] == [2.0, 2.0]


def test_an_unknown_language() -> None:
    result = analysed(make_transcript([make_segment("uno dos tres", 0.0, "a")], language="es"), 3)
    assert "'es'" in result.findings.reason
    assert [(one.kind, one.reasons) for one in result.not_analysed] == [("language", ["es"])]
    assert isinstance(result.language_model, NotMeasured)


def test_a_segment_in_another_language_is_left_out_and_said() -> None:
    segments = [
        make_segment("죽여버린다", 0.0, "a", language="ko"),
        make_segment("je vais bien", 5.0, "a", language="fr"),
        make_segment("i will kill you", 10.0, "a", language="en"),
    ]
    result = analysed(make_transcript(segments))
    assert [one.span.segment for one in result.findings if one.found_by == "rule"] == [0, 2]
    assert [(one.kind, one.start) for one in result.not_analysed] == [("language", 5.0)]


def test_a_transcript_without_times() -> None:
    result = analysed(make_transcript([make_segment("죽여버린다", 0.0, "a", end=0.0, words=[])]), 3)
    assert result.findings[0].category == "THREAT.DIRECT"
    assert "no times" in result.acoustics.reason
    assert "no times" in result.stress.reason


def test_hostile_markup() -> None:
    hostile = "<script>alert(1)</script> 죽여버린다 </style><img src=x> & \x1b[31m \u202e"
    result = analysed(make_transcript([make_segment(hostile, 0.0, "<b>a</b>")]), 3)
    (found,) = [*(one for one in result.findings if one.found_by == "rule"), *result.set_aside]
    assert found.context.sentence.startswith("<script>")
    assert found.span.speaker == "<b>a</b>"


def test_what_the_guards_set_aside_is_not_analysed_and_is_said() -> None:
    transcript = make_transcript(
        [make_segment("네 알겠습니다", 0.0, "a")],
        set_aside=[SetAside(start=20.0, end=22.0, channel=0, text="죽여버린다", reasons=["no_energy"])],
        uncovered_speech=[UncoveredSpeech(start=10.0, end=12.0, channel=1)],
    )
    result = analysed(transcript)
    assert result.findings == []
    told = [(one.kind, one.start, one.channel, one.reasons) for one in result.not_analysed]
    assert told == [("uncovered_speech", 10.0, 1, []), ("set_aside", 20.0, 0, ["no_energy"])]
