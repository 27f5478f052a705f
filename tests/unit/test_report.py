"""The rendered report: what it holds, what it refuses, that it fetches nothing and is the same each time."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import socket
import subprocess
import sys
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from include.errors import DocumentError, InvalidNameError, ToolError
from include.forensic import Analysis
from include.report import Language, RenderedReport, render_report, report_settings_digest, write_report
from include.report import fonts as fonts_module
from include.report import render as render_module
from include.report.settings_digest import PACKAGE
from include.report.strings import load_strings
from include.settings import ROOT
from include.stt import NotMeasured, SpeakerInfo, Transcript
from tests.unit.report_factory import SHA, make_analysis, make_facts, make_transcript

HOSTILE = '<img src="http://192.0.2.1/x.png"><link rel=stylesheet href=file:///etc/passwd>\x00\u202eabc'
WATCHED: dict[str, list[Any]] = {}


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Sees every socket and every opened file of this process, whatever library does it."""
    if "log" in WATCHED and event in ("socket.connect", "socket.getaddrinfo", "urllib.Request", "open"):
        WATCHED["log"].append((event, arguments))


sys.addaudithook(_audit)


def _pdf_text(pdf: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))


def _html_text(html: str) -> str:
    body = html.split("</style>", 1)[1]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", body)))


def _render(transcript: Transcript, analysis: Analysis, language: Language = "en", **facts: object) -> RenderedReport:
    return render_report(transcript, analysis, make_facts(**facts), language=language)


def _html(transcript: Transcript, analysis: Analysis, language: Language = "en", **facts: object) -> str:
    """The HTML alone, where the PDF adds nothing to the question."""
    return render_module.render_html(transcript, analysis, make_facts(**facts), language)


@cache
def _plain(language: Language) -> RenderedReport:
    """The report of the plain hand-made documents."""
    transcript = make_transcript(language=language)
    return _render(transcript, make_analysis(transcript), language)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_report_holds_what_the_documents_hold(language: Language, caplog: pytest.LogCaptureFixture) -> None:
    transcript = make_transcript(language=language)
    analysis = make_analysis(transcript)
    report = _plain(language)
    assert not [record for record in caplog.records if record.name.startswith("weasyprint")]
    assert isinstance(analysis.findings, list)
    for text in (_html_text(report.html), _pdf_text(report.pdf)):
        squeezed = text.replace(" ", "")
        wanted = [
            SHA, "case-2025-017", "통화녹음_홍길동_20251119.m4a", "manual__2025-11-20T02:05:00+00:00",
            transcript.recording.pcm_sha256, transcript.engine.settings_digest, analysis.taxonomy.sha256,
            report_settings_digest(), analysis.settings_digest, *transcript.engine.weights.values(),
            "2025-11-20 02:00:00 UTC", "beam_size", "weight_sum", analysis.scores.formula,
            *(segment.text for segment in transcript.segments),
            *(one.span.text for one in analysis.findings), *(one.rule for one in analysis.findings),
            *(one.id for one in analysis.findings), "too little speech energy to tell",
            analysis.taxonomy.categories["THREAT.DIRECT"][f"name_{language}"],
        ]  # fmt: skip
        assert not [one for one in wanted if one.replace(" ", "") not in squeezed]
        strings = load_strings(language)
        for key in (
            "order.statement", "findings.unverified", "confirmation.not_made", "confirmation.confirmed",
            "confirmation.unconfirmed", "findings.list_note", "set_aside.heading", "not_analysed.uncovered_speech",
            "disclaimer.no_lie_detection", "disclaimer.no_opinion", "limits.ai", "timing.attention", "counter.joke",
        ):  # fmt: skip
            assert strings(key).replace(" ", "") in squeezed, key


def test_no_findings_and_unmeasured_findings_are_told_apart() -> None:
    transcript = make_transcript(language="en")
    none = _html_text(_html(transcript, make_analysis(transcript, findings=0)))
    unmeasured = _html_text(_html(transcript, make_analysis(transcript, findings="not_measured")))
    sentence = "No passage matched the rules; this does not mean that nothing of the kind was said."
    assert none.count(sentence) == 2
    assert sentence not in unmeasured
    assert "not the same as no findings" in unmeasured
    assert "there are no rules for the language 'und'" in unmeasured


