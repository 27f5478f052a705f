"""From a transcript to located findings: passages, word times, context.

Adjacent segments of one speaker are read as one passage, for the decoder cuts sentences where it likes; every
hit is mapped back to the words it covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from include.forensic.analysis import Confirmation, Context, CounterEvidence, Finding, Span
from include.forensic.detect import Counter, Hit, Passage, Place, detect
from include.forensic.rulebook import Taxonomy
from include.stt import Segment, Transcript, Word

__all__ = ["JOIN_CHARACTERS", "JOIN_GAP_S", "find_passages", "located_findings"]

JOIN_GAP_S = 1.0
"""Segments of one speaker closer than this are one passage, unless the first ends a sentence."""

JOIN_CHARACTERS = 400
"""A passage takes no further segment once it is this long."""

_Timing = Literal["acoustic", "attention", "segment", "none"]
_WEAKER: tuple[_Timing, ...] = ("none", "segment", "attention", "acoustic")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A segment inside a passage: it takes the passage's characters from ``offset``."""

    segment: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class _Located:
    passage: Passage
    pieces: tuple[_Piece, ...]


def find_passages(segments: Sequence[Segment]) -> list[_Located]:
    """One speaker's uninterrupted stretches, in the transcript's order."""
    groups: list[list[int]] = []
    for index, segment in enumerate(segments):
        if groups and _continues([segments[item] for item in groups[-1]], segment):
            groups[-1].append(index)
        else:
            groups.append([index])
    return [_located(segments, group) for group in groups]


def _continues(group: list[Segment], segment: Segment) -> bool:
    last = group[-1]
    return (
        last.speaker == segment.speaker
        and segment.start - last.end < JOIN_GAP_S
        and not last.text.rstrip().endswith((".", "?", "!"))
        and sum(len(item.text) for item in group) < JOIN_CHARACTERS
    )


def _located(segments: Sequence[Segment], group: list[int]) -> _Located:
    text = ""
    pieces = []
    for index in group:
        text += " " if text else ""
        pieces.append(_Piece(index, len(text), len(segments[index].text)))
        text += segments[index].text
    return _Located(Passage(segments[group[0]].speaker, text), tuple(pieces))


def located_findings(transcript: Transcript, taxonomy: Taxonomy) -> list[Finding]:
    """The findings of a transcript in a language that has rules, by time, then rule."""
    passages = find_passages(transcript.segments)
    hits = detect([item.passage for item in passages], transcript.language, taxonomy)
    located = [(hit, _span(hit.place, passages, transcript.segments)) for hit in hits]
    located.sort(key=lambda pair: (pair[1].start or 0.0, pair[1].segment, pair[0].rule.data.id))
    return [
        _finding(f"F{number:03d}", hit, span, passages, transcript.segments)
        for number, (hit, span) in enumerate(located, start=1)
    ]


def _finding(identity: str, hit: Hit, span: Span, passages: Sequence[_Located], segments: Sequence[Segment]) -> Finding:
    return Finding(
        id=identity,
        category=hit.category,
        severity=cast(Literal[1, 2, 3, 4], hit.severity),
        rule=hit.rule.data.id,
        rule_version=hit.rule.data.version,
        span=span,
        related=[_span(place, passages, segments) for place in hit.related],
        context=_context(hit, passages),
        asr_confidence=segments[span.segment].confidence,
        confirmation=Confirmation(status="not_run", detail="A second decode of the passage isn't made yet."),
        counter_evidence=[_counter(counter, passages, segments) for counter in hit.counters],
    )


def _counter(counter: Counter, passages: Sequence[_Located], segments: Sequence[Segment]) -> CounterEvidence:
    span = _span(counter.place, passages, segments)
    return CounterEvidence(kind=counter.kind, text=span.text, start=span.start)


def _context(hit: Hit, passages: Sequence[_Located]) -> Context:
    """The sentence of the match; what was said before and after it, at most the neighbouring passage."""
    text = passages[hit.place.passage].passage.text
    start, end = _whole_words(text, *hit.sentence)
    before, after = text[:start].strip(), text[end:].strip()
    if not before and hit.place.passage > 0:
        before = passages[hit.place.passage - 1].passage.text.strip()
    if not after and hit.place.passage + 1 < len(passages):
        after = passages[hit.place.passage + 1].passage.text.strip()
    return Context(before=before, sentence=text[start:end].strip(), after=after)


def _span(place: Place, passages: Sequence[_Located], segments: Sequence[Segment]) -> Span:
    """Where characters of a passage lie in the recording, and where the times come from."""
    located = passages[place.passage]
    text = located.passage.text
    touched = [
        piece for piece in located.pieces if piece.offset < place.end and place.start < piece.offset + piece.length
    ]
    words: list[Word] = []
    complete = True
    for piece in touched:
        found = _words(segments[piece.segment], place.start - piece.offset, place.end - piece.offset)
        complete = complete and bool(found)
        words.extend(found)
    from_, to = _whole_words(text, place.start, place.end)
    first = touched[0].segment
    timed = [(word.start, word.end) for word in words if word.start is not None and word.end is not None]
    if not complete or len(timed) < len(words):
        start: float = segments[first].start
        end: float = segments[touched[-1].segment].end
        timing: _Timing = "segment"
    else:
        start, end = min(item[0] for item in timed), max(item[1] for item in timed)
        timing = min((word.timing for word in words), key=_WEAKER.index)
    return Span(
        segment=first, speaker=located.passage.speaker, start=start, end=end, timing=timing, text=text[from_:to]
    )


def _words(segment: Segment, start: int, end: int) -> list[Word]:
    """The segment's words that share characters with ``text[start:end]``; words not found in the text are left out."""
    found = []
    position = 0
    for word in segment.words:
        form = word.text.strip()
        offset = segment.text.find(form, position) if form else -1
        if offset < 0:
            continue
        position = offset + len(form)
        if offset < end and start < position:
            found.append(word)
    return found


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The characters from the first to the last word touched, whole."""
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return start, end
