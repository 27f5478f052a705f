"""Redacted copies: the same masks everywhere, nothing of the secrets anywhere, findings as they were."""

from __future__ import annotations

import io
import json
import re
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel, Field
from pypdf import PdfReader

from include.redaction import Redacted, RedactionLog, compact, redact
from include.report import CustodyEvent, RedactedReport, ReportFacts, StatedFacts, VerifiedCopy, render_redacted
from include.stt import Transcript, export
from tests.archival import archival_faults
from tests.unit.redaction_seed import SECRETS, seeded

TERMS = ("까치",)
Copies = Redacted[ReportFacts]


@pytest.fixture(scope="module")
def copies() -> Copies:
    return redact(*seeded(), language="ko", terms=TERMS)


@pytest.fixture(scope="module")
def rendered() -> RedactedReport:
    return render_redacted(*seeded(), language="ko", terms=TERMS)


def leaks(text: str) -> list[str]:
    """Secrets in a text, whatever stands between their signs; digests are not looked at."""
    squeezed = compact(re.sub(r"[0-9a-f]{16,}", " ", text))
    return [one for one in SECRETS if compact(one) in squeezed]


def texts_of(document: object) -> str:
    """Every text and key of a JSON document, one after the other."""
    if isinstance(document, dict):
        return " ".join(f"{key} {texts_of(value)}" for key, value in document.items())
    if isinstance(document, list):
        return " ".join(map(texts_of, document))
    return document if isinstance(document, str) else ""


def test_the_seed_is_full_of_secrets() -> None:
    everything = " ".join(one.model_dump_json() for one in seeded())
    missing = [one for one in SECRETS if compact(one) not in compact(everything)]
    assert missing == ["서연"] or not missing, missing


def test_no_secret_is_left_in_the_copies_or_the_log(copies: Copies) -> None:
    for name in ("transcript", "analysis", "facts", "log"):
        text = getattr(copies, name).model_dump_json(by_alias=True)
        assert leaks(text) == [], name
        assert leaks(texts_of(json.loads(text))) == [], name
    words = " ".join(word.text for one in copies.transcript.segments for word in one.words)
    assert leaks(words) == []
    for kind in ("srt", "vtt", "txt", "csv"):
        assert leaks(export(copies.transcript, kind)) == [], kind


def test_the_same_person_and_number_have_the_same_mask_in_texts_words_and_contexts(copies: Copies) -> None:
    lines = [one.text for one in copies.transcript.segments]
    person = re.search(r"\[이름 \d+\]", lines[0])
    assert person is not None
    assert f"{person[0]}한테" in lines[3]
    assert person[0] in lines[4]
    assert f"{person[0]}야" in lines[9]
    other = re.search(r"\[이름 \d+\] 과장님", lines[5])
    assert other is not None
    assert person[0] not in other[0]
    # a number said in two segments, with the other speaker between, and its last digits again
    phone = re.search(r"\[전화번호 \d+\]", lines[1])
    assert phone is not None
    assert phone[0] in lines[3]
    assert phone[0] in lines[9]
    assert isinstance(copies.analysis.findings, list)
    context = copies.analysis.findings[0].context
    assert (context.before, context.sentence) == (lines[3], lines[4].replace("돈을", "돈"))
    for segment in copies.transcript.segments:
        assert " ".join(word.text for word in segment.words) == segment.text


def test_findings_segments_and_times_are_those_of_the_full_report(copies: Copies) -> None:
    transcript, analysis, _ = seeded()
    assert isinstance(analysis.findings, list)
    assert isinstance(copies.analysis.findings, list)
    same = ("id", "category", "severity", "rule", "asr_confidence")
    for before, after in zip(analysis.findings, copies.analysis.findings, strict=True):
        assert [getattr(before, one) for one in same] == [getattr(after, one) for one in same]
        assert before.span.model_copy(update={"text": ""}) == after.span.model_copy(update={"text": ""})
    for old, new in zip(transcript.segments, copies.transcript.segments, strict=True):
        assert (old.start, old.end, old.speaker) == (new.start, new.end, new.speaker)
        assert (old.words[0].start, old.words[-1].end) == (new.words[0].start, new.words[-1].end)
    assert copies.facts.sha256 == copies.transcript.recording.sha256 == transcript.recording.sha256
    assert copies.analysis.taxonomy == analysis.taxonomy
    assert copies.transcript.engine == transcript.engine


