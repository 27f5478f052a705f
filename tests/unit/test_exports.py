import csv
import html
import io
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from include.cli import app
from include.errors import DocumentError
from include.stt import EXPORT_KINDS, Transcript, export
from include.stt.cues import COLUMNS, cues_of, width
from tests.unit.transcript_factory import segment, transcript, word

CLOCK = r"(\d{2,}):(\d\d):(\d\d)[.,](\d{3})"


def seconds(match: re.Match[str], at: int) -> float:
    hours, minutes, whole, millis = (int(match[at + n]) for n in range(4))
    return hours * 3600 + minutes * 60 + whole + millis / 1000


def parsed(text: str) -> list[tuple[float, float, list[str]]]:
    """Cues of an SRT or WebVTT file: a reader of its own, strict about the blank lines between cues."""
    blocks = [block for block in re.split(r"\n\n+", text.strip("\n")) if block and block != "WEBVTT"]
    found = []
    for number, block in enumerate(blocks, 1):
        lines = block.split("\n")
        assert lines[0] == str(number)
        times = re.fullmatch(rf"{CLOCK} --> {CLOCK}", lines[1])
        assert times, lines[1]
        assert lines[2:]
        found.append((seconds(times, 1), seconds(times, 5), lines[2:]))
    return found


def spoken(lines: list[str], kind: str) -> str:
    text = "\n".join(lines)
    if kind == "vtt":
        match = re.fullmatch(r"(?s)<v ([^>]*)>(.*)</v>", text)
        text = html.unescape(match[2] if match else text)
        assert "<" not in (match[2] if match else "\n".join(lines))
    else:
        text = re.sub(r"^\[[^\]]*\] ", "", text)
    return text


def squeezed(text: str) -> str:
    return "".join(c for c in text if not c.isspace() and c.isprintable())


def test_subtitles_have_times_speakers_and_all_words() -> None:
    made = transcript([
        segment([word("If", 1.0, 1.2), word("you", 1.2, 1.4), word("come,", 1.4, 1.9)], speaker="speaker-1"),
        segment([word("뭐라고요?", 2.5, 3.25)], speaker="speaker-2"),
    ])  # fmt: skip
    assert export(made, "srt") == (
        "1\n00:00:01,000 --> 00:00:01,900\n[speaker-1] If you come,\n\n"
        "2\n00:00:02,500 --> 00:00:03,250\n[speaker-2] 뭐라고요?\n"
    )
    assert export(made, "vtt") == (
        "WEBVTT\n\n1\n00:00:01.000 --> 00:00:01.900\n<v speaker-1>If you come,</v>\n\n"
        "2\n00:00:02.500 --> 00:00:03.250\n<v speaker-2>뭐라고요?</v>\n"
    )
    assert export(made, "txt") == (
        "[00:00:01.000 – 00:00:01.900] speaker-1: If you come,\n[00:00:02.500 – 00:00:03.250] speaker-2: 뭐라고요?\n"
    )


def test_markup_and_arrows_can_not_break_a_cue() -> None:
    text = "a<b>&amp; --> c"
    made = transcript([segment([word(part, n, n + 0.5) for n, part in enumerate(text.split())], speaker="<x>\n")])
    (cue,) = parsed(export(made, "vtt"))
    assert cue[2] == ["<v &lt;x&gt;>a&lt;b&gt;&amp;amp; --&gt; c</v>"]
    assert parsed(export(made, "srt"))[0][2] == ["[<x>] a<b>&amp; → c"]


@pytest.mark.parametrize(("text", "columns"), [("word " * 80, 42), ("가나다라 " * 60, 42), ("가" * 300, 42)])
def test_long_segments_become_cues_of_two_short_lines(text: str, columns: int) -> None:
    parts = text.split()
    words = [word(part, n * 0.3, n * 0.3 + 0.25) for n, part in enumerate(parts)]
    cues = cues_of([segment(words)])
    assert all(len(cue.lines) <= 2 and all(width(line) <= columns for line in cue.lines) for cue in cues)
    assert squeezed("".join(line for cue in cues for line in cue.lines)) == squeezed(text)
    assert len(cues) >= width(text.replace(" ", "")) // (2 * COLUMNS)
    assert all(a.end <= b.start for a, b in pairwise(cues))


def test_words_without_times_stay_and_get_no_time_of_their_own() -> None:
    made = transcript([segment([word("one", 1.0, 1.5), word("two", None, None), word("three", 2.0, 2.5)])])
    assert parsed(export(made, "srt")) == [(1.0, 2.5, ["one two three"])]
    rows = list(csv.reader(io.StringIO(export(made, "csv"))))
    assert rows[2] == ["1", "", "two", "", "", "0.9000", "none", ""]


def test_cues_of_one_speaker_never_overlap_and_two_speakers_may() -> None:
    one = segment([word("a", 0.0, 3.0)], speaker="s1")
    two = segment([word("b", 2.0, 4.0)], speaker="s1")
    other = segment([word("c", 1.0, 3.5)], speaker="s2")
    found = {(cue.speaker, cue.lines): (cue.start, cue.end) for cue in cues_of([two, other, one])}
    assert found == {("s1", ("a",)): (0.0, 2.0), ("s1", ("b",)): (2.0, 4.0), ("s2", ("c",)): (1.0, 3.5)}


