"""The second decode of findings: which passages are decoded again, and what comes back to each finding.

The passages are decoded where the speech model is: at the resident speech service, by the task that transcribes (it
holds the device), or in the process of ``./voiceman analyze``. What was decoded is a document of its own, so that an
analysis needs no model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.described import DESCRIBED
from include.errors import DocumentError
from include.forensic.analysis import Confirmation, Finding, Span
from include.settings import get_settings
from include.stt import LONGEST_PASSAGE_S, NotMeasured, Passage, Transcript
from include.stt import Confirmation as Decodings

__all__ = [
    "MODEL_AGREEMENT",
    "MODEL_PASSAGES",
    "MOST_PASSAGES",
    "PARAMETERS",
    "SecondDecodes",
    "second_decode_digest",
    "wanted_passages",
    "with_second_decodes",
]  # fmt: skip

MODEL_AGREEMENT = 0.8
"""A model's finding names no words: it is confirmed when each of its passages is heard again to this share of its
syllables (a choice, not a measurement). A rule's finding is confirmed only by every word."""

MODEL_PASSAGES = 4
"""A model's finding over more passages than this is not decoded again."""

MOST_PASSAGES = 40
"""Passages of one recording that are decoded again: those of the most severe findings first."""

SHORTEST_S = 0.3
"""A passage with shorter times (a word whose end is its start) is widened to this."""

PARAMETERS = {
    "version": 2,
    "model_agreement": MODEL_AGREEMENT,
    "model_passages": MODEL_PASSAGES,
    "most_passages": MOST_PASSAGES,
}

_Key = tuple[int, float, float, str, tuple[str, ...]]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class DecodedPassage(_Model):
    """A passage with what its decodings gave."""

    channel: int
    start: float
    end: float
    language: str
    words: list[str]
    decodings: Decodings


class SecondDecodes(_Model):
    """The passages of one transcript that were decoded again: ``voiceman.second_decodes/1``."""

    schema_: Literal["voiceman.second_decodes/1"] = Field("voiceman.second_decodes/1", alias="schema")
    passages: list[DecodedPassage]
    failed: str | None = None
    """Why none could be decoded."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        use_attribute_docstrings=DESCRIBED,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    @classmethod
    def of(cls, passages: Sequence[Passage], decoded: Sequence[Decodings] | NotMeasured) -> SecondDecodes:
        """Passages with their decodings, in the same order; or why there are none."""
        if isinstance(decoded, NotMeasured):
            return cls(passages=[], failed=decoded.reason)
        return cls(
            passages=[
                DecodedPassage(
                    channel=one.channel, start=one.start, end=one.end, language=one.language, words=list(one.words),
                    decodings=what,
                )
                for one, what in zip(passages, decoded, strict=True)
            ]
        )  # fmt: skip

    @classmethod
    def load(cls, data: bytes, *, name: str) -> SecondDecodes:
        """Read and check.

        Raises:
            DocumentError: it is something else.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise DocumentError(f"{name} is not a voiceman.second_decodes/1 document; delete it.") from error

    def lacks(self, passages: Sequence[Passage]) -> list[Passage]:
        """Those of the passages that are not here."""
        known = {(one.channel, one.start, one.end, one.language, tuple(one.words)) for one in self.passages}
        return [one for one in passages if _key(one) not in known]

    def with_more(self, other: SecondDecodes) -> SecondDecodes:
        """Both together."""
        return SecondDecodes(
            passages=[*self.passages, *other.passages], failed=other.failed if not self.passages else None
        )

    def to_json(self) -> str:
        """JSON, UTF-8."""
        return json.dumps(self.model_dump(by_alias=True), ensure_ascii=False) + "\n"


def second_decode_digest(model: str) -> str:
    """What, besides the transcript and the passages, decides what a second decode gives: its key.

    Args:
        model: Whisper weights by name.
    """
    made_of = [model, get_settings().confirm_model, PARAMETERS["version"]]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def wanted_passages(transcript: Transcript, findings: Sequence[Finding] | NotMeasured) -> list[Passage]:
    """The passages to decode again, each once, by time; at most :data:`MOST_PASSAGES`, the most severe findings'."""
    if isinstance(findings, NotMeasured):
        return []
    wanted: dict[_Key, Passage] = {}
    for finding in sorted(findings, key=lambda one: (-one.severity, one.span.start or 0.0)):
        passages = _passages_of(finding, transcript)
        if not isinstance(passages, NotMeasured):
            own = {_key(one): one for one in passages}
            if len(wanted | own) <= MOST_PASSAGES:
                wanted |= own
    return sorted(wanted.values(), key=lambda one: (one.start, one.channel, one.end))


