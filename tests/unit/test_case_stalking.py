"""STALKING over the recordings of a case: what repetition makes a finding, and what never does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from include.case_text import case_lines
from include.forensic import CaseFinding, CaseRecording, PartyCourse, case_course, load_taxonomy
from include.forensic.case_change import call_rate
from include.forensic.case_phrases import repeated_phrases
from include.forensic.case_recording import Said, party_in
from include.forensic.case_stalking import stalking_courses
from include.forensic.detect import Passage, detect, examine
from include.forensic.rulebook import Rule
from include.stt import NotMeasured

TAXONOMY = load_taxonomy()
SIGNALS = [rule for category in TAXONOMY.signals for rule in category.rules]
Turns = Sequence[tuple[str | None, str]]


def cases(kind: str) -> list:
    return [
        pytest.param(rule, example, id=f"{rule.id}-{number}")
        for rule in SIGNALS
        for number, example in enumerate(getattr(rule, kind))
    ]


@pytest.mark.parametrize(("rule", "example"), cases("positive"))
def test_a_signal_is_found_and_is_no_finding_by_itself(rule: Rule, example: str) -> None:
    found = examine([Passage("a", example)], rule.language, TAXONOMY)
    assert rule.id in {hit.rule.data.id for hit in found.signals}
    assert not any(hit.rule.signal for hit in found.hits)
    assert not any(item.hit.rule.signal for item in found.set_aside)


@pytest.mark.parametrize(("rule", "example"), cases("negative"))
def test_a_hard_negative_is_no_signal_of_its_rule(rule: Rule, example: str) -> None:
    found = examine([Passage("a", example)], rule.language, TAXONOMY)
    assert rule.id not in {hit.rule.data.id for hit in found.signals}


def test_signals_are_no_categories_of_findings() -> None:
    assert not any(category.id.startswith("STALKING.SIGNAL") for category in TAXONOMY.categories)
    assert not any(name.startswith("STALKING.SIGNAL") for name in TAXONOMY.info().categories)
    assert all(category.nature == "signal" for category in TAXONOMY.signals)
    assert all({rule.language for rule in category.rules} == {"ko", "en"} for category in TAXONOMY.signals)


def recording(day: float | None, turns: Turns, language: str = "ko", *, minutes: float = 1.0) -> CaseRecording:
    """Rules over turns, as the analysis' findings and signals would come."""
    passages = [Passage(speaker, text) for speaker, text in turns]
    found = examine(passages, language, TAXONOMY)

    def said(hit, finding: str | None) -> Said:
        place = hit.place
        text = passages[place.passage].text[place.start : place.end]
        start = place.passage * 10 + place.start / 100
        severity = hit.severity if finding else 2
        return Said(hit.category, hit.rule.data.id, severity, passages[place.passage].speaker, start, text, finding)

    made = None if day is None else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    items = [said(hit, f"F{number:03d}") for number, hit in enumerate(found.hits)]
    items += [said(hit, None) for hit in found.signals]
    findings = [(hit.category, hit.severity) for hit in found.hits]
    return CaseRecording(f"day{day}", minutes * 60, findings, list(turns), made, items)


def course_of(dialogues: Sequence[Turns], language: str = "ko") -> PartyCourse | None:
    found = stalking_courses([recording(day, turns, language) for day, turns in enumerate(dialogues)])
    assert len(found) <= 1
    return found[0] if found else None


REFUSED_AND_GOES_ON = [
    [("a", "나야 왜 전화를 안 받아"), ("b", "연락하지 말라고 했잖아요"), ("a", "한 번만 만나 줘")],
    [("a", "번호 바꿔서 전화했어"), ("b", "왜 자꾸 전화하세요")],
    [("a", "너네 집 앞이야 잠깐만 나와"), ("b", "경찰 부를게요")],
]