def test_empty_transcript_and_missing_waveform_say_why() -> None:
    transcript = make_transcript(language="ko", segments=0)
    transcript.empty_reason = "no speech was found"
    transcript.speakers = SpeakerInfo(method="none", speakers=[], reason="one channel")
    analysis = make_analysis(transcript, findings=0)
    analysis.waveform = NotMeasured(reason="the audio was not at hand")
    analysis.acoustics = NotMeasured(reason="no voiced speech")
    transcript.recording.container_duration_s = None
    text = _html_text(_render(transcript, analysis, "ko", received_at=None, run_id=None).html)
    for wanted in ("no speech was found", "채널이 하나입니다", "the audio was not at hand", "no voiced speech",
                   "기재되지 않음", "명령줄에서 작성", "컨테이너에 길이 표기 없음"):  # fmt: skip
        assert wanted in text
    assert "<span" not in text


def _poison(transcript: Transcript, analysis: Analysis) -> None:
    """Puts hostile text into every free text field of both documents."""
    transcript.recording.codec = transcript.recording.container = transcript.recording.decoder = HOSTILE
    transcript.recording.messages = [HOSTILE]
    transcript.engine.name = transcript.engine.model = transcript.engine.device = HOSTILE
    transcript.engine.versions = {HOSTILE: HOSTILE}
    transcript.engine.weights = {HOSTILE: HOSTILE}
    transcript.engine.parameters = {HOSTILE: [HOSTILE, None]}
    transcript.engine.settings_digest = analysis.settings_digest = HOSTILE
    transcript.quality.snr_db = NotMeasured(reason=HOSTILE)
    transcript.created_at = analysis.created_at = HOSTILE
    transcript.language = HOSTILE
    transcript.speakers.speakers = [HOSTILE]
    for segment in transcript.segments:
        segment.text, segment.speaker, segment.flags = HOSTILE, HOSTILE, [HOSTILE]
        segment.words = segment.words[:1]
        segment.words[0].text = HOSTILE
    assert isinstance(analysis.findings, list)
    assert isinstance(analysis.acoustics, list)
    for finding in analysis.findings:
        finding.id = finding.category = finding.rule = finding.rule_version = HOSTILE
        finding.span.text = finding.span.speaker = HOSTILE
        finding.context.before = finding.context.sentence = finding.context.after = HOSTILE
        if isinstance(finding.confirmation, NotMeasured):
            finding.confirmation.reason = HOSTILE
        else:
            finding.confirmation.detail = HOSTILE
            for passage in finding.confirmation.decodings:
                for one in passage.variants:
                    one.model = one.heard = HOSTILE
        finding.heard = HOSTILE
        finding.related = [finding.span]
        for item in finding.counter_evidence:
            item.text = HOSTILE
    for voice in analysis.acoustics:
        voice.speaker = HOSTILE
        voice.speech_rate = NotMeasured(reason=HOSTILE)
        voice.voiced_s = voice.voiced_s.model_copy(update={"unit": HOSTILE, "method": HOSTILE})
    entry = {"name_ko": HOSTILE, "name_en": HOSTILE, "reference": HOSTILE, "verified_on": HOSTILE}
    analysis.taxonomy.categories = {HOSTILE: entry}
    analysis.taxonomy.version = analysis.taxonomy.sha256 = HOSTILE
    analysis.taxonomy.languages = [HOSTILE]
    analysis.scores.counts = {HOSTILE: {HOSTILE: {HOSTILE: 1}}}
    analysis.scores.per_audio_hour = {HOSTILE: 1.0}
    analysis.scores.formula = analysis.scores.formula_version = HOSTILE
    analysis.scores.inputs = {HOSTILE: 1.0}
    analysis.versions = {HOSTILE: HOSTILE}
    for aside in analysis.set_aside:
        aside.category = aside.rule = aside.filter = aside.context.before = HOSTILE
        aside.counter_evidence[0].text = HOSTILE
    analysis.not_analysed[0].reasons = [HOSTILE]
    analysis.language_model = HOSTILE
    analysis.emotion = NotMeasured(reason=HOSTILE)
    analysis.stress = NotMeasured(reason=HOSTILE)
    analysis.cross_checks = NotMeasured(reason=HOSTILE)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_hostile_text_in_every_field_is_shown_and_nothing_is_fetched(language: Language) -> None:
    transcript = make_transcript()
    analysis = make_analysis(transcript)
    _plain(language)  # warm: fonts, templates and modules are read from disk here
    _poison(transcript, analysis)
    hostile = {"file_name": HOSTILE, "job_id": HOSTILE, "run_id": HOSTILE, "software_version": HOSTILE,
               "file_id": HOSTILE.replace("/", "_").replace("\0", "")}  # fmt: skip
    WATCHED["log"] = []
    try:
        report = _render(transcript, analysis, language, **hostile)
    finally:
        log = WATCHED.pop("log")
    assert not [one for one in log if one[0] != "open"]
    assert not [one for one in log if one[0] == "open" and "passwd" in str(one[1][0])]
    markup = report.html.split("</style>", 1)[1]
    assert not re.search(r"<(img|link|script|b)\b", markup)
    assert not re.search(r"<[^>]*\bstyle=", markup)
    assert not re.search(r"[\x00-\x08\u202a-\u202e\u2066-\u2069]", report.html)
    shown = "[U+0000][U+202E]abc"
    assert _html_text(report.html).count(shown) > 60
    assert _pdf_text(report.pdf).replace(" ", "").count(shown) > 60


