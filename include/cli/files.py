"""Commands that work on files, without Airflow."""

from __future__ import annotations

import io
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from include import __version__
from include.cli.console import LanguageOption, app, check_target, err, out, write
from include.errors import InputError

__all__ = ["analyze", "case", "course", "export", "report", "schemas", "transcribe", "version"]


@app.command()
def transcribe(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    to: Annotated[Path, typer.Option("--out", help="Where to write the transcript JSON.")],
    language: LanguageOption = "auto",
) -> None:
    """Transcribe one recording, without Airflow."""
    from include.manifest import check_language
    from include.stt import Transcriber

    check_language(language)
    check_target(to, file)
    with err.status("Transcribing"):
        transcript = Transcriber().transcribe(file, language=language)
    write(to, transcript.to_json())
    if transcript.empty_reason is not None:
        err.print(f"{file.name}: no text, because {transcript.empty_reason}.", markup=False, highlight=False)
    out.print(str(to), soft_wrap=True, markup=False, highlight=False)


@app.command()
def analyze(
    transcript: Annotated[
        Path | None, typer.Argument(help="A transcript JSON; with --text a file of dialogues.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Where to write the analysis JSON.")] = None,
    audio: Annotated[Path | None, typer.Option(help="The recording; without it the voice is not measured.")] = None,
    confirm: Annotated[bool, typer.Option(help="With the recording, decode the findings' passages again.")] = True,
    text: Annotated[
        bool, typer.Option("--text", help="Read dialogues, a line each, from standard input or the file named.")
    ] = False,
) -> None:
    """Analyse a transcript, or dialogues given as text."""
    from include import forensic

    if text:
        if to is not None or audio is not None:
            raise typer.BadParameter("--text writes to standard output and takes no recording: no --out, no --audio")
        with _dialogues(transcript) as lines:
            for line in forensic.analyze_text_lines(lines, told=lambda said: print(said, file=sys.stderr)):
                print(line, flush=True)
        return
    if transcript is None or to is None:
        raise typer.BadParameter("give a transcript and --out, or --text with dialogues on standard input")
    from include import plain

    check_target(to, transcript, audio)
    with err.status("Analysing"):
        write(to, plain.analyze_file(transcript, audio, confirm=confirm).to_json())
    out.print(str(to), soft_wrap=True, markup=False, highlight=False)


def _dialogues(path: Path | None) -> AbstractContextManager[TextIO]:
    """A file of dialogues, or standard input (``-``, or no path); what is no UTF-8 is shown as such."""
    if path is None or str(path) == "-":
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        return nullcontext(sys.stdin)
    try:
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); name a file of dialogues, a line each.") from error


@app.command()
def course(
    analyses: Annotated[list[Path], typer.Argument(help="Analyses of a case; their transcripts lie beside them.")],
    to: Annotated[Path, typer.Option("--out", help="Where to write the course JSON.")],
) -> None:
    """Set the recordings of a case side by side: repeated phrases, findings per hour, how they change."""
    from include import plain

    check_target(to, *analyses)
    write(to, plain.course_files(analyses).model_dump_json(indent=2) + "\n")
    out.print(str(to), soft_wrap=True, markup=False, highlight=False)


@app.command()
def case(
    analyses: Annotated[list[Path], typer.Argument(help="Analyses of a case; their transcripts lie beside them.")],
    to: Annotated[Path | None, typer.Option("--out", help="Where to write the whole course as JSON.")] = None,
    folder: Annotated[Path | None, typer.Option("--report", help="Folder for the case report (PDF and HTML).")] = None,
    facts: Annotated[
        Path | None, typer.Option(help="An intake.json: case number, when recorded, who the speakers are.")
    ] = None,
) -> None:
    """Tell what the recordings of a case show together: stalking's repetition, repeated phrases, change over time."""
    from include import case_text, plain

    if folder is not None:
        from include.cli.cases import report_of_files

        report_of_files(analyses, folder, facts)

    course = plain.course_files(analyses, stated=facts)
    if to is not None:
        check_target(to, *analyses)
        write(to, course.model_dump_json(indent=2) + "\n")
    for line in case_text.case_lines(course):
        out.print(line, soft_wrap=True, markup=False, highlight=False)


@app.command()
def report(
    analysis: Annotated[Path, typer.Argument(help="An analysis JSON; its transcript lies beside it.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the reports.")],
    *,
    transcript: Annotated[Path | None, typer.Option(help="The transcript, when it lies elsewhere.")] = None,
    audio: Annotated[Path | None, typer.Option(help="The recording: for spectrograms and the player.")] = None,
    intake: Annotated[Path | None, typer.Option(help="An intake.json: case number, who recorded, …")] = None,
    redacted: Annotated[
        bool, typer.Option(help="Write the redacted report and its log, too. It can miss: a person must review it.")
    ] = False,
    player: Annotated[
        bool, typer.Option(help="Write a page that plays the recording (--audio) from each finding, too.")
    ] = False,
) -> None:
    """Render the report (PDF and HTML, Korean and English) of one analysis.

    Without the pipeline's database there is no custody table and no signature; the report says so.
    """
    from include import plain

    now = datetime.now(UTC).isoformat(timespec="seconds")
    with err.status("Rendering"):
        paths = plain.report_file(
            analysis, to, transcript=transcript, generated_at=now, audio=audio, intake=intake, redacted=redacted,
            player=player,
        )  # fmt: skip
    for path in paths:
        out.print(str(path), soft_wrap=True, markup=False, highlight=False)


@app.command()
def export(
    transcript: Annotated[Path, typer.Argument(help="A transcript JSON.")],
    kind: Annotated[str, typer.Option("--format", help="srt, vtt, txt, csv (a word a row) or rttm.")],
    to: Annotated[Path | None, typer.Option("--out", help="Where to write it; standard output by default.")] = None,
) -> None:
    """Write a transcript as subtitles, text, a table of words, or speaker turns."""
    from include import stt

    text = stt.export(stt.load_transcript(transcript), kind)
    if to is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        print(text, end="")
        return
    check_target(to, transcript)
    write(to, text)
    out.print(str(to), soft_wrap=True, markup=False, highlight=False)


@app.command()
def schemas(folder: Annotated[Path, typer.Argument(help="Where to write the JSON Schemas.")]) -> None:
    """Export the JSON Schemas of the documents that are written."""
    from include import described

    described.DESCRIBED = True  # before any model is read
    from include import plain

    for name, text in plain.schema_files().items():
        write(folder / name, text)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)