def test_the_log_names_words_and_times_and_fits_its_schema(copies: Copies) -> None:
    log = RedactionLog.model_validate_json(copies.log.to_json())
    assert log == copies.log
    assert "Automatic redaction can miss" in log.to_json()
    for one in log.spans:
        if one.word is None:
            continue
        word = copies.transcript.segments[one.segment].words[one.word]
        assert one.mask in word.text
        assert (word.start, word.end) == (one.start, one.end)
    phone = [one for one in log.spans if one.kind == "phone" and one.segment in (1, 3)]
    assert [(one.segment, one.word) for one in phone] == [(1, 3), (3, 0)]
    assert {one.mask for one in phone} == {phone[0].mask}
    assert log.counts["name"] >= 3
    assert log.counts["term"] == log.lab_terms == 1
    assert {one.document for one in log.elsewhere} == {"transcript", "analysis", "facts"}


def test_a_variant_that_heard_the_name_otherwise_is_masked_as_a_whole(copies: Copies) -> None:
    assert isinstance(copies.analysis.findings, list)
    told = copies.analysis.findings[0].confirmation
    (decoded,) = told.decodings  # type: ignore[union-attr]
    first, second = decoded.variants
    assert "회사에 다 말해" in first.text
    assert re.fullmatch(r"\[가린 구절 \d+\]", second.text)
    assert re.fullmatch(r"\[가린 구절 \d+\]", second.heard)
    assert [word.heard[1] for word in decoded.words if word.heard[1]] == [second.text] * len(decoded.words)


class Deep(BaseModel):
    """A field as a later version may add it, at every depth."""

    note: str = "김민수 씨가 접수함"
    by: dict[str, list[tuple[str, int]]] = Field(default={"박서연 과장": [("010-9876-5432", 1)]})
    maybe: str | None = "이영자"


class MoreFacts(ReportFacts):
    """ReportFacts with fields that nothing here knows."""

    deep: tuple[Deep, ...] = (Deep(),)
    later: tuple[dict[str, str], ...] = ({"actor": "홍길동", "what": "통화녹음_홍길동_01098765432_251119.m4a 이동"},)


def test_fields_that_a_later_version_adds_are_searched(copies: Copies) -> None:
    transcript, analysis, facts = seeded()
    more = redact(transcript, analysis, MoreFacts(**facts.model_dump()), language="en", terms=TERMS)
    text = more.facts.model_dump_json()
    assert leaks(text) == []
    assert more.facts.deep[0].note.startswith("[NAME ")
    assert any(one.path.startswith("deep[0].by") for one in more.log.elsewhere)
    assert more.facts.run_id == copies.facts.run_id == "manual__2025-11-20T02:05:00+00:00"  # no secret, and readable
    assert more.facts.generated_at == facts.generated_at


def test_intake_facts_custody_and_copies_are_searched(copies: Copies) -> None:
    transcript, analysis, facts = seeded()
    name = "통화녹음_홍길동_01098765432_251119.m4a"
    told = CustodyEvent(
        seq=1, at="2025-11-20T02:00:00Z", actor="홍길동", action="claimed", reason=f"received as {name}", hash="0" * 64
    )
    more = facts.model_copy(
        update={
            "stated": StatedFacts(
                requester="김민수 씨", questions=("이영자 씨가 한 말인가",), submitter="010-9876-5432"
            ),
            "custody": (told,),
            "copies": (
                VerifiedCopy(role="working", place=f"s3://b/{name}", verified_at="2025-11-20T02:00:00Z", tool="boto3"),
            ),
        }
    )
    made = redact(transcript, analysis, more, language="ko", terms=TERMS).facts
    assert leaks(made.model_dump_json()) == []
    assert made.custody is not None
    assert (made.custody[0].seq, made.custody[0].action, made.custody[0].hash) == (
        1,
        "claimed",
        "비식별본에서는 밝히지 않음",
    )
    assert made.stated is not None
    assert made.stated.requester is not None
    assert made.stated.requester.startswith("[이름 ")


