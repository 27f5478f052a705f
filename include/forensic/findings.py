"""From a transcript to located findings: times, context, counter-evidence, and where nothing was looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from include.forensic.analysis import CaseSignal, Context, CounterEvidence, Finding, NotAnalysed, SetAsidePassage, Span
from include.forensic.detect import Counter, Hit, Place, SetAside
from include.forensic.learned import MODEL_SEVERITY, Card, Prediction
from include.forensic.passages import Located, find_passages, span_of, whole_words
from include.forensic.rulebook import Taxonomy, load_taxonomy
from include.forensic.search import search
from include.forensic.tokens import LANGUAGES
from include.stt import NotMeasured, Segment, Transcript

__all__ = ["NOT_DECODED", "Language", "located", "not_analysed"]

NOT_DECODED = NotMeasured(reason="The passage was not decoded again.")


@dataclass(frozen=True, slots=True)
class Language:
    """What the words of a recording gave."""

    findings: list[Finding] | NotMeasured
    set_aside: list[SetAsidePassage] = field(default_factory=list)
    signals: list[CaseSignal] = field(default_factory=list)
    """No findings: they count over the recordings of a case only."""
    card: Card | None = None
    """Of the language model that was applied."""


def located(transcript: Transcript, taxonomy: Taxonomy | None = None) -> Language:
    """The findings of a transcript and the passages that a filter set aside, both by time, then rule.

    Texts that the decoder's guards set aside are no part of the transcript's segments, and so are not read; neither are
    segments in a language without rules (:func:`not_analysed` lists both).

    Args:
        transcript: what was said.
        taxonomy: the rules; the shipped ones when None.

    Raises:
        ModelError: the language model can't be loaded.
        SettingsError: the taxonomy's files are damaged.
    """
    if not transcript.segments:
        return Language(NotMeasured(reason=transcript.empty_reason or "The transcript has no segments."))
    passages = [item for item in find_passages(transcript) if item.language in LANGUAGES]
    if not passages:
        return Language(
            NotMeasured(reason=f"There are no rules for the language {transcript.language!r} (rules: ko, en).")
        )
    segments = transcript.segments
    result = search(
        [item.passage for item in passages], [item.language for item in passages], taxonomy or load_taxonomy()
    )
    found = [_finding(hit, passages, segments) for hit in result.hits]
    found += [_model_finding(item, passages, segments, result.card) for item in result.by_model]
    found.sort(key=lambda one: (one.span.start or 0.0, one.span.segment, one.rule))
    aside = [_set_aside(item, passages, segments) for item in result.set_aside]
    aside.sort(key=lambda item: (item.span.start or 0.0, item.span.segment, item.rule))
    numbered = [one.model_copy(update={"id": f"F{number:03d}"}) for number, one in enumerate(found, start=1)]
    signals = [_signal(hit, passages, segments) for hit in result.signals]
    signals.sort(key=lambda item: (item.span.start or 0.0, item.span.segment, item.rule))
    return Language(numbered, aside, signals, result.card)


def not_analysed(transcript: Transcript) -> list[NotAnalysed]:
    """Where no findings were looked for, by time."""
    parts = [
        NotAnalysed(kind="set_aside", start=one.start, end=one.end, channel=one.channel, reasons=one.reasons)
        for one in transcript.set_aside
    ]
    parts += [
        NotAnalysed(kind="uncovered_speech", start=one.start, end=one.end, channel=one.channel, reasons=[])
        for one in transcript.uncovered_speech
    ]
    for segment in transcript.segments:
        language = segment.language or transcript.language
        if language not in LANGUAGES:
            parts.append(
                NotAnalysed(kind="language", start=segment.start, end=segment.end, channel=None, reasons=[language])
            )
    return sorted(parts, key=lambda one: (one.start, one.end))


def _finding(hit: Hit, passages: Sequence[Located], segments: Sequence[Segment]) -> Finding:
    span = span_of(hit.place, passages, segments)
    return Finding(
        id="",
        category=hit.category,
        severity=cast(Literal[1, 2, 3, 4], hit.severity),
        rule=hit.rule.data.id,
        rule_version=hit.rule.data.version,
        heard=hit.heard,
        span=span,
        related=[span_of(place, passages, segments) for place in hit.related],
        context=_context(hit, passages),
        asr_confidence=segments[span.segment].confidence,
        confirmation=NOT_DECODED,
        counter_evidence=[_counter(counter, passages, segments) for counter in hit.counters],
    )


def _model_finding(item: Prediction, passages: Sequence[Located], segments: Sequence[Segment], card: Card) -> Finding:
    """The passages that the model read, the first of them as the span."""
    spans = [_whole(number, passages, segments) for number in range(item.first, item.last)]
    spans = [span for span in spans if span.text]
    after = passages[item.last].passage.text.strip() if item.last < len(passages) else ""
    return Finding(
        id="",
        category=item.group,
        severity=MODEL_SEVERITY,
        found_by="model",
        rule=card.id,
        rule_version=card.features,
        probability=item.probability,
        span=spans[0],
        related=spans[1:],
        context=Context(
            before=passages[item.first - 1].passage.text.strip() if item.first else "",
            sentence=spans[0].text,
            after=spans[1].text if len(spans) > 1 else after,
        ),
        asr_confidence=segments[spans[0].segment].confidence,
        confirmation=NOT_DECODED,
        counter_evidence=[],
    )


def _whole(number: int, passages: Sequence[Located], segments: Sequence[Segment]) -> Span:
    return span_of(Place(number, 0, len(passages[number].passage.text)), passages, segments)


def _signal(hit: Hit, passages: Sequence[Located], segments: Sequence[Segment]) -> CaseSignal:
    return CaseSignal(
        category=hit.category,
        rule=hit.rule.data.id,
        rule_version=hit.rule.data.version,
        span=span_of(hit.place, passages, segments),
    )


def _set_aside(item: SetAside, passages: Sequence[Located], segments: Sequence[Segment]) -> SetAsidePassage:
    hit = item.hit
    return SetAsidePassage(
        category=hit.category,
        rule=hit.rule.data.id,
        rule_version=hit.rule.data.version,
        filter=item.filter or "",
        span=span_of(hit.place, passages, segments),
        context=_context(hit, passages),
        counter_evidence=[_counter(counter, passages, segments) for counter in hit.counters],
    )


def _counter(counter: Counter, passages: Sequence[Located], segments: Sequence[Segment]) -> CounterEvidence:
    span = span_of(counter.place, passages, segments)
    return CounterEvidence(kind=counter.kind, text=span.text, start=span.start)


def _context(hit: Hit, passages: Sequence[Located]) -> Context:
    """The sentence of the match; what was said before and after it, at most the neighbouring passage."""
    text = passages[hit.place.passage].passage.text
    start, end = whole_words(text, *hit.sentence)
    before, after = text[:start].strip(), text[end:].strip()
    if not before and hit.place.passage > 0:
        before = passages[hit.place.passage - 1].passage.text.strip()
    if not after and hit.place.passage + 1 < len(passages):
        after = passages[hit.place.passage + 1].passage.text.strip()
    return Context(before=before, sentence=text[start:end].strip(), after=after)