SHOWN = {
    "refused and goes on": REFUSED_AND_GOES_ON,
    "waits at home again": [
        [("a", "집 앞이야 나올 때까지 기다릴게")],
        [("a", "오늘도 나올 때까지 여기서 기다린다"), ("b", "그만하세요")],
    ],
    "watches": [
        [("a", "어제 너 어떤 남자랑 어디 가는지 다 봤어"), ("b", "무서워 그만해")],
        [("a", "너 지금 지켜보고 있어")],
    ],
    "harmless words, refused each time": [
        [("b", "이제 전화하지 마세요"), ("a", "알았어")],
        [("a", "뭐 해"), ("b", "또 왜 전화했어요 전화하지 말라니까요")],
        [("a", "잘 지냈어"), ("b", "제발 그만 좀 전화해요")],
    ],
    "nobody told apart": [
        [(None, "다시는 찾아오지 마"), (None, "보고 싶어서 또 왔어")],
        [(None, "왜 내 연락 씹어"), (None, "문 열어 봐")],
    ],
    "number of calls": [
        [("b", "부재중이 서른 통이야 연락하지 마"), ("a", "매일 전화할 거야")],
        [("a", "오늘만 열 번 전화했어 왜 안 받아")],
        [("a", "다른 번호로 전화하는 거야")],
    ],
}  # fmt: skip


@pytest.mark.parametrize("dialogues", SHOWN.values(), ids=SHOWN)
def test_repetition_makes_a_finding(dialogues: Sequence[Turns]) -> None:
    found = course_of(dialogues)
    assert found is not None
    assert isinstance(found.finding, CaseFinding), found.finding
    assert found.finding.required == 2
    assert len(found.finding.recordings) >= 2


NOT_SHOWN = {
    "one recording": [[("a", "집 앞이야 나올 때까지 기다릴게"), ("b", "연락하지 마")]],
    "one of three": [
        [("a", "집 앞이야 나올 때까지 기다릴게")], [("a", "미안해 잘 지내")], [("a", "내일 회의 몇 시죠")],
    ],
    "a delivery driver rings five times": [
        [("a", "택배 기사인데요 집 앞에서 기다리고 있어요"), ("b", "지금 없는데요")],
        [("a", "택배인데 왜 전화를 안 받으세요 오늘만 다섯 번 전화했어요")],
        [("a", "택배 문 앞에 두고 갈게요"), ("b", "이제 전화하지 마시고 그냥 두고 가세요")],
        [("a", "배송 때문에 또 전화드렸어요 문 좀 열어 주세요")],
        [("a", "택배 집 앞에 도착했습니다")],
    ],
    "a debt reminder": [
        [("a", "고객님 카드값이 연체되셔서 연락드렸어요"), ("b", "전화하지 마세요")],
        [("a", "고객님 왜 연락이 안 되세요 계속 전화드렸는데 납부 부탁드립니다"), ("b", "그만 좀 전화하라고요")],
        [("a", "오늘까지 납부하셔야 돼요 매일 전화드릴 거예요")],
    ],
    "a friend wants his money": [
        [("a", "야 빌려 간 돈 언제 갚을 거야"), ("b", "전화 좀 그만해")],
        [("a", "왜 전화 안 받아 돈 갚으라고")],
        [("a", "너 왜 자꾸 피해 돈 보내")],
    ],
    "a worried mother": [
        [("a", "엄마야 왜 전화를 안 받아 열 번은 했어"), ("b", "엄마 전화 좀 그만해 회의였어")],
        [("a", "걱정돼서 또 전화했어 밥은 먹었어"), ("b", "응 엄마 먹었어 전화하지 마 좀")],
        [("a", "엄마가 부재중을 스무 통을 남겼는데 왜 연락을 안 해")],
    ],
    "a couple": [
        [("a", "집 앞이야 천천히 나와"), ("b", "응 금방 나갈게")],
        [("a", "보고 싶어서 또 전화했어"), ("b", "나도 보고 싶어")],
        [("a", "왜 전화 안 받았어"), ("b", "미안 자고 있었어")],
    ],
    "advertising calls": [
        [("a", "고객님 좋은 상품이 있어서요"), ("b", "전화하지 마세요")],
        [("a", "안녕하세요 보험 상담원입니다"), ("b", "전화하지 말라고 했잖아요")],
    ],
    "friends late for a meeting": [
        [("a", "야 어디야 왜 안 나와 다들 기다려"), ("b", "가고 있어")],
        [("a", "집 앞이야 내려와"), ("b", "문 열어 줘")],
        [("a", "야 왜 답장을 안 해"), ("b", "바빴어 미안")],
    ],
    "not now": [
        [("b", "지금 회의 중이니까 전화하지 마 이따 할게")], [("a", "왜 전화 안 받았어"), ("b", "회의였다니까")],
        [("a", "또 전화했는데 바빠")],
    ],
    "refused, and that was all": [
        [("b", "연락하지 마세요")], [("a", "서류는 우편으로 보냈습니다")], [("b", "네 받았어요")],
    ],
}  # fmt: skip