@pytest.mark.parametrize(
    "source",
    ["http://192.0.2.1/x.png", "file:///etc/passwd", "data:image/png;base64,AAAA", "relative.png", "ftp://a/b"],
)
def test_a_template_that_loads_something_stops_the_rendering(source: str) -> None:
    transcript = make_transcript()
    html = f'<html lang="en"><title>t</title><img alt="x" src="{source}">'
    WATCHED["log"] = []
    try:
        if source == "relative.png":  # without a base there is no address to ask for: WeasyPrint drops the picture
            render_module._pdf(html, transcript, make_analysis(transcript), make_facts())
        else:
            with pytest.raises(ToolError, match="tried to load"):
                render_module._pdf(html, transcript, make_analysis(transcript), make_facts())
    finally:
        log = WATCHED.pop("log")
    assert not [one for one in log if one[0] != "open" or "passwd" in str(one[1][0])]


def test_html_is_self_contained_under_a_strict_policy() -> None:
    transcript = make_transcript()
    html = _html(transcript, make_analysis(transcript))
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert style
    assert policy
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert unescape(policy[1]).startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert set(re.findall(r"https?://[^\"\s<]+", html)) == {"http://www.w3.org/2000/svg"}
    targets = set(re.findall(r'id="([^"]+)"', html))
    assert {link[1:] for link in re.findall(r'href="([^"]+)"', html)} <= targets


def test_long_words_wrap_inside_the_page() -> None:
    from weasyprint import HTML
    from weasyprint.formatting_structure.boxes import TextBox

    transcript = make_transcript()
    transcript.segments[1].text = "가" * 3_000
    transcript.segments[2].text = "W" * 3_000
    analysis = make_analysis(transcript)
    assert isinstance(analysis.findings, list)
    analysis.findings[0].context.before = "긴" * 3_000
    html = _html(transcript, analysis, "ko", file_name="이" * 200 + ".m4a", file_id="이" * 60)
    document = HTML(string=html).render()
    text = _pdf_text(document.write_pdf()).replace(" ", "")
    # Every character is on a page: page headers cut the runs, so they are counted.
    assert [text.count(char) >= least for char, least in (("가", 3_000), ("W", 3_000), ("긴", 3_000))] == [True] * 3
    right = (210 - 21) / 25.4 * 96 + 1  # CSS pixels
    ends = [
        box.position_x + box.width
        for page in document.pages
        for box in page._page_box.descendants()
        if isinstance(box, TextBox)
    ]
    assert len(ends) > 500
    assert max(ends) <= right


def test_same_inputs_give_the_same_bytes_and_no_trace_of_the_machine() -> None:
    script = (
        "import sys, hashlib; sys.path.insert(0, '.')\n"
        "from tests.unit.report_factory import *\nfrom include.report import render_report\n"
        "t = make_transcript(); r = render_report(t, make_analysis(t), make_facts(), language='ko')\n"
        "print(hashlib.sha256(r.pdf).hexdigest(), hashlib.sha256(r.html.encode()).hexdigest())"
    )
    elsewhere = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "1", "TZ": "Asia/Seoul", "HOME": "/tmp", "USER": "someone"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, env=elsewhere
    )
    report = _plain("ko")
    here = [hashlib.sha256(report.pdf).hexdigest(), hashlib.sha256(report.html.encode()).hexdigest()]
    assert done.stdout.split() == here
    reader = PdfReader(io.BytesIO(report.pdf))
    assert reader.metadata is not None
    assert set(reader.metadata) == {"/Title", "/Creator", "/Producer", "/CreationDate", "/ModDate"}
    assert reader.metadata["/CreationDate"] == "D:20251120021200Z"
    root = reader.trailer["/Root"]
    xmp = root["/Metadata"].get_data().decode()
    assert re.search(r'pdfaid:part="3"', xmp)
    for trace in (socket.gethostname(), str(ROOT), str(Path.home())):
        assert trace not in f"{reader.metadata}{xmp}{report.html}"
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "ko"
    assert reader.outline


