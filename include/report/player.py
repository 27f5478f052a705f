"""The HTML twin: one file with the sound, the findings and the transcript; a click plays from there.

It loads nothing and runs one script, whose hash its content policy names. What people said is text in it, never markup.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from include.forensic import Analysis
from include.report.facts import Language, ReportFacts, check_agreement
from include.report.finding_views import finding_views
from include.report.labels import Labels
from include.report.render import template_environment, write_whole
from include.report.settings_digest import PACKAGE
from include.report.strings import load_strings
from include.report.text import clean, shorten
from include.report.view import wave_strips
from include.report.waveform import LEFT, WIDTH
from include.report.working_audio import WorkingAudio
from include.stt import Segment, Transcript

__all__ = ["render_player", "write_player"]


@dataclass(frozen=True)
class PlayerLine:
    """A turn of the transcript."""

    start: float
    end: float
    time: str
    speaker: str
    words: list[tuple[str, float | None, float | None]]
    """Text, start and end in seconds; what lies between the words, and words without times, have none."""


def render_player(
    transcript: Transcript, analysis: Analysis, facts: ReportFacts, audio: WorkingAudio, *, language: Language
) -> str:
    """The page.

    Args:
        transcript, analysis, facts: as for the report.
        audio: the sound that it carries, inside the page.
        language: of its own words.

    Raises:
        DocumentError, InvalidNameError: transcript, analysis and facts are not about the same bytes.
    """
    check_agreement(transcript, analysis, facts)
    strings = load_strings(language)
    labels = Labels(strings, hours=transcript.recording.duration_s >= 3600)
    folder = PACKAGE / "templates"
    style = (folder / "player.css").read_text(encoding="utf-8")
    script = (folder / "player.js").read_text(encoding="utf-8")
    strips, note = wave_strips(transcript, analysis, labels)
    # set in last: 20 MB of it need no cleaning
    mark = f"sound-{audio.sha256}"
    page = template_environment().get_template("player.html.j2")
    html = page.render(
        t=lambda key, /, **values: strings.say(key, **{name: _shown(value) for name, value in values.items()}),
        plain=strings,
        language=language,
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        transcript=transcript,
        analysis=analysis,
        facts=facts,
        short_id=shorten(clean(facts.file_id), 30),
        audio=audio,
        sound=mark,
        left=LEFT,
        width=WIDTH,
        strips=strips,
        wave_note=note,
        findings=finding_views(analysis, labels, {}),
        lines=[_line(one, labels) for one in transcript.segments],
    )
    safe = "\n".join(clean(line) for line in html.split("\n"))
    # with the attribute's own quote: a name from outside can hold the mark, but no quote that is not escaped
    return safe.replace(f'base64,{mark}"', f'base64,{base64.b64encode(audio.data).decode()}"', 1)


def write_player(
    transcript: Transcript, analysis: Analysis, facts: ReportFacts, audio: WorkingAudio, out_dir: Path, *,
    language: Language,
) -> Path:  # fmt: skip
    """Write ``{file_id}_player.html``; arguments as for :func:`render_player`, the folder is made when missing.

    Raises:
        DocumentError, InvalidNameError: as :func:`render_player`.
        ToolError: the directory can't be written.
    """
    path = out_dir / f"{facts.file_id}_player.html"
    write_whole(path, render_player(transcript, analysis, facts, audio, language=language).encode())
    return path


def _shown(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _line(segment: Segment, labels: Labels) -> PlayerLine:
    """The segment's text cut at its words; where they don't agree with it, the text alone."""
    pieces: list[tuple[str, float | None, float | None]] = []
    at = 0
    for word in segment.words:
        wanted = word.text.strip()
        found = segment.text.find(wanted, at) if wanted else -1
        if found < 0:
            continue
        if found > at:
            pieces.append((segment.text[at:found], None, None))
        at = found + len(wanted)
        timed = word.start is not None and word.end is not None
        pieces.append((wanted, word.start if timed else None, word.end if timed else None))
    pieces.append((segment.text[at:], None, None))
    return PlayerLine(segment.start, segment.end, labels.time(segment.start), labels.speaker(segment.speaker), pieces)
