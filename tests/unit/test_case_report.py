"""The case report: what it holds, what it links and what it never does, hostile text, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest
from pypdf import PdfReader

from include.errors import DocumentError
from include.evidence import IntakeFacts
from include.forensic import CaseCourse, CaseFinding, CasePassage, CaseRecording, case_course
from include.pipeline.case_report import _requesters
from include.pipeline.course import JobRecordings
from include.report import CaseFacts, case_render, case_report_digest, render_case_report, report_settings_digest
from include.report.case_facts import TimeSource
from include.report.case_network import draw_network, network
from include.report.case_render import case_attachments, case_html
from include.report.case_svg import calendar
from include.report.case_timeline import TimeMark, draw_timeline
from include.report.case_view import build_case_view, sum_lines
from include.report.facts import Language
from include.report.strings import load_strings
from tests.archival import archival_faults
from tests.unit.case_factory import FIRST, make_case
from tests.unit.test_report_strings import CLAIMS

HOSTILE = (
    "<script>alert(1)</script><img src=http://192.0.2.1/x.png onerror=x>\"'{{7*7}}\x00\u202eabc😀\r\n" + "가" * 300
)
"""Markup, a template, a null, a direction override, an emoji, line ends and a word that fits no line."""


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html.split("</style>", 1)[1])))


def test_the_pdf_holds_what_it_was_made_of_and_is_the_same_each_time(tmp_path: Path) -> None:
    facts, course = make_case(2)
    first, other = facts.entries
    speakers = [one.model_copy(update={"person": HOSTILE}) for one in first.speakers]  # in the drawing, too
    first = first.model_copy(update={"speakers": speakers, "name": HOSTILE, "party": HOSTILE})
    facts = facts.model_copy(update={"requester": HOSTILE, "made_by": HOSTILE, "entries": [first, other]})
    report = render_case_report(facts, course, language="ko")
    assert archival_faults(report.pdf, tmp_path) == []
    reader = PdfReader(io.BytesIO(report.pdf))
    attached = {name: data[0] for name, data in reader.attachments.items()}
    assert attached == case_attachments(facts, course)
    text = re.sub(r"\s+", "", "".join(page.extract_text() for page in reader.pages))
    wanted = [one.sha256 for one in facts.entries] + [one.analysis_sha256 or "" for one in facts.entries]
    wanted += [hashlib.sha256(data).hexdigest() for data in attached.values()] + [
        "사건보고서",
        "2026-형제-1234",
        "[U+202E]",
    ]
    assert not [one for one in wanted if one not in text]
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert report.html == case_html(facts, course, "ko")
    page = "<html lang=ko><title>t</title><p>가</p></html>"  # laying out the whole again would take seconds
    carried = case_attachments(facts, course)
    assert case_render._pdf(page, facts, carried) == case_render._pdf(page, facts, carried)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_part_is_there(language: Language) -> None:
    facts, course = make_case(12, undated=2)
    t, html = load_strings(language, "case"), case_html(facts, course, language)
    text = words(html).replace(" ", "")
    for key in ("case.integrity.heading", "case.timeline.heading", "case.findings.heading", "case.repeated.heading",
                "case.party.heading", "case.network.heading", "gaps.heading", "method.heading", "limits.heading",
                "case.verify.heading", "sign.heading", "case.network.not_compared", "case.timeline.undated_why",
                "disclaimer.no_lie_detection", "disclaimer.no_opinion", "case.source.stated", "case.source.file_name",
                "case.criterion.contact", "case.party.against"):  # fmt: skip
        assert t(key).replace(" ", "") in text, key
    digests = [digest for one in facts.entries for digest in (one.sha256, one.transcript_sha256, *one.reports.values())]
    assert not [one for one in digests if one is not None and one not in html]
    assert case_report_digest() in html
    (met, *_) = [one for one in course.stalking if isinstance(one.finding, CaseFinding)]
    told = t("case.party.met", n=len(met.counted), total=len(met.recordings), required=met.required)
    assert told.replace(" ", "") in text
    assert html.count("<svg") == 3
    assert re.search(r"\d\.?\d* ?\(\d+\.?\d*–\d+\.?\d*\)", words(html))


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_text_in_every_field_is_text() -> None:
    html = case_html(*make_case(12, hostile=HOSTILE + "가" * 10_000), "ko")
    clean, seen = Tags(case_html(*make_case(12), "ko")), Tags(html)
    assert seen.tags <= clean.tags
    assert not [name for name in seen.attributes if name in {"src", "href"} or name.startswith("on")]
    assert seen.attributes <= clean.attributes
    assert not [sign for sign in "\x00\u202e\r" if sign in html]
    assert "[U+202E]" in html
    assert "{{7*7}}" in unescape(html)


def test_no_date_is_made_up() -> None:
    facts, course = make_case(4, undated=4)
    view = build_case_view(facts, course, load_strings("en", "case"))
    assert (view.timeline, view.dated, len(view.undated)) == (None, [], 4)
    assert not [one for one in view.undated if one.when or one.source]
    facts, course = make_case(6)
    lines = {one.name: one.when for one in build_case_view(facts, course, load_strings("en", "case")).dated}
    told = {entry.time_of_day: lines[entry.name] or "" for entry in facts.entries}
    assert re.fullmatch(r"2026-03-\d\d", told[False])
    assert re.fullmatch(r"2026-03-\d\d \d\d:\d\d:\d\d", told[True])


def test_speakers_are_linked_only_where_the_same_name_was_stated() -> None:
    facts, _ = make_case(4, named=False)
    assert network(facts.entries).persons == []
    html = words(case_html(*make_case(4, named=False), "en"))
    assert "This tool did not compare voices." in html
    assert "no network is drawn" in html
    facts, _ = make_case(12)
    found = network(facts.entries)
    first = found.persons[0]
    assert first.name == "김민준"
    assert len(first.recordings) == 10  # of 12, two have no names
    own = [one for one in found.ties if "이서연" in (one.one, one.other)]
    shared = [one for one in facts.entries if {speaker.person for speaker in one.speakers} >= {"김민준", "이서연"}]
    assert [one.recorded_s for one in own] == [pytest.approx(sum(one.duration_s for one in shared))]
    drawn = [draw_network(network(facts.entries), title="t", minutes="{n} {m}", unnamed="{n}") for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_the_same_bytes_count_once() -> None:
    facts, _ = make_case(3)
    twin = facts.entries[0].model_copy(update={"key": "twin", "name": "twin.m4a"})
    both = facts.model_copy(update={"entries": [*facts.entries, twin]})
    keys = [one.key for one in both.entries]
    said = ["오늘도 회사 앞에서", "오늘도 회사 앞에서", "네 알겠습니다", "오늘도 회사 앞에서"]
    course = case_course(
        [
            CaseRecording(key, 60.0, [], [("a", text)], FIRST + timedelta(days=at), sha256="a" if at < 2 else key)
            for at, (key, text) in enumerate(zip(keys, said, strict=True))
        ]
    )
    assert isinstance(course, CaseCourse)
    (phrase,) = course.repeated
    assert phrase.recordings == sorted([keys[0], keys[3]])
    assert [one.recording for one in phrase.places] == [keys[0], keys[3]]
    view = build_case_view(both, make_case(3)[1], load_strings("en", "case"))
    assert "3 recordings" in view.summary[0]
    assert any("same bytes as R" in note for one in view.dated for note in one.notes)
    assert sum_lines(both).count(b"\n") == 4


def test_names_in_the_sums_are_the_bytes_as_received() -> None:
    facts, _ = make_case(2)
    apart = unicodedata.normalize("NFD", "통화 녹음.m4a")  # as macOS hands names out
    names = (apart, "two\nlines\\.m4a")
    entries = [one.model_copy(update={"name": name}) for one, name in zip(facts.entries, names, strict=True)]
    lines = sum_lines(facts.model_copy(update={"entries": entries})).splitlines()
    assert f"{entries[0].sha256}  {apart}".encode() in lines
    assert f"\\{entries[1].sha256}  two\\nlines\\\\.m4a".encode() in lines  # as GNU coreutils escapes


def test_several_requesters_are_named_with_their_jobs() -> None:
    def job(name: str, requester: str | None) -> JobRecordings:
        return JobRecordings(name, {}, {}, IntakeFacts(requester=requester), {})

    assert _requesters([job("0", None), job("a", "김검사")]) == "김검사"
    assert _requesters([job("a", "김검사"), job("b", "이검사"), job("c", "김검사")]) == "김검사 (a, c); 이검사 (b)"
    assert _requesters([job("a", None)]) is None


def test_facts_and_course_must_be_of_the_same_recordings() -> None:
    facts, _ = make_case(3)
    with pytest.raises(DocumentError, match="not about the same recordings"):
        case_html(facts, make_case(4)[1], "ko")


def test_a_time_without_a_zone_is_refused() -> None:
    facts, _ = make_case(2)
    held = facts.entries[0].model_dump() | {"recorded_at": "2026-03-02T10:00:00"}
    with pytest.raises(ValueError, match="no zone"):
        CaseFacts.model_validate(facts.model_dump() | {"entries": [held]})


@pytest.mark.parametrize(("days", "most"), [(0, 1), (6, 7), (90, 10), (800, 11), (9000, 11)])
def test_a_calendar_has_a_dozen_marks_at_most(days: int, most: int) -> None:
    marks = calendar(FIRST, FIRST + timedelta(days=days))
    assert 1 <= len(marks) <= most + 1
    assert len({text for _, text in marks}) == len(marks)


def test_both_languages_have_the_same_keys_blanks_and_no_claims() -> None:
    ko, en = (load_strings(one, "case").table for one in ("ko", "en"))
    assert set(ko) == set(en)
    for key in (one for one in ko if one.startswith("case.")):
        blanks = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (ko[key], en[key])]
        assert blanks[0] == blanks[1], key
        assert not re.search(CLAIMS["ko"], ko[key]), key
        assert not re.search(CLAIMS["en"], en[key], re.IGNORECASE), key
    roles = get_args(CasePassage.model_fields["role"].annotation)
    wanted = [f"case.role.{one}" for one in roles] + [f"case.source.{one}" for one in get_args(TimeSource)]
    assert not [one for one in wanted if one not in ko]


def test_every_reason_of_a_passage_is_korean_in_the_korean_report() -> None:
    facts, course = make_case(40)
    view = build_case_view(facts, course, load_strings("ko", "case"))
    lines = [line for party in view.parties for line in (*party.counted, *party.against)]
    assert len({line.why.split("에서")[0] for line in lines}) > 4
    assert not [line.why for line in lines if not re.search("[가-힣]", line.why)]
    assert any(re.fullmatch(r"R\d{3}에서 .+", line.why) for line in lines)


def test_a_change_of_the_case_report_makes_no_recordings_report_outdated() -> None:
    assert report_settings_digest() != case_report_digest()


def test_the_last_mark_of_a_timeline_has_its_number_too() -> None:
    days = [datetime(2026, 3, day, 9, tzinfo=UTC) for day in (2, 3)]
    marks = [TimeMark(f"R00{number}", at, True, 60.0, 1) for number, at in enumerate(days, 1)]
    drawn = str(draw_timeline(marks, title="t", no_clock="-"))
    assert drawn.count("R001</text>") == drawn.count("R002</text>") == 1
    assert re.search(r'text-anchor="end"[^>]*>R002</text>', drawn)
