"""A transcript as subtitles, text, a table of words, or speaker turns.

Nothing is left out: words without times are in their segment's cue and in the table with empty times. Nothing is
timed that the transcript does not time.
"""

from __future__ import annotations

import csv
import html
import io
import unicodedata
from typing import TYPE_CHECKING, Final, Literal, get_args

from include.errors import DocumentError
from include.stt.cues import Cue, cues_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.stt.transcript import Segment, Transcript

__all__ = ["KINDS", "ExportKind", "export"]

ExportKind = Literal["srt", "vtt", "txt", "csv", "rttm"]
KINDS: Final[tuple[str, ...]] = get_args(ExportKind)
"""What :func:`export` makes."""

CSV_COLUMNS = ("segment", "speaker", "word", "start_s", "end_s", "score", "timing", "flags")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export(transcript: Transcript, kind: str) -> str:
    """Write a transcript in another format.

    Args:
        transcript: the transcript.
        kind: ``srt``; ``vtt`` (WebVTT, speakers as ``<v>``); ``txt`` (a segment a line, ``[time] speaker: text``);
            ``csv`` (a word a row, comma, header; see :func:`words_csv`); ``rttm`` (NIST speaker turns).

    Raises:
        DocumentError: another kind, or ``rttm`` of a transcript whose speakers were not separated.
    """
    makers: dict[str, Callable[[Transcript], str]] = {
        "srt": _srt, "vtt": _vtt, "txt": _txt, "csv": words_csv, "rttm": _rttm,
    }  # fmt: skip
    if kind not in makers:
        raise DocumentError(f"{kind!r} is not an export format; use one of {', '.join(KINDS)}.")
    return makers[kind](transcript)


def _clock(seconds: float, comma: str = ".") -> str:
    total = max(round(seconds * 1000), 0)
    minutes, millis = divmod(total, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{millis // 1000:02d}{comma}{millis % 1000:03d}"


def _srt(transcript: Transcript) -> str:
    """SubRip: no markup is escaped (the format has no way to), ``-->`` becomes ``→``."""
    blocks = []
    for number, cue in enumerate(cues_of(transcript.segments), 1):
        lines = [line.replace("-->", "→") for line in cue.lines]
        if cue.speaker is not None:
            lines[0] = f"[{_one_line(cue.speaker)}] {lines[0]}".replace("-->", "→")
        blocks.append("\n".join((str(number), f"{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}", *lines)) + "\n")
    return "\n".join(blocks)


def _vtt(transcript: Transcript) -> str:
    """WebVTT; ``&``, ``<`` and ``>`` are escaped, so that ``-->`` can't be in a text."""
    cues = enumerate(cues_of(transcript.segments), 1)
    return "\n".join(["WEBVTT\n", *(_vtt_cue(number, cue) for number, cue in cues)])


def _vtt_cue(number: int, cue: Cue) -> str:
    text = "\n".join(html.escape(line, quote=False) for line in cue.lines)
    if cue.speaker is not None:
        text = f"<v {html.escape(_one_line(cue.speaker), quote=False)}>{text}</v>"
    return f"{number}\n{_clock(cue.start)} --> {_clock(cue.end)}\n{text}\n"


def _txt(transcript: Transcript) -> str:
    lines = []
    for segment in _ordered(transcript):
        who = f"{_one_line(segment.speaker)}: " if segment.speaker is not None else ""
        lines.append(f"[{_clock(segment.start)} – {_clock(segment.end)}] {who}{_one_line(segment.text)}\n")
    return "".join(lines)


def words_csv(transcript: Transcript) -> str:
    """A word a row, RFC 4180, LF line ends.

    A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` (or a tab or line end) for a formula:
    such words and speakers get an apostrophe before them, which the header says. Remove it to get the text back.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    named = {"word": "word (a leading ' guards = + - @ from spreadsheets)"}
    table.writerow([named.get(column, column) for column in CSV_COLUMNS])
    for number, segment in enumerate(_ordered(transcript), 1):
        for word in segment.words:
            speaker = word.speaker if word.speaker is not None else segment.speaker
            times = ("" if time is None else f"{time:.3f}" for time in (word.start, word.end))
            score = "" if word.score is None else f"{word.score:.4f}"
            flags = " ".join(word.flags)
            table.writerow([number, _guarded(speaker or ""), _guarded(word.text), *times, score, word.timing, flags])
        if not segment.words:  # text whose words are not known one by one: a row for the whole of it
            flags = " ".join(segment.flags)
            table.writerow([number, _guarded(segment.speaker or ""), _guarded(segment.text), "", "", "", "none", flags])
    return out.getvalue()


def _guarded(text: str) -> str:
    shown = _one_line(text)
    return f"'{shown}" if shown.startswith(_FORMULA) or text.startswith(_FORMULA) or shown.startswith("'") else shown


def _rttm(transcript: Transcript) -> str:
    """NIST RTTM: the diarization's turns; where each channel is a speaker, the segments of each channel."""
    about = transcript.speakers
    if about.method == "none":
        raise DocumentError(
            f"The speakers were not separated ({about.reason or 'no reason given'}); there are no turns to export."
        )
    turns = [(turn.start, turn.end, turn.speaker) for turn in about.turns]
    if not turns:
        turns = [(one.start, one.end, one.speaker) for one in transcript.segments if one.speaker is not None]
    name, split = transcript.recording.sha256[:16], about.method == "channel"
    lines = []
    for start, end, speaker in sorted(turns):
        if end > start:
            channel = _channel(speaker) if split else 1
            lines.append(
                f"SPEAKER {name} {channel} {start:.3f} {end - start:.3f} <NA> <NA> {_token(speaker)} <NA> <NA>\n"
            )
    return "".join(lines)


def _channel(speaker: str) -> int:
    number = speaker.rpartition("-")[2]
    return int(number) if number.isdecimal() else 1


def _ordered(transcript: Transcript) -> list[Segment]:
    return sorted(transcript.segments, key=lambda segment: (segment.start, segment.end))


def _one_line(text: str) -> str:
    """Without line ends and control characters, which would break a line format."""
    return " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text).split())


def _token(text: str) -> str:
    return "_".join(_one_line(text).split()) or "<NA>"
