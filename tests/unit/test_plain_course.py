"""The recordings of a case side by side, from files; dates as call recorders write them into names."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from include import plain
from include.errors import DocumentError
from include.forensic import analyze_transcript
from include.forensic.case_recording import date_in
from include.stt import NotMeasured
from tests.unit.forensic_factory import make_segment, make_transcript


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("통화 녹음 홍길동_251119_142233", "2025-11-19T14:22:33+09:00"),
        ("call_20251119", "2025-11-19T00:00:00+09:00"),
        ("2025-11-19 14.22.33 a", "2025-11-19T14:22:33+09:00"),
        ("01012345678", None),
        ("call_259919", None),
        ("call", None),
    ],
)
def test_a_date_in_a_name(name: str, date: str | None) -> None:
    assert date_in(name) == (datetime.fromisoformat(date) if date else None)


def written(folder: Path, name: str, text: str) -> Path:
    transcript = make_transcript([make_segment(text, 1.0, "a")])
    sha256 = hashlib.sha256(name.encode()).hexdigest()  # another call each
    transcript = transcript.model_copy(update={"recording": transcript.recording.model_copy(update={"sha256": sha256})})
    source = folder / f"{name}_transcript.json"
    source.write_text(transcript.to_json())
    analysis = analyze_transcript(
        transcript, transcript_name=source.name, transcript_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        channels=None,
    )  # fmt: skip
    path = folder / f"{name}_forensic.json"
    path.write_text(analysis.to_json())
    return path


def test_a_case_from_files(tmp_path: Path) -> None:
    said = ("내일 회사로 찾아간다 죽여버린다", "내가 내일 회사로 찾아간다 했지")
    paths = [written(tmp_path, f"call_25110{at + 1}", text) for at, text in enumerate(said)]
    course = plain.course_files(paths)
    assert not isinstance(course, NotMeasured)
    assert [one.made_at for one in course.recordings] == ["2025-11-01T00:00:00+09:00", "2025-11-02T00:00:00+09:00"]
    assert [one.text for one in course.repeated] == ["내일 회사로 찾아간다"]
    assert isinstance(course.trend, NotMeasured)
    assert isinstance(plain.course_files(paths[:1]), NotMeasured)
    (tmp_path / "call_251101_transcript.json").write_text(make_transcript([]).to_json())
    with pytest.raises(DocumentError, match="SHA-256 differs"):
        plain.course_files(paths)


def test_the_command_tells_a_case_and_writes_it(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from include.cli.console import app
    from include.cli.files import case

    assert case in {command.callback for command in app.registered_commands}
    said = ("집 앞이야 나올 때까지 기다릴게", "오늘도 나올 때까지 여기서 기다린다")
    paths = [written(tmp_path, f"통화 녹음 01012345678_25110{at + 1}", text) for at, text in enumerate(said)]
    target = tmp_path / "case.json"
    told = CliRunner().invoke(app, ["case", *map(str, paths), "--out", str(target)])
    assert told.exit_code == 0, told.output
    assert "상대방 / other party: 01012345678" in told.output
    assert "STALKING, severity 2: passages in 2 recordings (2 required)" in told.output
    course = json.loads(target.read_text())
    assert course["stalking"][0]["finding"]["category"] == "STALKING"


def test_a_case_report_from_files(tmp_path: Path) -> None:
    said = ("내일 회사로 찾아간다 죽여버린다", "내가 내일 회사로 찾아간다 했지")
    paths = [written(tmp_path, f"call_25110{at + 1}", text) for at, text in enumerate(said)]
    (tmp_path / "call_251101_report.pdf").write_bytes(b"report")
    facts = tmp_path / "intake.json"
    stated = {"recorded_at": "2025-10-30T08:00:00+09:00", "speakers": {"a": "김민준"}}
    facts.write_text(json.dumps({
        "schema": "voiceman.intake/1", "case_number": "2026-형제-7", "recordings": {"call_251102.m4a": stated},
    }))  # fmt: skip
    made, course = plain.case_report_files(paths, stated=facts, by="kim", generated_at="2026-01-01T00:00:00Z")
    first, second = made.entries
    assert (made.case_number, made.made_by, made.jobs) == ("2026-형제-7", "kim", [])
    assert made.stated_in == [f"intake.json (SHA-256 {hashlib.sha256(facts.read_bytes()).hexdigest()})"]
    assert first.reports == {"report.pdf": hashlib.sha256(b"report").hexdigest()}
    assert first.analysis_sha256 == hashlib.sha256(paths[0].read_bytes()).hexdigest()
    assert (first.time_source, first.time_of_day) == ("file_name", False)
    assert (second.time_source, second.name_says) == ("stated", "2025-11-02T00:00:00+09:00")
    assert [one.person for one in second.speakers] == ["김민준"]
    assert course.recordings[0].name == "call_251102"  # by the stated time
    assert isinstance(first.findings, list)
    assert {one.category for one in first.findings} <= set(made.categories)
    with pytest.raises(DocumentError, match="a name of its own"):
        plain.case_report_files([paths[0], paths[0]], stated=None, by="kim", generated_at="2026-01-01T00:00:00Z")


def test_the_command_writes_a_case_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from include import report
    from include.cli.console import app
    from include.cli.files import case

    assert case in {command.callback for command in app.registered_commands}
    monkeypatch.setattr(report, "render_case_report", lambda *_, language: report.RenderedReport("page", b"pdf"))
    paths = [written(tmp_path, f"call_25110{at + 1}", "집 앞이야 나올 때까지 기다릴게") for at in range(2)]
    told = CliRunner().invoke(app, ["case", *map(str, paths), "--report", str(tmp_path / "out")])
    assert told.exit_code == 0, told.output
    assert {one.name for one in (tmp_path / "out").iterdir()} == {
        "case_report.ko.pdf", "case_report.ko.html", "case_report.en.pdf", "case_report.en.html",
    }  # fmt: skip