@pytest.mark.parametrize("cell", ["=1+1", "+82", "-x", "@SUM(A1)", "＝1", "\t=1"])
def test_a_spreadsheet_takes_no_word_for_a_formula(cell: str) -> None:
    made = transcript([segment([word(cell, 0.0, 1.0)], speaker=cell)])
    row = list(csv.reader(io.StringIO(export(made, "csv"))))[1]
    assert row[1] == row[2] == "'" + cell.strip()
    assert "guards" in export(made, "csv").splitlines()[0]


def test_rttm_has_the_turns_and_their_speakers() -> None:
    turns = [{"start": 0.5, "end": 2.25, "speaker": "speaker 1"}, {"start": 2.0, "end": 3.0, "speaker": "speaker-2"}]
    made = transcript([segment([word("a", 0.6, 1.0)])], speakers={"method": "diarization", "turns": turns})
    assert export(made, "rttm").splitlines() == [
        "SPEAKER 0000000000000000 1 0.500 1.750 <NA> <NA> speaker_1 <NA> <NA>",
        "SPEAKER 0000000000000000 1 2.000 1.000 <NA> <NA> speaker-2 <NA> <NA>",
    ]
    by_channel = transcript([segment([word("a", 0.6, 1.0)], speaker="channel-2")], speakers={"method": "channel"})
    assert export(by_channel, "rttm") == "SPEAKER 0000000000000000 2 0.600 0.400 <NA> <NA> channel-2 <NA> <NA>\n"
    with pytest.raises(DocumentError, match="not separated"):
        export(transcript([segment([word("a", 0.6, 1.0)])]), "rttm")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(DocumentError, match="'docx' is not an export format; use one of srt, vtt, txt, csv, rttm"):
        export(transcript([]), "docx")


times = st.one_of(st.none(), st.floats(0, 40, allow_nan=False).map(lambda t: round(t, 3)))
hostile = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from(list("<>&-=+@'\",\n\r\t\u2028가나\u0301"))), max_size=60
)
hostile |= st.sampled_from(["-->", "1\n00:00:01,000 --> 00:00:02,000\n", "<v x>", "</v>", "WEBVTT", "NOTE a"])
who = st.one_of(st.none(), st.sampled_from(["speaker-1", "<b>", "a\n\nb"]))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    segments = []
    for _ in range(draw(st.integers(0, 4))):
        words = []
        for text in draw(st.lists(hostile, max_size=6)):
            start, end = draw(times), draw(times)
            words.append(word(text, start if end is not None else None, end if start is not None else None))
        start = draw(st.floats(0, 30).map(lambda t: round(t, 3)))
        made: Any = segment(words, speaker=draw(who), start=start, end=round(start + draw(st.floats(0, 9)), 3))
        segments.append(made if words else made.model_copy(update={"text": draw(hostile)}))
    return transcript(segments)


@settings(max_examples=150, deadline=None)
@given(transcripts())
def test_hostile_text_comes_back_whole(made: Transcript) -> None:
    everything = squeezed(
        "".join(
            "".join(w.text for w in one.words) if any(squeezed(w.text) for w in one.words) else one.text
            for one in sorted(made.segments, key=lambda one: (one.start, one.end))
        )
    )
    for kind in ("srt", "vtt"):
        cues = parsed(export(made, kind))
        assert all(0 <= start < end for start, end, _ in cues)
        said = "".join(spoken(lines, kind) for _, _, lines in cues)
        assert sorted(squeezed(said)) == sorted(everything.replace("-->", "→") if kind == "srt" else everything)
    rows = list(csv.reader(io.StringIO(export(made, "csv"))))
    assert {len(row) for row in rows} == {8}
    assert len(rows) == 1 + sum(max(len(one.words), 1) for one in made.segments)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows[1:] for cell in (row[1], row[2]))
    assert len(export(made, "txt").split("\n")) == len(made.segments) + 1


@pytest.mark.parametrize("kind", ["srt", "vtt", "txt", "csv"])
def test_the_command_writes_every_format(kind: str, tmp_path: Path) -> None:
    assert kind in EXPORT_KINDS
    made = transcript([segment([word("hello", 0.0, 0.5)])])
    source, target = tmp_path / "T.json", tmp_path / f"T.{kind}"
    source.write_text(made.to_json())
    run = CliRunner().invoke(app, ["export", str(source), "--format", kind, "--out", str(target)])
    assert run.exit_code == 0, run.output
    assert target.read_text() == export(made, kind)
    shown = CliRunner().invoke(app, ["export", str(source), "--format", kind])
    assert shown.stdout == export(made, kind)
    over = CliRunner().invoke(app, ["export", str(source), "--format", kind, "--out", str(source)])
    assert isinstance(over.exception, DocumentError)
    assert json.loads(source.read_text())["segments"]
