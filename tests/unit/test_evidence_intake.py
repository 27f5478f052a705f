"""Intake facts: nothing has to be stated, what is stated is kept, and one statement holds a job up."""

import json
import unicodedata

import pytest

from include import evidence
from include.errors import IntakeFactsError
from include.evidence import parse_intake


def facts(**given: object) -> evidence.IntakeFacts:
    return parse_intake(json.dumps({"schema": "voiceman.intake/1", **given}).encode(), "intake.json")


def test_nothing_has_to_be_stated() -> None:
    empty = facts()
    assert empty.case_number is None
    assert empty.needs_release(["a.m4a"]) == []
    assert parse_intake(b"{}", "x") == empty
    assert "case_number" in empty.not_stated(["a.m4a"])
    assert "a.m4a: conversation" in empty.not_stated(["a.m4a"])


def test_complete_facts_lack_nothing_and_no_copies_is_a_statement() -> None:
    whole = facts(
        case_number="2026-형제-12", requester="서울중앙지검", questions=["누가 무엇을 말했는가"], legal_basis="촉탁",
        recorded_by="홍길동", conversation="own", device="SM-S921N", submitter="김형사, 2026-11-02", copies=[],
    )  # fmt: skip
    assert whole.not_stated(["a.m4a"]) == []


@pytest.mark.parametrize("basis", [{"legal_basis": "영장 2026-1"}, {"consent_or_warrant": "both parties agreed"}])
def test_others_conversation_without_a_basis_needs_a_person(basis: dict[str, str]) -> None:
    assert facts(conversation="others").needs_release(["a", "b"]) == ["a", "b"]
    assert facts(conversation="others", **basis).needs_release(["a"]) == []
    assert facts(conversation="own").needs_release(["a"]) == []


def test_a_name_counts_however_its_hangul_is_written() -> None:
    composed, apart = (unicodedata.normalize(form, "몰래 녹음.m4a") for form in ("NFC", "NFD"))
    assert composed != apart
    for stated, dropped in ((composed, apart), (apart, composed)):
        said = facts(recordings={stated: {"conversation": "others", "evidence_number": "8"}})
        assert said.needs_release([dropped, "다른.m4a"]) == [dropped]
        assert said.of(dropped).evidence_number == "8"
        assert said.unknown([dropped]) == []
    with pytest.raises(IntakeFactsError, match="two of the recordings have the same name"):
        facts(recordings={composed: {}, apart: {}})


def test_a_misspelt_recording_of_others_holds_the_drop() -> None:
    said = facts(recordings={"통화1.m4a": {"conversation": "others"}, "없음.m4a": {"evidence_number": "8"}})
    assert said.unknown(["통화.m4a"]) == ["통화1.m4a", "없음.m4a"]
    assert said.needs_release(["통화.m4a"]) == ["통화1.m4a"]
    assert said.needs_release([]) == []  # nothing lies there that could be meant


def test_one_recordings_own_facts_come_before_the_drops() -> None:
    mixed = facts(
        conversation="own", recorded_by="홍길동",
        recordings={"b": {"conversation": "others"}, "c": {"conversation": "others", "consent_or_warrant": "영장"}},
    )  # fmt: skip
    assert mixed.needs_release(["a", "b", "c"]) == ["b"]
    assert mixed.of("b").recorded_by == "홍길동"
    assert mixed.of("c").consent_or_warrant == "영장"


@pytest.mark.parametrize(
    "wrong",
    [
        {"conversation": "maybe"}, {"case_number": ""}, {"case_number": "a\nb"}, {"requester": "x" * 5000},
        {"unknown": 1}, {"copies": "none"}, {"schema": "voiceman.intake/2"}, {"device": "a\x00b"},
        {"recordings": {"a": {"case_number": "1"}}},
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_and_not_quoted(wrong: dict[str, object]) -> None:
    with pytest.raises(IntakeFactsError, match="holds no intake facts") as caught:
        facts(**wrong)
    assert "x" * 100 not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"nonsense", b"[" * 100_000])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(IntakeFactsError):
        parse_intake(data, "intake.json")


def test_a_large_document_is_not_parsed() -> None:
    with pytest.raises(IntakeFactsError, match="larger than 1 MiB"):
        parse_intake(b" " * (evidence.MAX_INTAKE_BYTES + 1), "intake.json")


def test_times_and_speakers_are_stated_for_all_recordings_or_one() -> None:
    given = facts(
        speakers={"channel-1": "김민준"},
        recordings={"a.m4a": {"recorded_at": "2026-03-02T14:05:00+09:00", "speakers": {"channel-2": "이서연"}}},
    )
    assert given.of("b.m4a").speakers == {"channel-1": "김민준"}
    assert given.of("b.m4a").recorded_at is None
    assert given.of("a.m4a").speakers == {"channel-2": "이서연"}
    at = given.of("a.m4a").recorded_at
    assert at is not None
    assert at.isoformat() == "2026-03-02T14:05:00+09:00"
    for wrong in ({"recorded_at": "2026-03-02T14:05:00"}, {"speakers": {"channel-1": ""}}, {"speakers": {"": "김"}}):
        with pytest.raises(IntakeFactsError):
            facts(**wrong)
