"""Draft certificates: what the records hold is in them, what they don't is a blank, nothing from outside is markup."""

import io
from datetime import UTC, datetime

import pypdf
import pytest

from include.evidence.bundle import Part
from include.evidence.certificates import CertificateFacts, CopyFact, StageFact, draft_certificates, file_facts

AT = datetime(2026, 11, 27, 1, 2, 3, tzinfo=UTC)
SHA = "ab" * 32


def copies(working: str = SHA) -> tuple[CopyFact, ...]:
    return (
        CopyFact(role="preservation", place="originals/j/통화.m4a", size=1234567, sha256=SHA, sha512="cd" * 64,
                 hashed_at=AT, tool="VoiceMan 0.1.0 (hashlib)"),
        CopyFact(role="working", place="processing/j/통화.m4a", size=1234567, sha256=working),
    )  # fmt: skip


def facts(**more: object) -> CertificateFacts:
    made: dict[str, object] = {
        "case": "2026형제1234", "job": "j", "file_id": "통화", "file_name": "통화 녹음.m4a", "copies": copies(),
        "stages": (StageFact(stage="transcribe", started=AT, ended=AT, commit="f" * 40, models={"base": SHA}),),
        "documents": file_facts([Part("documents/report.ko.pdf", b"x", "report")]), "ledger_seq": 17,
        "ledger_hash": SHA, "keyid": SHA, "demo_key": False, "made_at": AT, "software_version": "0.1.0",
    }  # fmt: skip
    return CertificateFacts.model_validate(made | more)


def texts(given: CertificateFacts) -> tuple[str, str]:
    """What the two drafts say, all white space gone: lines break anywhere."""
    english, korean = (
        "".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(one.data)).pages).split())
        for one in draft_certificates(given)
    )
    return english, korean


def test_both_drafts_hold_the_facts_and_are_marked_on_every_page() -> None:
    parts = draft_certificates(facts())
    assert [part.path for part in parts] == [
        "documents/certificate.fre902.en.pdf",
        "documents/certificate.hash.ko.pdf",
    ]
    assert {part.role for part in parts} == {"certificate_draft"}
    for part, mark in zip(parts, ("DRAFT, NOT SIGNED", "초안"), strict=True):
        for page in pypdf.PdfReader(io.BytesIO(part.data)).pages:
            assert mark in page.extract_text()
    english, korean = texts(facts())
    for text in (english, korean):
        for wanted in ("2026형제1234", SHA, "cd" * 64, "2026-11-2701:02:03UTC", "2026-11-2710:02:03KST", "1,234,567"):
            assert wanted in text
    assert {"보존사본", "분석사본", "해시값생성시각"} <= {
        word for word in ("보존사본", "분석사본", "해시값생성시각") if word in korean
    }
    assert "902(13)" in english
    assert "902(14)" in english
    assert "f" * 40 in english
    assert "transcribe" in english


def test_what_is_not_recorded_is_a_blank_and_never_guessed() -> None:
    english, korean = texts(facts(stages=(), documents=()))
    assert english.count("(tobestated)") >= 6
    assert korean.count("기재필요") >= 5
    assert "VoiceMan0.1.0(hashlib)" in english
    filled, _ = texts(facts(submitter="김제출", requester="서울지검", device="SM-G991N", legal_basis="임의제출",
                            organisation="감정원", received_at=AT))  # fmt: skip
    assert filled.count("(tobestated)") < english.count("(tobestated)")
    assert "김제출" in filled


def test_copies_that_differ_are_told_and_not_to_be_signed() -> None:
    assert "samesizeandthesameSHA-256" in texts(facts())[0]
    english, korean = texts(facts(copies=copies("cd" * 32)))
    assert "DIFFER" in english
    assert "서명하지마십시오" in korean
    assert "samesizeandthesameSHA-256" not in english
    english, _ = texts(facts(copies=copies()[:1]))
    assert "nocomparisonwasmade" in english


def test_a_demo_key_is_said() -> None:
    english, korean = texts(facts(demo_key=True))
    assert "DEMONSTRATIONKEY" in english
    assert "시연용키" in korean
    assert "DEMONSTRATIONKEY" not in texts(facts())[0]


def test_the_same_facts_give_the_same_bytes() -> None:
    assert [one.data for one in draft_certificates(facts())] == [one.data for one in draft_certificates(facts())]


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "<img src='file:///etc/passwd'>", "a\u202eb", "x" * 10_000, "\x00\x1b[2J", "😀",
     "{{ 7*7 }}", "</style><style>*{display:none}"],
)  # fmt: skip
def test_hostile_texts_are_printed_as_they_are(hostile: str) -> None:
    given = facts(case=hostile, file_name=hostile, submitter=hostile, device=hostile, organisation=hostile,
                  stages=(StageFact(stage=hostile, models={hostile: SHA}),))  # fmt: skip
    english, korean = texts(given)
    assert SHA in english
    assert SHA in korean
    if hostile.startswith("{{"):
        assert "{{7*7}}" in english
    if hostile.startswith("<script"):
        assert "<script>alert(1)</script>" in english
    if "\u202e" in hostile:
        assert "a[U+202E]b" in english


def test_times_need_a_zone() -> None:
    with pytest.raises(ValueError, match="no zone"):
        facts(made_at=datetime(2026, 1, 1))