@pytest.mark.parametrize("dialogues", NOT_SHOWN.values(), ids=NOT_SHOWN)
def test_what_is_no_repetition_against_somebodys_will(dialogues: Sequence[Turns]) -> None:
    found = course_of(dialogues)
    assert found is None or isinstance(found.finding, NotMeasured), found.finding
    if found is not None:
        assert "2 are required" in found.finding.reason


def test_english() -> None:
    found = course_of(
        [
            [("a", "why are you not answering"), ("b", "stop calling me"), ("a", "please just talk to me")],
            [("a", "you blocked me so I got a new number"), ("b", "I told you not to call")],
        ],
        "en",
    )
    assert found is not None
    assert isinstance(found.finding, CaseFinding)


def test_who_refuses_is_not_who_seeks_contact() -> None:
    found = course_of(REFUSED_AND_GOES_ON)
    assert found is not None
    by_who_refused = [one for one in found.passages if one.speaker == "b" and one.role == "contact"]
    assert not any(one.counted for one in by_who_refused)
    assert {one.role for one in found.passages if one.counted} == {"contact", "refused"}


def test_words_that_a_second_decode_denied_do_not_count() -> None:
    both = [recording(day, [("a", "집 앞이야 나올 때까지 기다릴게")]) for day in (0, 1)]
    assert isinstance(stalking_courses(both)[0].finding, CaseFinding)
    denied = replace(both[1], said=[replace(one, confirmation="unconfirmed") for one in both[1].said])
    found = stalking_courses([both[0], denied])[0]
    assert isinstance(found.finding, NotMeasured)
    assert "did not confirm" in next(one.why for one in found.passages if one.recording == "day1")


def test_severity_says_what_the_recordings_that_count_hold() -> None:
    wait, watch = [("a", "나올 때까지 여기서 기다린다")], [("a", "너 지금 지켜보고 있어")]
    kill = [("a", "나올 때까지 여기서 기다린다 죽여 버릴 거야")]
    severities = []
    for second in (wait, watch, kill):
        found = stalking_courses([recording(0, wait), recording(1, second)])[0].finding
        assert isinstance(found, CaseFinding)
        severities.append(found.severity)
    assert severities == [2, 3, 4]


def test_the_same_bytes_are_one_call_and_parties_are_kept_apart() -> None:
    waits = [recording(day, [("a", "나올 때까지 여기서 기다린다")]) for day in (0, 1)]
    copies = [replace(one, sha256="a" * 64) for one in waits]
    assert isinstance(stalking_courses(copies)[0].finding, NotMeasured)
    apart = [replace(one, party=who) for one, who in zip(waits, ("01012345678", "01087654321"), strict=True)]
    assert [isinstance(one.finding, NotMeasured) for one in stalking_courses(apart)] == [True, True]
    together = [replace(one, party="01012345678") for one in waits]
    assert isinstance(stalking_courses(together)[0].finding, CaseFinding)