def test_pdf_carries_the_documents_it_prints() -> None:
    transcript = make_transcript(language="en")
    analysis = make_analysis(transcript)
    report = _plain("en")
    attached = {name: data[0] for name, data in PdfReader(io.BytesIO(report.pdf)).attachments.items()}
    stem = "통화녹음_홍길동_20251119"
    assert attached[f"{stem}_transcript.json"] == transcript.to_json().encode()
    assert attached[f"{stem}_forensic.json"] == analysis.to_json().encode()
    for data in attached.values():
        assert hashlib.sha256(data).hexdigest() in report.html
    assert "written anew" not in _html_text(report.html)
    analysis.transcript.sha256 = "f" * 64
    assert "written anew" in _html_text(_html(transcript, analysis))


def test_documents_about_other_bytes_are_refused() -> None:
    transcript = make_transcript()
    analysis = make_analysis(transcript)
    with pytest.raises(DocumentError, match="transcribe the original again"):
        _render(transcript, analysis, sha256="0" * 64)
    with pytest.raises(DocumentError, match="bytes"):
        _render(transcript, analysis, size_bytes=1)
    assert isinstance(analysis.findings, list)
    analysis.findings[0].span.segment = 999
    with pytest.raises(DocumentError, match="F001"):
        _render(transcript, analysis)
    analysis.findings[0].span.segment = 4
    analysis.findings[0].category = "NOT.THERE"
    with pytest.raises(DocumentError, match=r"NOT\.THERE"):
        _render(transcript, analysis)
    other = make_analysis(transcript)
    other.transcript.recording_sha256 = "1" * 64
    with pytest.raises(DocumentError, match="its own transcript"):
        _render(transcript, other)


def test_write_report_names_both_languages_and_leaves_nothing_else(tmp_path: Path) -> None:
    transcript = make_transcript()
    analysis = make_analysis(transcript)
    out = tmp_path / "new" / "dir"
    paths = write_report(transcript, analysis, make_facts(file_id="통화 1"), out, primary="en")
    assert [path.name for path in paths] == [
        "통화 1_report.pdf", "통화 1_report.html", "통화 1_report.ko.pdf", "통화 1_report.ko.html",
    ]  # fmt: skip
    assert sorted(out.iterdir()) == sorted(paths)
    assert '<html lang="en">' in paths[1].read_text()
    assert '<html lang="ko">' in paths[3].read_text()
    assert paths[0].read_bytes().startswith(b"%PDF-1.7")
    with pytest.raises(InvalidNameError):
        write_report(transcript, analysis, make_facts(file_id="../x"), out, primary="ko")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ToolError, match="can't be written"):
        write_report(transcript, analysis, make_facts(), blocked / "dir", primary="ko")


def test_without_a_hangul_font_the_report_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = make_transcript()
    analysis = make_analysis(transcript)
    fonts_module.require_hangul_font.cache_clear()
    monkeypatch.setattr(fonts_module, "_fc_list", lambda *_: [])
    with pytest.raises(ToolError, match="fonts-nanum"):
        _render(transcript, analysis)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match="install fontconfig"):
        _render(transcript, analysis)
    monkeypatch.undo()
    assert fonts_module.require_hangul_font()


def test_what_no_font_draws_is_written_out_in_the_pdf() -> None:
    transcript = make_transcript()
    transcript.segments[0].text = "한글 \U00012000 끝"  # cuneiform
    report = _render(transcript, make_analysis(transcript))
    if 0x12000 in fonts_module._drawable():
        pytest.skip("this machine has a cuneiform font")
    assert "[U+12000]" in _pdf_text(report.pdf)
    assert "\U00012000" in report.html


def test_settings_digest_follows_the_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import shutil

    from include.report import settings_digest as module

    copy = tmp_path / "report"
    shutil.copytree(PACKAGE, copy)
    monkeypatch.setattr(module, "PACKAGE", copy)
    digests = []
    for name in ("templates/report.css", "strings/ko.toml", "templates/cover.j2", "view.py"):
        with (copy / name).open("a", encoding="utf-8") as file:
            file.write("\n")
        module.report_settings_digest.cache_clear()
        digests.append(module.report_settings_digest())
    module.report_settings_digest.cache_clear()
    monkeypatch.undo()
    assert len({*digests, report_settings_digest()}) == 5