def with_second_decodes(
    findings: Sequence[Finding], transcript: Transcript, decoded: SecondDecodes | NotMeasured
) -> list[Finding]:
    """The findings with what the second decode of their passages says."""
    if isinstance(decoded, NotMeasured):
        return [one.model_copy(update={"confirmation": decoded}) for one in findings]
    if decoded.failed is not None:
        reason = NotMeasured(reason=decoded.failed)
        return [one.model_copy(update={"confirmation": reason}) for one in findings]
    known: dict[_Key, Decodings] = {
        (one.channel, one.start, one.end, one.language, tuple(one.words)): one.decodings for one in decoded.passages
    }
    return [one.model_copy(update={"confirmation": _confirmation(one, transcript, known)}) for one in findings]


def _confirmation(finding: Finding, transcript: Transcript, known: dict[_Key, Decodings]) -> Confirmation | NotMeasured:
    passages = _passages_of(finding, transcript)
    if isinstance(passages, NotMeasured):
        return passages
    found = [known.get(_key(one)) for one in passages]
    decodings = [one for one in found if one is not None]
    if len(decodings) < len(found):
        return NotMeasured(
            reason=f"The passage was not among those decoded again: at most {MOST_PASSAGES} of a recording are, when "
            "it is transcribed, by the rules of that time."
        )
    decoded_here = next((f" Decoded by the process itself: {one.fallback}" for one in decodings if one.fallback), "")
    if finding.found_by == "model":
        least = min(one.agreement for one in decodings)
        status: Literal["confirmed", "unconfirmed"] = "confirmed" if least >= MODEL_AGREEMENT else "unconfirmed"
        detail = f"{least:.0%} of the syllables were heard again, {MODEL_AGREEMENT:.0%} are needed.{decoded_here}"
        return Confirmation(status=status, detail=detail, decodings=decodings)
    worst = next((one for one in decodings if one.verdict != "confirmed"), decodings[0])
    status = "confirmed" if worst.verdict == "confirmed" else "unconfirmed"
    return Confirmation(status=status, detail=worst.reason + decoded_here, decodings=decodings)


def _passages_of(finding: Finding, transcript: Transcript) -> list[Passage] | NotMeasured:
    spans = [finding.span, *finding.related]
    if finding.found_by == "model" and len(spans) > MODEL_PASSAGES:
        return NotMeasured(
            reason=f"The model read {len(spans)} passages together; findings over more than {MODEL_PASSAGES} are not "
            "decoded again."
        )
    if any(span.start is None or span.end is None or span.end <= span.start for span in spans) and all(
        segment.end <= segment.start for segment in transcript.segments
    ):
        return NotMeasured(reason="The transcript's segments have no times, so no passage can be decoded again.")
    texts = [finding.heard or finding.span.text, *(span.text for span in finding.related)]
    passages = [_passage(span, text, transcript) for span, text in zip(spans, texts, strict=True)]
    if any(one.end - one.start > LONGEST_PASSAGE_S for one in passages):
        return NotMeasured(
            reason=f"A passage is longer than {LONGEST_PASSAGE_S:g} s: too long to be decoded in one piece."
        )
    return passages


def _passage(span: Span, text: str, transcript: Transcript) -> Passage:
    start, end = span.start or 0.0, span.end or 0.0
    missing = SHORTEST_S - (end - start)
    if missing > 0:
        start, end = max(start - missing / 2, 0.0), end + missing / 2
    segment = transcript.segments[span.segment]
    channel = 0
    if transcript.speakers.method == "channel" and span.speaker in transcript.speakers.speakers:
        channel = transcript.speakers.speakers.index(span.speaker)
    language = segment.language or transcript.language
    return Passage(channel, round(start, 3), round(end, 3), tuple(text.split()), language)


def _key(passage: Passage) -> _Key:
    return passage.channel, passage.start, passage.end, passage.language, passage.words
