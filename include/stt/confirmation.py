"""What decoding a span again said about its words: a value that an analysis stores with a finding.

The rule. A word is ``confirmed`` when more than half of the variants hear all of it at its place; ``not_heard`` when
no variant hears any part of it and none hears something else in its place; else it ``differs``. The span is
``not_heard`` when the voice activity detector finds no speech in it, when no variant has any text, or when all of its
words are ``not_heard``; ``confirmed`` when every word is, unless half of the variants or more hear further words
between them ("I will *not* kill you" does not confirm "I will kill you"); else it ``differs``. A variant that Whisper's
own rule takes for silence (no-speech probability above 0.6, mean log-probability below -1) hears nothing.

Words are compared by Hangul syllables, and by whole words in Latin script, without case and punctuation, so Korean
spacing does not count. A number in digits differs from the same number in letters.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED

__all__ = ["Alternative", "Confirmation", "Variant", "Verdict", "WordAgreement"]

Verdict = Literal["confirmed", "differs", "not_heard"]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class Alternative(_Model):
    """One of the decoder's hypotheses."""

    text: str
    avg_logprob: float
    """Mean log-probability of its tokens, natural logarithm."""


class Variant(_Model):
    """One decoding under other settings."""

    model: str
    beam_size: int
    timestamps: bool = False
    """Decoded with Whisper's time stamps."""
    start: float
    """Of the window that was decoded, seconds."""
    end: float
    text: str
    """Of the whole window, which reaches beyond the span, even where it is taken for silence."""
    heard: str
    """The part of it that stands where the span's words do."""
    inserted: list[str]
    """What it has between the span's words beyond them."""
    agreement: float
    """Share of the span's syllables and words (see the module) that it has at their place, 0–1."""
    avg_logprob: float
    no_speech_prob: float
    alternatives: list[Alternative]
    """The most probable hypotheses, the best first, of the whole window."""


class WordAgreement(_Model):
    """One word of the span."""

    text: str
    agreement: float
    """Mean over the variants of the share of it that they hear at its place, 0–1."""
    heard: list[str]
    """What each variant has in its place; empty text where it has nothing."""
    verdict: Verdict


class Confirmation(_Model):
    """A span decoded again."""

    start: float
    end: float
    language: str
    words: list[WordAgreement]
    variants: list[Variant]
    """Empty when no speech was found in the span."""
    agreement: float
    """Mean over the variants; 0 when there are none."""
    verdict: Verdict
    reason: str
    """One sentence: which part of the rule decided."""
    served_by: str | None = None
    """The resident speech service that decoded it; None: the process did."""
    fallback: str | None = None
    """Why the process decoded it though a service is configured."""