def test_no_field_of_the_models_escapes(copies: Copies) -> None:
    """A secret put into any free text of the three, one at a time deep in their JSON, is masked there."""
    transcript, _, _ = seeded()
    document = transcript.model_dump(by_alias=True)
    document["empty_reason"] = document["speakers"]["reason"] = document["engine"]["fallback"] = "김민수 010-9876-5432"
    document["engine"]["parameters"]["김민수"] = ["공일공 구팔칠육 오사삼이", {"to": "김민수"}]
    document["recording"]["messages"] = ["/home/홍길동/통화녹음_홍길동_01098765432_251119.m4a: no trailer"]
    document["segments"][0]["flags"] = ["minsu.kim@naver.com"]
    _, analysis, facts = seeded()
    made = redact(Transcript.model_validate(document), analysis, facts, language="ko", terms=TERMS)
    assert leaks(made.transcript.to_json()) == []


def test_nothing_is_masked_where_nothing_is_to_be_masked() -> None:
    from tests.unit.report_factory import make_analysis, make_facts, make_transcript

    transcript = make_transcript()
    analysis = make_analysis(transcript)
    made = redact(transcript, analysis, make_facts(file_id="call-7", file_name="call-7.m4a"), language="en")
    assert made.transcript == transcript
    assert made.log.spans == []
    renamed = made.analysis.model_copy(update={"transcript": analysis.transcript})  # its name and digest
    assert renamed == analysis


def test_the_report_and_everything_in_it_leaks_nothing(rendered: RedactedReport, tmp_path: Path) -> None:
    assert archival_faults(rendered.pdf, tmp_path) == []
    reader = PdfReader(io.BytesIO(rendered.pdf))
    pages = [page.extract_text() for page in reader.pages]
    assert all("REDACTED" in page for page in pages)
    assert leaks(" ".join(pages)) == []
    assert all(leaks(f"{before} {after}") == [] for before, after in pairwise(pages))
    assert leaks(unescape(re.sub(r"<[^>]+>", "", rendered.html))) == []
    assert leaks(unescape(rendered.html)) == []
    assert leaks(" ".join(map(str, (reader.metadata or {}).values()))) == []
    assert leaks(reader.xmp_metadata.rdf_root.toxml() if reader.xmp_metadata else "") == []
    assert leaks(" ".join(str(one.title) for one in reader.outline if not isinstance(one, list))) == []
    attached = dict(reader.attachments)
    assert [re.sub(r"^recording-[0-9a-f]{12}_", "", name) for name in attached] == [
        "transcript.json", "forensic.json", "redaction.json",
    ]  # fmt: skip
    for name, contents in attached.items():
        assert leaks(name + contents[0].decode()) == [], name
        assert leaks(texts_of(json.loads(contents[0]))) == [], name
    assert attached[next(name for name in attached if name.endswith("_redaction.json"))] == [rendered.log]


def test_the_report_says_what_was_done_and_that_a_person_must_review_it(rendered: RedactedReport) -> None:
    text = re.sub(r"\s+", " ", unescape(re.sub(r"</th>|<[^>]+>", lambda tag: " " * (tag[0] == "</th>"), rendered.html)))
    assert "반드시 사람이 녹음과 대조하여 검토하여야 합니다" in text
    assert "주민등록번호 1" in text
    for number in ("F001", "F002", "F003"):
        assert number in text
    assert "음성은 비식별 처리하지 않았습니다" in text
