"""Transcript, analysis and facts of a recording to redacted copies, and the log of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

from include.container import Observation
from include.forensic import Analysis
from include.redaction.detect import find_all, find_formal
from include.redaction.dumps import dumps
from include.redaction.file_names import in_name, named, suffix_of
from include.redaction.hits import Hit, compact, merged
from include.redaction.known import Known, terms_as_hits
from include.redaction.lines import segment_hits
from include.redaction.log import Elsewhere, MaskedSpan, RedactionLog
from include.redaction.masks import Masks, apply
from include.redaction.rules import rules_digest
from include.redaction.second_decodes import redact_confirmation
from include.redaction.segments import by_words, place, placed_words, redact_segment, word_groups
from include.redaction.spelling import composed, respelled
from include.redaction.walk import Policy, walk
from include.redaction.withheld import facts_without, reference_without
from include.stt import Confirmation, Segment, Transcript

__all__ = ["Redacted", "redact"]

_Facts = TypeVar("_Facts", bound=BaseModel)
Document = Literal["transcript", "analysis", "facts"]


@dataclass(frozen=True)
class Redacted(Generic[_Facts]):
    """The copies that may be shown, after a person has read them."""

    transcript: Transcript
    analysis: Analysis
    facts: _Facts
    log: RedactionLog


def redact(
    transcript: Transcript,
    analysis: Analysis,
    facts: _Facts,
    *,
    language: Literal["ko", "en"],
    terms: Sequence[str] = (),
) -> Redacted[_Facts]:
    """Mask names, numbers, addresses and a lab's own terms in every text of the three.

    The recording's file name is replaced as a whole: what a telephone writes into it (a contact's name) has no form.
    Findings keep their ids, categories, times and speakers.

    Args:
        transcript: as transcribed.
        analysis: of that transcript.
        facts: of the report; its ``file_id`` and ``file_name`` are replaced, all other texts are searched.
        language: of the masks.
        terms: what the lab wants masked besides, whatever it is.
    """
    return _Work(transcript, analysis, facts, language, terms).done()


class _Work(Generic[_Facts]):
    """One redaction: everything is looked at once to learn what there is, then written anew."""

    def __init__(
        self,
        transcript: Transcript,
        analysis: Analysis,
        facts: _Facts,
        language: Literal["ko", "en"],
        terms: Sequence[str],
    ) -> None:
        self.withheld: set[str] = set()
        self.transcript = respelled(transcript)
        self.analysis = reference_without(respelled(analysis), language, self.withheld)
        self.facts = facts_without(respelled(facts), transcript.recording.sha256, language, self.withheld)
        self.language, self.terms = language, [one for one in map(composed, terms) if len(compact(one)) > 1]
        self.masks, self.known = Masks(language), Known()
        self.spans: list[MaskedSpan] = []
        self.elsewhere: dict[tuple[Document, str, str, str], Elsewhere] = {}
        self.document: Document = "transcript"
        self.finding: dict[tuple[str, Policy], list[Hit]] = {}
        self.neutral = f"recording-{transcript.recording.sha256[:12]}"

    def done(self) -> Redacted[_Facts]:
        """Learn, then write."""
        own = segment_hits(self.transcript.segments)
        self._learn(own)
        segments = [self._segment(at, one, own[at]) for at, one in enumerate(self.transcript.segments)]
        transcript = self._walked("transcript", self.transcript.model_copy(update={"segments": []}))
        transcript = transcript.model_copy(update={"segments": segments})
        source = self.analysis.transcript.model_copy(update={"name": f"{self.neutral}_transcript.json"})
        analysis = self._walked("analysis", self.analysis.model_copy(update={"transcript": source}))
        named = {"file_id": self.neutral, "file_name": self.neutral + suffix_of(self.facts)}
        facts = self._walked(
            "facts", self.facts.model_copy(update={key: named[key] for key in named if hasattr(self.facts, key)})
        )
        # what a copy no longer is, it must not look like: each is checked as a document of its kind
        transcript = Transcript.model_validate(transcript.model_dump(by_alias=True))
        analysis = Analysis.model_validate(analysis.model_dump(by_alias=True))
        return Redacted(transcript, analysis, facts, self._log())

    def _learn(self, own: Sequence[Sequence[Hit]]) -> None:
        """What the rules find anywhere is known from then on; the words of file names and the lab's terms as well."""
        for hit in (*terms_as_hits(self.terms), *(hit for hits in own for hit in hits)):
            self.known.add(hit)

        def look(text: str, path: str, policy: Policy) -> str:
            del path
            for hit in self._found(text, policy):
                self.known.add(hit)
            return text

        for model in (self.transcript, self.analysis, self.facts):
            walk(model, look, special=_nothing)
        for hit in in_name(self.facts):
            self.known.add(hit)
        self.known.build()

    def _found(self, text: str, policy: Policy) -> list[Hit]:
        if (text, policy) not in self.finding:
            found = find_formal(text) if policy == "formal" else find_all(text)
            if policy == "label":
                found = [hit for hit in found if hit.kind not in ("number", "account")]
            self.finding[text, policy] = found
        return self.finding[text, policy]

    def _all(self, text: str, policy: Policy, more: Sequence[Hit] = ()) -> list[tuple[Hit, str]]:
        hits = merged([*self._found(text, policy), *self.known.find(text, least=4 if policy == "full" else 7), *more])
        return [(hit, self.masks.of(*self.known.entity(hit))) for hit in hits]

    def _segment(self, at: int, segment: Segment, hits: Sequence[Hit]) -> Segment:
        if placed_words(segment) is None:
            segment, hits = by_words(segment), ()
        spans = placed_words(segment) or []
        masked = self._all(segment.text, "full", hits)
        words = {one: number for number, group in enumerate(word_groups(spans, masked)) for one in group}
        for hit, mask in masked:
            where = place(segment, spans, hit)
            self.spans.append(
                MaskedSpan(
                    segment=at, word=None if where.first_word is None else words[where.first_word],
                    start=where.start, end=where.end, kind=self.known.entity(hit)[0], rule=hit.rule, mask=mask,
                )
            )  # fmt: skip
        return self._rest(at, redact_segment(segment, spans, masked) if masked else segment)

    def _rest(self, at: int, segment: Segment) -> Segment:
        """The segment with what is neither its text nor that of a word searched, too: flags, speakers, new fields."""
        path = f"segments[{at}]"
        bare = walk(segment.model_copy(update={"text": "", "words": []}), self._rewrite, special=_nothing, path=path)
        words = [
            walk(
                word.model_copy(update={"text": ""}), self._rewrite, special=_nothing, path=f"{path}.words"
            ).model_copy(update={"text": word.text})
            for word in segment.words
        ]
        return bare.model_copy(update={"text": segment.text, "words": words})

    def _walked(self, document: Document, model: _Model) -> _Model:
        self.document = document
        return walk(model, self._rewrite, special=self._special)

    def _rewrite(self, text: str, path: str, policy: Policy) -> str:
        return self._written(text, path, self._all(text, policy, self._named(text, path)))

    def _named(self, text: str, path: str) -> list[Hit]:
        """The recording's name where places and events hold it, however short it is (``김양.m4a``)."""
        place = self.document == "facts" and path.startswith(("copies", "custody", "container"))
        return list(named(self.facts, text, place=place))

    def _written(self, text: str, path: str, masked: list[tuple[Hit, str]]) -> str:
        for hit, mask in masked:
            entry = Elsewhere(
                document=self.document, path=path, kind=self.known.entity(hit)[0], rule=hit.rule, mask=mask
            )
            self.elsewhere[self.document, path, hit.rule, mask] = entry
        return apply(text, masked) if masked else text

    def _special(self, model: BaseModel, path: str) -> BaseModel | None:
        if isinstance(model, Observation):
            return self._observation(model, path)
        if not isinstance(model, Confirmation):
            return None
        return redact_confirmation(model, path, self, lambda text: len(self._all(text, "full")), self._needed)

    def _observation(self, seen: Observation, path: str) -> Observation:
        """An observation masked, with the bytes that it prints."""
        bare = walk(seen.model_copy(update={"values": {}}), self._rewrite, special=_nothing, path=path)
        values = {}
        for name, text in seen.values.items():
            here = f"{path}.values.{name}"
            more = [*dumps(name, text, seen.where), *self._named(text, here)]
            values[self._rewrite(name, here, "full")] = self._written(text, here, self._all(text, "full", more))
        return bare.model_copy(update={"values": values})

    def _needed(self, start: float, end: float) -> int:
        return sum(one.start < end and one.end > start for one in self.spans)

    def __call__(self, text: str, path: str, *, more: Sequence[Hit] = (), fragment: bool = False) -> str:
        """Mask a text of a second decode; see :class:`include.redaction.second_decodes.MaskText`."""
        if fragment and self.known.is_fragment(text) and not self._all(text, "full", more):
            return self.passage(text, path)
        return self._written(text, path, self._all(text, "full", more))

    def passage(self, text: str, path: str) -> str:
        """Mask the whole of a text; an empty one stays empty."""
        if not text.strip():
            return text
        hit = Hit(0, len(text), "passage", "passage", "")
        return self._written(text, path, [(hit, self.masks.of("passage", ""))])

    def _log(self) -> RedactionLog:
        return RedactionLog(
            recording_sha256=self.transcript.recording.sha256,
            language=self.language,
            rules_sha256=rules_digest(),
            lab_terms=len(self.terms),
            withheld=sorted(self.withheld),
            spans=self.spans,
            elsewhere=list(self.elsewhere.values()),
            counts=self.masks.counts(),
        )


_Model = TypeVar("_Model", bound=BaseModel)


def _nothing(_model: BaseModel, _path: str) -> None:
    return None
