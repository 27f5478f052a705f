"""The report's pure parts: safe text, times, marking, gaps, the waveform."""

from __future__ import annotations

import re
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.report.gaps import find_gaps
from include.report.marking import emphasise, mark_segment, word_class
from include.report.strings import keep_words
from include.report.text import clean, clock, instant, number, shorten
from include.report.waveform import Mark, Turn, draw_strips, peak_level
from include.stt import NotMeasured, Word
from tests.unit.report_factory import make_analysis, make_facts, make_transcript


def test_clean_writes_out_what_could_hide_or_reorder() -> None:
    assert clean("a\x00b\u202ec\u2066d\ud800e") == "a[U+0000]b[U+202E]c[U+2066]d[U+D800]e"
    assert clean("줄\r\n바꿈\t탭") == "줄 바꿈 탭"
    assert clean(unicodedata.normalize("NFD", "한글")) == "한글"


@given(st.text(st.characters()))
def test_clean_leaves_no_control_and_is_stable(text: str) -> None:
    shown = clean(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\u200c\u200d"]
    assert clean(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "00:00.0"), (59.96, "01:00.0"), (61.24, "01:01.2"), (3599.99, "1:00:00.0"), (4163, "1:09:23.0")],
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_numbers_and_instants() -> None:
    assert [number(1234.5), number(2.0), number(-0.001), number(100, 0)] == ["1,234.5", "2", "0", "100"]
    assert instant("2025-01-01T20:00:00Z") == "2025-01-01 20:00:00 UTC (2025-01-02 05:00:00 KST)"
    assert instant("yesterday") == "yesterday"
    assert len(shorten("가" * 300, 30)) == 30


def test_marking_keeps_every_character_and_marks_only_the_match() -> None:
    words = [Word(text=w, start=0, end=1, score=s, timing="attention") for w, s in (("돈", 0.2), ("줘", 0.9))]
    pieces = mark_segment("돈 안 줘 돈", words, ["안 줘"])
    assert "".join(piece.text for piece in pieces) == "돈 안 줘 돈"
    assert [piece.text for piece in pieces if piece.marked] == ["안 줘"]
    assert [piece.text for piece in pieces if piece.shade == "c1"] == ["돈"]
    assert not any(piece.marked for piece in emphasise("다른 문장", "없는 말"))
    assert [word_class(score) for score in (None, 0.1, 0.3, 0.69, 0.7)] == ["", "c1", "c2", "c3", ""]


@given(st.text(max_size=60), st.lists(st.text(max_size=8), max_size=6))
def test_marking_never_loses_text(text: str, tokens: list[str]) -> None:
    words = [Word(text=token, start=None, end=None, score=0.1, timing="none") for token in tokens]
    assert "".join(piece.text for piece in mark_segment(text, words, tokens)) == clean(text)


def test_keep_words_escapes() -> None:
    assert (
        keep_words("<b>한글</b> & 낱말은 <i>낱말</i>")
        == '<span class="w">&lt;b&gt;한글&lt;/b&gt;</span> &amp; <span class="w">낱말은</span> '
        '<span class="w">&lt;i&gt;낱말&lt;/i&gt;</span>'
    )


def test_words_that_surely_stand_on_the_first_line_need_no_element() -> None:
    assert keep_words("짧은 이름표 둘째") == '짧은 이름표 <span class="w">둘째</span>'
    long = "긴 글은 " * 12 + "마지막까지 온전하다"
    assert keep_words(long).index('<span class="w">') > keep_words(long, narrow=True).index('<span class="w">')


def test_gaps_are_found_wherever_they_stand_and_merged_by_speaker() -> None:
    transcript = make_transcript()
    analysis = make_analysis(transcript, findings="not_measured")
    found = {gap.path: gap for gap in find_gaps(transcript, analysis)}
    expected = {
        "transcript.quality.bandwidth_hz", "analysis.findings", "analysis.emotion", "analysis.language_model",
        "analysis.voice_turns", "analysis.stress", "analysis.cross_checks", "analysis.scores.review_order",
            *(f"analysis.acoustics.{one}" for one in (
                "speech_rate", "jitter_local", "shimmer_local", "hnr_db", "formant1_hz", "formant2_hz", "formant3_hz",
                "pauses_per_minute", "pause_median_s",
            )),
        "transcript.recording.fingerprint", "transcript.mixed_language", "analysis.case_signals",
    }  # fmt: skip
    assert set(found) == expected
    assert found["analysis.acoustics.speech_rate"].speakers == ("channel-1", "channel-2")
    transcript.quality.snr_db = NotMeasured(reason="silence")
    assert "silence" in [gap.reason for gap in find_gaps(transcript, analysis)]


def _strips(duration: float, channels: int, marks: list[Mark]) -> list[str]:
    lane = [0.0] * int(duration / 0.1)
    lane[len(lane) // 2] = 0.8
    strips = draw_strips(
        [lane] * channels, 0.1, duration, marks=marks, turns=[Turn(0, 1.0, 2.0)],
        channel_names=[f"<{n}>" for n in range(channels)], lane_names=["A&B"], title="{start}-{end}",
    )  # fmt: skip
    return [str(strip.svg) for strip in strips]


def test_waveform_keeps_a_single_loud_sample_and_is_well_formed() -> None:
    svg = _strips(600, 2, [Mark("F001", 300.0, 301.0)])
    assert len(svg) == 1
    root = ElementTree.fromstring(svg[0])
    polygons = root.findall("{http://www.w3.org/2000/svg}polygon")
    assert len(polygons) == 2
    heights = [float(point.split(",")[1]) for point in polygons[0].attrib["points"].split()]
    assert max(heights) - min(heights) > 35
    assert "style=" not in svg[0]
    assert [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")].count("F001") == 1


def test_waveform_splits_long_recordings_and_marks_the_right_strip() -> None:
    svg = _strips(4163, 1, [Mark("F001", 10, 12), Mark("F002", 4100, 4101)])
    assert len(svg) == 5
    assert ["F001" in one for one in svg] == [True, False, False, False, False]
    assert ["F002" in one for one in svg] == [False, False, False, False, True]
    assert re.findall(r"<title>([^<]+)</title>", svg[4]) == ["0:55:30-1:09:23"]


def test_silent_and_empty_waveforms_draw() -> None:
    assert peak_level([[0.0], []]) == 0
    assert draw_strips([[]], 0.1, 0.0, marks=[], turns=[], channel_names=["1"], lane_names=[], title="x")


def test_facts_refuse_a_time_without_a_zone() -> None:
    with pytest.raises(ValueError, match="no zone"):
        make_facts(received_at="2025-01-01T00:00:00")
    assert make_facts(received_at="2025-01-01T09:00:00+09:00").received_at == "2025-01-01T00:00:00Z"
