"""Words beside voice, the course of a case, rates, and the review order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.forensic.affect_words import affect_words
from include.forensic.analysis import Confirmation, Context, Finding, Span
from include.forensic.case_course import case_course
from include.forensic.case_recording import CaseRecording
from include.forensic.crosscheck import cross_check
from include.forensic.emotion import EmotionReport, TurnArousal
from include.forensic.rates import poisson_interval, rate_per_hour, rate_trend
from include.forensic.scores import category_rates, review_order, score
from include.stt import NotMeasured
from tests.unit.test_forensic_voice import turn_sound


def finding(segment: int, severity: int = 3, status: str = "confirmed", category: str = "THREAT.DIRECT") -> Finding:
    return Finding(
        id=f"F{segment:03d}", category=category, severity=severity, rule="x", rule_version="1",
        span=Span(
            segment=segment, speaker="a", start=segment * 5.0 + 1, end=segment * 5.0 + 2, timing="attention", text="x"
        ),
        context=Context(before="", sentence="x", after=""), asr_confidence=0.9,
        confirmation=NotMeasured(reason="x")
        if status == "not_run"
        else Confirmation(status=status, detail="x", decodings=[]),
        counter_evidence=[],
    )  # fmt: skip


def arousal(turn: int, low: float, high: float) -> TurnArousal:
    return TurnArousal(
        turn=turn,
        speaker="a",
        start=turn * 5.0,
        end=turn * 5.0 + 4,
        effect=(low + high) / 2,
        low=low,
        high=high,
        measures={},
    )


def checked(turns, findings, confidences=()):
    sounds = [turn_sound(at, text=text) for at, (text, _) in enumerate(turns)]
    report = EmotionReport(
        arousal=[arousal(at, *span) for at, (_, span) in enumerate(turns)], turns=NotMeasured(reason="x"), model=None
    )
    return cross_check(sounds, report, findings, "ko", confidences)


def test_only_where_words_and_voice_surely_differ_somebody_should_listen() -> None:
    found = checked(
        [
            ("너 죽여 버린다", (-0.8, 0.2)),  # strong words, calm voice
            ("너 죽여 버린다", (1.5, 2.5)),  # strong words, raised voice
            ("내일 세 시에 만나요", (1.5, 2.5)),  # plain words, raised voice
            ("내일 세 시에 만나요", (0.2, 2.5)),  # raised perhaps
            ("너무 무서워요", (1.5, 2.5)),  # words of feeling, raised voice
        ],
        [finding(0), finding(1)],
    )
    assert [(item.turn, item.text_strength, item.voice_strength) for item in found.listen] == [
        (0, "strong", "calm"),
        (2, "plain", "raised"),
    ]
    assert all(item.detail.endswith("Listen to this passage.") for item in found.listen)
    assert found.others == {"fits": 2, "undecided": 1}
    assert found.listen[0].findings == ["F000"]


def test_uncertain_words_and_words_that_a_second_decode_denies_are_not_compared() -> None:
    turn = [("너 죽여 버린다", (-0.8, 0.2))]
    assert checked(turn, [finding(0)], [0.2]).others == {"fits": 0, "undecided": 1}
    assert checked(turn, [finding(0, status="unconfirmed")]).listen == []
    none = EmotionReport(arousal=NotMeasured(reason="no baseline"), turns=NotMeasured(reason="x"), model=None)
    assert "no baseline" in cross_check([], none, [], "ko").reason


def test_affect_words() -> None:
    assert affect_words("진짜 화가나 무서워", "ko") == ["화가나", "무서"]
    assert affect_words("I am so angry, shut up", "en") == ["angry", "shut up"]
    assert affect_words("hola", "es") is None


def test_exact_poisson_intervals() -> None:
    assert poisson_interval(0) == pytest.approx((0, 3.6889), abs=1e-3)
    assert poisson_interval(10) == pytest.approx((4.7954, 18.3904), abs=1e-3)
    rate = rate_per_hour(10, 1800)
    assert (rate.per_hour, rate.low, rate.high) == pytest.approx((20, 9.591, 36.781), abs=1e-2)
    assert isinstance(rate_per_hour(1, 0), NotMeasured)


def test_a_rate_that_doubles_every_week_is_found_and_exposure_counts() -> None:
    trend = rate_trend([0, 1, 2, 3, 4], [4, 8, 16, 32, 64], [1, 1, 1, 1, 1])
    assert trend.factor_per_week == pytest.approx(2, abs=0.01)
    assert trend.low > 1.5
    longer = rate_trend([0, 1, 2, 3, 4], [4, 8, 16, 32, 64], [1, 2, 4, 8, 16])
    assert longer.factor_per_week == pytest.approx(1, abs=0.01)
    assert longer.low < 1 < longer.high
    assert isinstance(rate_trend([0, 1], [5, 9], [1, 1]), NotMeasured)
    assert isinstance(rate_trend([0, 1, 2], [1, 1, 1], [1, 1, 1]), NotMeasured)
    hurried = rate_trend([0, 0.1, 0.3], [2, 4, 9], [1, 1, 1])
    assert isinstance(hurried, NotMeasured)
    assert hurried.reason == "The dated recordings lie within 2.1 days; a rate of change a week needs 7."
    vague = rate_trend([0, 0.5, 1.0], [1, 9, 1], [0.1, 0.1, 0.1])
    assert isinstance(vague, NotMeasured)
    assert "do not say whether" in vague.reason


def recording(number: int, count: int, text: str, severity: int = 2) -> CaseRecording:
    made = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=7 * number)
    found = [("STALKING", severity)] * count
    return CaseRecording(f"call{number}", 600.0, found, [("a", text)], made)


def test_the_course_of_a_case() -> None:
    said = [
        "집 앞에서 기다리고 있을게 나와",
        "오늘도 집 앞에서 기다리고 있을게!",
        "여보세요 네 그래요",
        "끊지 마 제발 좀",
    ]
    found = case_course([recording(at, 2 * 2**at, said[at], at % 4 + 1) for at in (2, 0, 3, 1)])
    assert [item.name for item in found.recordings] == ["call0", "call1", "call2", "call3"]
    assert found.trend.factor_per_week == pytest.approx(2, abs=0.05)
    assert found.by_category["STALKING"].events == 30
    assert found.severity.tau == 1
    (phrase,) = found.repeated
    assert phrase.text == "집 앞에서 기다리고 있을게"
    assert phrase.recordings == ["call0", "call1"]
    assert isinstance(case_course([recording(0, 1, "가")]), NotMeasured)
    undated = [CaseRecording(f"x{at}", 60, [("A", 1)], []) for at in range(3)]
    assert isinstance(case_course(undated).trend, NotMeasured)


def test_unconfirmed_findings_never_raise_the_order() -> None:
    sure = score([finding(0, 3)], 3600)
    assert sure.review_order == review_order([3]) > 0
    for status in ("unconfirmed", "not_run"):
        more = score([finding(0, 3), *(finding(at, 4, status) for at in range(1, 20))], 3600)
        assert more.review_order == sure.review_order
        assert more.inputs["unconfirmed"] == 19
        assert sum(sum(who.values()) for who in more.counts["THREAT.DIRECT"].values()) == 20
    assert isinstance(score([finding(0, 4, "not_run")], 60).review_order, NotMeasured)
    assert score([finding(0, 4, "unconfirmed")], 60).review_order == 0
    (rated,) = category_rates([finding(0), finding(1, 3, "unconfirmed")], 3600)
    assert (rated.confirmed, rated.unconfirmed) == (1, 1)
    assert rated.rate.low < rated.rate.per_hour == 2 < rated.rate.high
