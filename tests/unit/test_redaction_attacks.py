"""What an attacker found in redacted copies: each leak once more, and closed."""

from __future__ import annotations

import hashlib
import re
import time
import unicodedata
from typing import Any, Literal

import pytest

from include.container import ContainerExamination, Observation
from include.redaction import Redacted, find_all, redact, rules_digest
from include.redaction.patterns import find_patterns
from include.report import CustodyEvent, ReportFacts, StatedFacts, VerifiedCopy
from include.report.render import render_html
from include.report.strings import load_strings
from include.stt import Transcript
from tests.unit.report_factory import SHA, make_analysis, make_facts, make_transcript

CARD = "4111111111111111"


def said(text: str) -> Transcript:
    """A call whose first segment is this."""
    base = make_transcript(segments=6)
    first = base.segments[0]
    words = [first.words[0].model_copy(update={"text": word}) for word in text.split()]
    return base.model_copy(
        update={"segments": [first.model_copy(update={"text": text, "words": words}), *base.segments[1:]]}
    )


def redacted(transcript: Transcript | None = None, **facts: Any) -> Redacted[ReportFacts]:
    """Copies of a call about which nothing else is known."""
    transcript = transcript or make_transcript(segments=6)
    named = {"file_id": "call-7", "file_name": "call-7.m4a"} | facts
    return redact(transcript, make_analysis(transcript, findings=1), make_facts(**named), language="ko")


def masked(text: str) -> str:
    """The text without what the rules find."""
    for hit in reversed(find_all(text)):
        text = text[: hit.start] + "#" + text[hit.end :]
    return text


def event(**update: Any) -> CustodyEvent:
    """A release by a person."""
    told = {"seq": 1, "at": "2025-11-20T02:00:00Z", "actor": "airflow", "action": "released", "hash": "ab" * 32}
    return CustodyEvent.model_validate(told | update)


def examined(**values: str) -> ContainerExamination:
    """An examination with one observation."""
    seen = Observation(
        id="tag.other",
        what="A tag",
        values=values,
        where="moov/udta @10",
        meaning="A tag.",
        limits="Anybody can write.",
    )
    return ContainerExamination(
        sha256=SHA, size_bytes=1, container="riff", settings_digest="a" * 64,
        observations=(seen,), left_out=0,
    )  # fmt: skip


def test_tags_of_the_file_and_reasons_of_events_are_searched_for_names() -> None:
    reason = "by 최강식: 박영희 씨의 동의서 확인, John Carter"
    made = redacted(custody=(event(reason=reason),), container=examined(tag="IART", text="박영희 팀장, Mary Jones"))
    text = made.facts.model_dump_json()
    assert [one for one in ("최강식", "박영희", "Carter", "Mary", "Jones") if one in text] == []
    assert made.facts.container is not None
    assert made.facts.container.observations[0].limits == "Anybody can write."


def test_a_row_of_digits_is_no_digest() -> None:
    stated = StatedFacts(submitter=CARD, evidence_number="John_Smith_010-1234-5678_" + "x" * 50)
    made = redacted(said(CARD), stated=stated)
    assert made.transcript.segments[0].text.startswith("[카드번호 ")
    text = made.facts.model_dump_json()
    assert CARD not in text
    assert "1234-5678" not in text
    assert "Smith" not in text
    assert SHA in text


@pytest.mark.parametrize(
    "number",
    [
        "010\u20101234\u20115678", "010\u22121234\u22125678", "０１０－１２３４－５６７８", "٠١٠١٢٣٤٥٦٧٨", "①②③④⑤⑥⑦⑧⑨",
        "010_1234_5678", "010|1234|5678", "010:1234:5678", "010…1234…5678", "kim＠naver.com",
        "김철수@naver.com", "JOHN SMITH", "José García",
    ],
)  # fmt: skip
def test_look_alikes_are_found(number: str) -> None:
    assert masked(f"a {number} b") == "a # b"


