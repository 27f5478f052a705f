"""The report's case: what was stated, recorded and signed; pictures of the sound; nothing given is nothing invented."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import weasyprint
from pydantic import ValidationError
from pypdf import PdfReader

from include.forensic.learned import LanguageModel
from include.report import CustodyEvent, RenderedReport, StatedFacts, heard_findings, render_report
from include.report import render as render_module
from include.report.accuracy import accuracy_rows
from include.report.case_views import MOST_EVENTS, custody_rows, stated_rows
from include.report.finding_sound import FindingSound, enveloped_findings, window_of
from include.report.finding_strip import picture_address
from include.report.labels import Labels
from include.report.spectrogram import grey_png, spectrogram
from include.report.strings import load_strings
from include.report.text import isolate
from include.report.voice_time import voice_charts
from include.stt import NotMeasured, SpeakerInfo
from tests.archival import archival_faults
from tests.unit.report_case import RATE, STATED, make_case_facts, make_events, make_pcm, with_voice
from tests.unit.report_factory import SHA, make_analysis, make_facts, make_transcript

HOSTILE = "<b>x</b>&\x00\u202e\u0627\u0644\U0001f600" + "가" * 10_000
KO, EN = load_strings("ko"), load_strings("en")


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html.split("</style>", 1)[1])))


@pytest.fixture(scope="module")
def sounds() -> dict[int, FindingSound]:
    transcript = make_transcript()
    return heard_findings(transcript, make_analysis(transcript), lambda: make_pcm(transcript), RATE)


@pytest.fixture(scope="module")
def full(sounds: dict[int, FindingSound]) -> RenderedReport:
    transcript = make_transcript()
    analysis = with_voice(make_analysis(transcript), transcript)
    return render_report(transcript, analysis, make_case_facts(), language="ko", sounds=sounds)


def test_the_pdf_is_made_for_keeping(full: RenderedReport, tmp_path: Path) -> None:
    assert archival_faults(full.pdf, tmp_path) == []
    from weasyprint import HTML

    for variant in (None, "pdf/ua-1", "pdf/a-2b"):
        other = HTML(string="<html lang=ko><title>가</title><p>가").write_pdf(pdf_variant=variant)
        assert archival_faults(other, tmp_path) != [], f"the check would see {variant}"
    assert archival_faults(full.pdf[:-3000], tmp_path) != [], "the check would see a file cut short"


def test_everything_stated_recorded_and_signed_is_printed(full: RenderedReport) -> None:
    facts = make_case_facts()
    assert facts.signing is not None
    assert facts.custody is not None
    pdf = "".join(page.extract_text() for page in PdfReader(io.BytesIO(full.pdf)).pages)
    for text in (_text(full.html), pdf):
        squeezed = re.sub(r"\s+", "", text)
        wanted = [
            "2025-형제-1234", "증 제7호", *(STATED.questions or ()), *(STATED.copies or ()), "임의 제출",
            KO("intake.conversation_own"), facts.signing.keyid, KO("signed.demo"), facts.custody[-1].hash,
            "process.batch.transcribe[0]", "STT_PROCESSING", "2025-11-20 11:05:04", SHA[:12], KO("custody.lead"),
            KO("voice_time.heading"), KO("accuracy.heading"), KO("verify.altered_means"), KO("sign.qualification"),
            "python verify.py", f"--trust {facts.signing.keyid}", facts.copies[0].place, "2025-11-20 02:11:58 UTC",
        ]  # fmt: skip
        assert not [one for one in wanted if re.sub(r"\s+", "", one) not in squeezed]
    assert full.html.count("data:image/png;base64,") == 3


def test_what_is_not_given_is_said_so_and_nothing_is_invented() -> None:
    transcript = make_transcript(language="en")
    text = _text(render_module.render_html(transcript, make_analysis(transcript), make_facts(), "en"))
    rows = stated_rows(None, EN)
    assert len(rows) == 13
    assert not [row for row in rows if row.lines]
    assert text.count(EN("doc.not_stated")) >= len(rows) + 2  # and on the cover
    for key in ("intake.none", "custody.none", "signed.none", "signed.no_copies", "verify.key_unknown"):
        assert EN(key) in text
    assert "--trust" not in text
    assert KO("doc.not_stated") == "기재되지 않음"


def test_a_declared_nothing_is_not_the_same_as_nothing_stated() -> None:
    lines = {row.name: row.lines for row in stated_rows(StatedFacts(copies=(), conversation="others"), KO)}
    assert lines[KO("intake.copies")] == [KO("intake.copies_none")]
    assert lines[KO("intake.conversation")] == [KO("intake.conversation_others")]


def test_signature_fields_are_empty(full: RenderedReport) -> None:
    block = full.html[full.html.index('<section class="sign">') :]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", block)
    assert len(cells) == 11
    assert not any(cells)


def test_a_long_ledger_keeps_its_newest_events() -> None:
    rows, older = custody_rows(make_case_facts(custody=make_events(MOST_EVENTS)), KO)
    assert (len(rows), older) == (MOST_EVENTS, 8)
    assert rows[-1].seq == MOST_EVENTS + 8
    assert rows[-1].who == "김감정"
    assert not rows[-1].under
    assert custody_rows(make_facts(), KO) == ([], 0)


def test_hostile_text_in_every_new_field_is_harmless_and_stays_on_the_page(sounds: dict[int, FindingSound]) -> None:
    stated = STATED.model_copy(
        update={
            name: (HOSTILE,) if isinstance(getattr(STATED, name), tuple) else HOSTILE
            for name in set(StatedFacts.model_fields) - {"conversation", "document_sha256"}
        }
        | {"speakers": {HOSTILE: HOSTILE}}
    )
    event = CustodyEvent(
        seq=1, at="2025-11-20T02:05:00Z", actor=HOSTILE, run=HOSTILE, attempt=1, action=HOSTILE, from_state=HOSTILE,
        to_state=HOSTILE, reason=HOSTILE, digests={HOSTILE: HOSTILE}, hash=HOSTILE,
    )  # fmt: skip
    copies = [one.model_copy(update={"place": HOSTILE, "tool": HOSTILE}) for one in make_case_facts().copies]
    facts = make_case_facts(stated=stated, custody=(event,), case=HOSTILE, copies=copies)
    transcript = make_transcript()
    html = render_module.render_html(transcript, make_analysis(transcript), facts, "ko", sounds=sounds)
    assert "<b>" not in html
    assert not re.search(r"[\x00-\x08\u202a-\u202e\u2066-\u2069]", html)
    shown = "&lt;b&gt;x&lt;/b&gt;&amp;[U+0000][U+202E]"
    assert html.count(shown) >= 10 + 6 + 4
    assert html.count(f"<bdi>{shown}") >= 16  # letters from right to left are set apart
    # every sign is laid out within the margins; short, for 20 fields of 10,000 signs are 200 pages
    part = re.sub("가{10000}", "가" * 700, html)
    pictures = {picture_address(one.png): one.png for one in sounds.values() if one.png is not None}
    document = weasyprint.HTML(string=part, url_fetcher=render_module.refusing_fetcher(pictures)).render()
    right = (210 - 21) / 25.4 * 96 + 1
    boxes = [box for page in document.pages for box in page._page_box.descendants() if hasattr(box, "text")]
    assert len(boxes) > 500
    assert max(box.position_x + box.width for box in boxes) <= right


def test_the_lean_sheet_gives_the_same_pages(full: RenderedReport) -> None:
    sections = re.split(r"(?=<section)", full.html)
    lists = [one for one in sections if "<ul" in one or "<ol" in one]
    page = sections[0] + "".join(lists) + "</main>"
    assert len(lists) >= 3
    plain, lean = (
        cls(string=page, url_fetcher=render_module.refusing_fetcher()).write_pdf(pdf_variant="pdf/a-3a")
        for cls in (weasyprint.HTML, render_module.page_class())
    )
    assert hashlib.sha256(lean).digest() == hashlib.sha256(plain).digest()


def test_only_pictures_drawn_here_are_loaded(sounds: dict[int, FindingSound]) -> None:
    png = sounds[0].png
    assert png is not None
    address = picture_address(png)
    page = f'<html lang="en"><title>t</title><img alt="x" src="{address}">'
    render_module.html_to_pdf(page, what="page", pictures={address: png})
    with pytest.raises(render_module.ToolError, match="tried to load"):
        render_module.html_to_pdf(page, what="page", pictures={picture_address(png + b"x"): png})


def test_a_spectrogram_shows_where_the_tone_is_and_is_the_same_each_time() -> None:
    at = np.arange(RATE, dtype=np.float32) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1_000 * at) * (at > 0.5)).astype(np.float32)
    levels = spectrogram(tone, RATE, 100)
    assert levels.shape == (128, 100)
    assert levels[:, :40].min() == 15  # silence is white
    dark = levels[:, 75].argmin()
    assert abs((127 - dark) * RATE / 512 - 1_000) < 40
    png = grey_png(levels)
    assert png == grey_png(spectrogram(tone, RATE, 100))
    width, height, depth = struct.unpack(">IIB", png[16:25])
    assert (width, height, depth) == (100, 128, 4)
    rows = zlib.decompress(png[png.index(b"IDAT") + 4 : -16])
    assert len(rows) == 128 * 51
    assert spectrogram(np.zeros(RATE, np.float32), RATE, 10).min() == 15
    assert spectrogram(np.ones(3, np.float32), RATE, 10).shape == (128, 10)


def test_pictures_follow_the_speakers_channel_and_the_passage(sounds: dict[int, FindingSound]) -> None:
    transcript = make_transcript()
    analysis = make_analysis(transcript)
    assert isinstance(analysis.findings, list)
    assert [sounds[index].channel for index in range(3)] == [0, 0, 1]
    first = sounds[0]
    assert first.end - first.start == pytest.approx(8.5, abs=1)
    assert first.start < (analysis.findings[0].span.start or 0) < first.end
    assert max(first.peaks) == pytest.approx(0.35, abs=0.2)
    transcript.speakers = SpeakerInfo(method="diarization", speakers=["A", "B"])
    assert heard_findings(transcript, analysis, lambda: make_pcm(transcript), RATE)[0].channel is None
    assert heard_findings(transcript, analysis, lambda: make_pcm(transcript)[: RATE * 5], RATE)[0].end <= 5
    analysis.findings[0].span.start = None
    assert window_of(analysis.findings[0], 100) is None
    analysis.findings[1].span.start, analysis.findings[1].span.end = 10.0, 90.0
    assert window_of(analysis.findings[1], 132) == (8.0, 28.0)


def test_nothing_is_decoded_where_nothing_was_found() -> None:
    transcript = make_transcript()

    def decode() -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
        raise AssertionError("decoded")

    for findings in (0, "not_measured"):
        assert heard_findings(transcript, make_analysis(transcript, findings=findings), decode, RATE) == {}  # type: ignore[arg-type]


def test_without_audio_the_analysis_peaks_are_drawn_or_it_is_said() -> None:
    transcript = make_transcript()
    analysis = make_analysis(transcript)
    assert set(enveloped_findings(transcript, analysis)) == {0, 1, 2}
    text = _text(render_module.render_html(transcript, analysis, make_facts(), "en"))
    assert text.count(EN("strip.no_spectrogram")) == 3
    assert EN("strip.legend") not in text
    assert not isinstance(analysis.waveform, NotMeasured)
    analysis.waveform.step_s = 1.0
    assert enveloped_findings(transcript, analysis) == {}
    text = _text(render_module.render_html(transcript, analysis, make_facts(), "en"))
    assert text.count(EN("strip.no_audio")) == 3


def test_voice_charts_draw_each_speakers_own_baseline() -> None:
    transcript = make_transcript()
    analysis = with_voice(make_analysis(transcript), transcript)
    charts = voice_charts(analysis, Labels(EN, hours=False))
    assert [(one.turns, one.without_baseline) for one in charts] == [(12, False), (12, False)]
    root = ElementTree.fromstring(str(charts[0].svg))
    spaces = "{http://www.w3.org/2000/svg}"
    inks = [path.attrib["stroke"] for path in root.findall(f"{spaces}path")]
    assert inks.count("#b3261e") == 3  # the departing turn, in each of three lanes
    assert "24.8 semitones" in "".join(text.text or "" for text in root.iter(f"{spaces}text"))
    short = make_transcript(segments=10)
    few = voice_charts(with_voice(make_analysis(short), short), Labels(EN, hours=False))
    assert all(one.without_baseline for one in few)
    assert "#cfd9e4" not in str(few[0].svg)
    assert voice_charts(make_analysis(transcript), Labels(EN, hours=False)) == []


def test_figures_apply_only_where_model_language_and_method_are_the_same() -> None:
    transcript = make_transcript()
    analysis = make_analysis(transcript)
    rows = accuracy_rows(transcript, analysis, Labels(KO, hours=False))
    assert [one.applies for one in rows] == [True, True, False, True, False, False, False, False]
    transcript.engine.model = "large-v3"
    rows = accuracy_rows(transcript, analysis, Labels(KO, hours=False))
    assert [one.applies for one in rows] == [False, False, False, True, False, False, False, False]
    assert KO("accuracy.by_model") in rows[0].why
    transcript.language = "en"
    assert not any(one.applies for one in accuracy_rows(transcript, analysis, Labels(EN, hours=False)))


def test_every_figure_stands_in_the_benchmarks() -> None:
    """A figure of a court report that nobody can look up is worth nothing."""
    from include.report.accuracy import _figures
    from include.settings import ROOT

    sources = (ROOT / "README.md").read_text() + (ROOT / "bench/README.md").read_text()
    assert not [one["id"] for one in _figures() if one["value"].split(" ")[0] not in sources]
    shipped = LanguageModel.load().card.id
    assert {one["language_model"] for one in _figures() if "language_model" in one} == {shipped}, "measure it again"


def test_direction_is_isolated_only_where_letters_run_the_other_way() -> None:
    assert isolate("통화 <1>") == "통화 &lt;1&gt;"
    assert isolate("שלום") == "<bdi>שלום</bdi>"
    assert isolate("\u202eabc") == "[U+202E]abc"


def test_facts_refuse_what_is_no_digest_or_time() -> None:
    with pytest.raises(ValidationError):
        StatedFacts(document_sha256="x")
    with pytest.raises(ValidationError, match="no zone"):
        CustodyEvent(seq=1, at="2025-11-20T02:05:00", actor="a", action="b", hash="c")


def test_pictures_of_the_readmes_are_there_and_small() -> None:
    from include.settings import ROOT

    shown = {
        name
        for readme in ("README.md", "README.ko.md")
        for name in re.findall(r"docs/pictures/[a-z_]+\.png", (ROOT / readme).read_text(encoding="utf-8"))
    }
    assert 4 <= len(shown) <= 8
    assert all((ROOT / name).stat().st_size <= 150_000 for name in shown)