def test_without_dates_only_a_second_refusal_is_known_to_come_after_a_first() -> None:
    refused, sought = [("b", "연락하지 마세요")], [("a", "왜 내 연락 씹어")]
    unknown = [recording(None, turns) for turns in (refused, sought, sought)]
    assert isinstance(stalking_courses(unknown)[0].finding, NotMeasured)
    again = [recording(None, refused) for _ in range(3)]
    assert isinstance(stalking_courses(again)[0].finding, CaseFinding)


@pytest.mark.parametrize(
    ("name", "party"),
    [
        ("통화 녹음 홍길동_251119_142233", "홍길동"),
        ("통화 녹음 010-1234-5678_251119_142233", "01012345678"),
        ("01012345678_20251119142233", "01012345678"),
        ("+82 10 1234 5678_251119", "01012345678"),
        ("call_251101", None),
        ("call_01", None),
        ("녹음3_251119", None),
        ("a", None),
    ],
)
def test_a_party_in_a_name(name: str, party: str | None) -> None:
    assert party_in(name) == party


def test_calls_that_come_closer_together() -> None:
    def on(days: Sequence[float]) -> list[CaseRecording]:
        return [recording(day, [("a", "네")]) for day in days]

    steady = call_rate(on([0, 7, 14, 21, 28, 35, 42]))
    assert not isinstance(steady, NotMeasured)
    assert (steady.calls, steady.weeks, steady.per_week) == (7, 6, 1)
    assert steady.low < 1 < steady.high
    assert steady.closer_z == pytest.approx(0)
    closer = call_rate(on([0, 30, 37, 39, 40, 40.5, 41, 41.5, 42]))
    assert not isinstance(closer, NotMeasured)
    assert closer.closer_z > 2
    assert closer.closer_p < 0.05
    assert isinstance(call_rate(on([0, 0.1, 0.2])), NotMeasured)


def test_rates_have_the_recorded_hours_of_all_the_partys_recordings() -> None:
    turns = [("a", "나올 때까지 여기서 기다린다")]
    rates = [2, 4, 8]
    made = [recording(7 * week, turns * count, minutes=30) for week, count in enumerate(rates)]
    found = stalking_courses([*made, recording(28, [("a", "네 알겠습니다")], minutes=30)])[0]
    assert not isinstance(found.passages_rate, NotMeasured)
    assert (found.passages_rate.count, found.passages_rate.hours) == (14, 2)
    assert found.passages_rate.low < 7 < found.passages_rate.high
    rising = stalking_courses(made)[0].passages_trend
    assert not isinstance(rising, NotMeasured)
    assert rising.factor_per_week == pytest.approx(2, abs=0.05)


def test_phrases_need_memory_for_what_is_shared_only() -> None:
    long = " ".join(f"말{number}" for number in range(3000))
    other = " ".join(f"딴{number}" for number in range(3000))
    said = "집 앞에서 계속 기다리고 있을게"
    made = [recording(day, [("a", text)]) for day, text in enumerate((f"{long} {said}", f"{said} {other}"))]
    (phrase,) = repeated_phrases(made)
    assert (phrase.text, phrase.times) == (said, 2)


def test_the_course_holds_it_and_the_lines_tell_it_in_two_languages() -> None:
    course = case_course([recording(day, turns) for day, turns in enumerate(REFUSED_AND_GOES_ON)])
    assert not isinstance(course, NotMeasured)
    text = "\n".join(case_lines(course))
    assert "스토킹, 심각도 2: 녹음 3건에 해당 구간이 있음 (요건 2건)" in text
    assert "STALKING, severity 2: passages in 3 recordings (2 required): day0, day1, day2" in text
    assert "사람에 대한 결론이 아니다" in text
    assert "nothing follows about a person" in text
    alone = "\n".join(case_lines(case_course([recording(0, REFUSED_AND_GOES_ON[0])])))
    assert "at least two recordings" in alone


def test_a_recordings_findings_are_what_they_were() -> None:
    hits = detect([Passage("a", "집 앞이야 나올 때까지 기다릴게"), Passage("b", "연락하지 마")], "ko", TAXONOMY)
    assert [hit.category for hit in hits] == ["STALKING"]