def test_texts_in_parts_and_with_signs_that_nobody_sees_are_searched() -> None:
    def apart(text: str) -> str:
        return unicodedata.normalize("NFD", text)

    stated = StatedFacts(
        requester=apart("정수빈 변호사"), submitter="김\u200b철수", questions=(apart("박영희 씨가 한 말인가"),),
        device="010\u200b1234\u200d5678", speakers={"channel-1": apart("최민호")},
    )  # fmt: skip
    name = apart("통화녹음_홍길동_20251119.m4a")
    place = VerifiedCopy(role="working", place=f"s3://b/{name}", verified_at="2025-11-20T02:00:00Z", tool="boto3")
    made = redacted(
        said(apart("여보세요 홍\u00ad길동 씨")), stated=stated, copies=(place,), file_name=name, file_id=name[:-4]
    )
    text = unicodedata.normalize("NFC", made.facts.model_dump_json() + made.transcript.to_json())
    wanted = ("수빈", "철수", "영희", "민호", "홍길동", "5678")
    assert [one for one in wanted if one in text] == []
    first = made.transcript.segments[0]
    assert " ".join(word.text for word in first.words) == first.text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("010-1234.5678", "#"), ("1234567890원 보내", "#원 보내"), ("10:12345678", "#"),
        ("my name is josé garcía", "my name is #"),
        ("공일공, 음, 일이삼사, 어, 오육칠팔", "#"), ("1990년 1월 1일생", "#"), ("생년월일 1990-01-01", "생년월일 #"),
        ("생년월일은 900101 이고", "생년월일은 # 이고"), ("born on 1990-01-01", "born on #"),
        # and what is no number of anybody's
        ("3000000원 보내", "3000000원 보내"), ("1000-2000만원", "1000-2000만원"),
        ("2-3일 뒤 10:12에", "2-3일 뒤 10:12에"),
        ("2025-11-19 10:12:30.5", "2025-11-19 10:12:30.5"), ("0.98234123", "0.98234123"),
        ("1,234,567원", "1,234,567원"),
        ("2020년 1월 1일 생방송", "2020년 1월 1일 생방송"),
    ],
)  # fmt: skip
def test_amounts_times_and_dates_take_nothing_of_numbers(text: str, left: str) -> None:
    assert masked(text) == left


@pytest.mark.parametrize("sign", ["a", "가", "www.", "a-"])
def test_a_long_word_takes_no_square_of_time(sign: str) -> None:
    began = time.process_time()
    find_patterns(sign * (12000 // len(sign)))
    assert time.process_time() - began < 3


def test_bytes_in_hex_are_masked() -> None:
    seen = examined(
        begins="ebb095ec9881ed9dac", a="12 bytes: ebb095", b="bytes that are not zero, such as ebb095ec98", c="7"
    )
    made = redacted(container=seen)
    assert made.facts.container is not None
    values = made.facts.container.observations[0].values
    assert "ebb095" not in made.facts.model_dump_json()
    assert values["b"].startswith("bytes that are not zero, such as [원시 바이트 ")
    assert values["c"] == "7"
    assert made.facts.container.sha256 == SHA
    assert made.log.counts["dump"] == 3


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_digest_lets_names_be_tried(language: Literal["ko", "en"]) -> None:
    transcript = said("여보세요 박서연 씨")
    analysis = make_analysis(transcript, findings=1)
    source = analysis.transcript.model_copy(
        update={"sha256": hashlib.sha256(transcript.to_json().encode()).hexdigest()}
    )
    analysis = analysis.model_copy(update={"transcript": source})
    facts = make_facts(
        file_id="call-7", file_name="call-7.m4a", stated=StatedFacts(submitter="박서연", document_sha256="c" * 64),
        custody=(event(digests={"original": SHA, "transcript": source.sha256}),),
    )  # fmt: skip
    made = redact(transcript, analysis, facts, language=language, terms=("까치파",))
    everything = "".join(getattr(made, one).model_dump_json() for one in ("transcript", "analysis", "facts", "log"))
    assert [one for one in (source.sha256, "c" * 64, "ab" * 32) if one in everything] == []
    assert made.facts.custody is not None
    assert made.facts.custody[0].digests["original"] == SHA
    assert made.log.withheld == [
        "analysis.transcript.sha256", "facts.custody.digests", "facts.custody.hash", "facts.stated.document_sha256",
    ]  # fmt: skip
    assert made.log.rules_sha256 == rules_digest()  # not over the lab's terms, which a dictionary would tell
    assert made.log.lab_terms == 1
    shown = render_html(made.transcript, made.analysis, made.facts, language, log=made.log)
    told = {"ko": "비식별본에서는 밝히지 않음", "en": "withheld in a redacted copy"}[language]
    assert re.sub("<[^>]+>", "", shown).count(told) == 2  # intake document, last event's hash


def test_a_short_file_name_is_replaced_in_places_and_events() -> None:
    place = VerifiedCopy(
        role="working", place="s3://b/processing/job/김양.m4a", verified_at="2025-11-20T02:00:00Z", tool="boto3"
    )
    made = redacted(
        file_id="김양", file_name="김양.m4a", copies=(place,), custody=(event(reason="received as 김양.m4a"),)
    )
    assert "김양" not in made.facts.model_dump_json()
    assert made.facts.copies[0].place == "s3://b/processing/job/[파일명 1]"


def test_the_log_does_not_tell_how_many_words_were_masked() -> None:
    made = redacted(said("번호는 공일공 구팔칠육 오사삼이 박서연 씨"))
    words = made.transcript.segments[0].words
    assert [words[one.word].text for one in made.log.spans if one.word is not None] == [
        one.mask for one in made.log.spans
    ]
    assert [one.word for one in made.log.spans] == [1, 2]
    assert "last_word" not in made.log.to_json()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_report_does_not_claim_that_everything_was_found(language: Literal["ko", "en"]) -> None:
    lead = load_strings(language)("redaction.lead", masks=1, elsewhere=1)
    assert {"ko": "찾지 못한 것은 그대로 남아 있습니다", "en": "what they did not find still stands there"}[
        language
    ] in lead
