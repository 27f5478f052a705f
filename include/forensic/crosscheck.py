"""Words beside voice, turn by turn: where one is strong and the other is not, somebody should listen.

A disagreement means "listen to this passage" and nothing more: irony, fatigue, acting, reading aloud, a wrong word by
the decoder, a wrong speaker or a bad line all make one. Nothing follows about the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from include.described import DESCRIBED
from include.forensic.affect_words import AFFECT_VERSION, affect_words
from include.forensic.analysis import Confirmation, Finding
from include.forensic.emotion import EmotionReport, TurnArousal, TurnEmotion
from include.forensic.voice_sounds import TurnSound
from include.stt import NotMeasured

__all__ = ["CROSSCHECK_VERSION", "RULES", "CrossCheck", "CrossChecks", "cross_check"]

CROSSCHECK_VERSION = "1"

RULES = {
    "calm_below": 0.5,
    "raised_above": 1.0,
    "strong_severity": 3.0,
    "asr_confidence": 0.4,
    "emotion_probability": 0.6,
}
"""A voice is calm when the whole 95 % interval of its arousal lies below ``calm_below``, raised when all of it lies
above ``raised_above`` (spreads of the speaker's own turns); words are strong with a finding of at least
``strong_severity``; below ``asr_confidence`` the words are too uncertain to compare; an emotion label counts from
``emotion_probability``."""

LISTEN = "Listen to this passage."

_QUIET_LABELS = frozenset({"neutral", "calm"})
_LOUD_LABELS = frozenset({"angry", "anger", "fear", "fearful", "happy", "surprised", "disgust"})


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class CrossCheck(_Model):
    """One turn: how strong its words are, how strong its voice is, and whether that fits."""

    turn: int
    speaker: str | None
    start: float
    end: float
    text_strength: Literal["strong", "affect", "plain"]
    """``strong``: a finding of severity 3 or 4; ``affect``: a milder finding or words of strong feeling; else plain."""
    findings: list[str]
    """Ids of the findings in the turn."""
    affect_words: list[str]
    voice_strength: Literal["raised", "calm", "between"]
    """By the interval of the arousal-related measures; ``between``: it excludes neither."""
    arousal: float
    arousal_low: float
    arousal_high: float
    emotion: str | None
    """The model's label, where it gives one with enough probability."""
    outcome: Literal["fits", "listen", "undecided"]
    detail: str
    """One sentence."""


class CrossChecks(_Model):
    """The comparison over a recording."""

    version: str
    affect_words_version: str
    rules: dict[str, float]
    compared: int
    listen: list[CrossCheck]
    """Turns to listen to, by time."""
    others: dict[str, int] = Field(default_factory=dict)
    """Outcome → how many of the other turns had it."""
    note: str = (
        "Words and voice are compared; where they differ, the passage should be listened to. Irony, tiredness, reading "
        "aloud, a wrong word or a bad line cause this as well; nothing follows about the speaker."
    )


def cross_check(
    sounds: Sequence[TurnSound],
    emotion: EmotionReport,
    findings: Sequence[Finding] | NotMeasured,
    language: str,
    confidences: Sequence[float | None] = (),
) -> CrossChecks | NotMeasured:
    """Compare words and voice.

    Args:
        sounds: every turn.
        emotion: arousal and, with a model, labels.
        findings: located by time; ``NotMeasured`` counts as none.
        language: of the words.
        confidences: the segments' decoder confidence, 0–1, by segment index; empty when unknown.
    """
    if isinstance(emotion.arousal, NotMeasured):
        return NotMeasured(reason=f"Words and voice can't be compared: {emotion.arousal.reason}")
    arousal = {item.turn: item for item in emotion.arousal}
    labels = {} if isinstance(emotion.turns, NotMeasured) else {item.turn: item for item in emotion.turns}
    located = [] if isinstance(findings, NotMeasured) else list(findings)
    found = [
        _compare(sound, arousal[sound.turn.index], labels.get(sound.turn.index), located, language, confidences)
        for sound in sounds
        if sound.turn.index in arousal
    ]
    rest = [item.outcome for item in found if item.outcome != "listen"]
    return CrossChecks(
        version=CROSSCHECK_VERSION,
        affect_words_version=AFFECT_VERSION,
        rules=RULES,
        compared=len(found),
        listen=[item for item in found if item.outcome == "listen"],
        others={name: rest.count(name) for name in ("fits", "undecided")},
    )


def _compare(  # noqa: PLR0917
    sound: TurnSound,
    arousal: TurnArousal,
    label: TurnEmotion | None,
    findings: Sequence[Finding],
    language: str,
    confidences: Sequence[float | None],
) -> CrossCheck:
    turn = sound.turn
    own = [
        item
        for item in findings
        if item.span.segment in turn.segments and (item.span.start is None or turn.start <= item.span.start < turn.end)
    ]
    words = affect_words(turn.text, language) or []
    text = _text_strength(own, words)
    emotion = _sure_label(label)
    voice = _voice_strength(arousal, emotion)
    weak = [confidences[at] for at in turn.segments if at < len(confidences)]
    uncertain = any(value is not None and value < RULES["asr_confidence"] for value in weak)
    outcome, detail = _outcome(text, voice, uncertain)
    return CrossCheck(
        turn=turn.index,
        speaker=turn.speaker,
        start=round(turn.start, 3),
        end=round(turn.end, 3),
        text_strength=text,
        findings=[item.id for item in own],
        affect_words=words,
        voice_strength=voice,
        arousal=arousal.effect,
        arousal_low=arousal.low,
        arousal_high=arousal.high,
        emotion=emotion,
        outcome=outcome,
        detail=detail,
    )


def _text_strength(findings: Sequence[Finding], words: Sequence[str]) -> Literal["strong", "affect", "plain"]:
    sure = [item for item in findings if not _unconfirmed(item)]
    if any(item.severity >= RULES["strong_severity"] for item in sure):
        return "strong"
    return "affect" if findings or words else "plain"


def _unconfirmed(finding: Finding) -> bool:
    return isinstance(finding.confirmation, Confirmation) and finding.confirmation.status == "unconfirmed"


def _sure_label(label: TurnEmotion | None) -> str | None:
    if label is None or label.label is None or label.probabilities.get(label.label, 0) < RULES["emotion_probability"]:
        return None
    return label.label


def _voice_strength(arousal: TurnArousal, emotion: str | None) -> Literal["raised", "calm", "between"]:
    """The measures decide; a sure label that says the opposite makes the voice ``between``."""
    if arousal.low > RULES["raised_above"]:
        return "between" if emotion in _QUIET_LABELS else "raised"
    if arousal.high < RULES["calm_below"]:
        return "between" if emotion in _LOUD_LABELS else "calm"
    return "between"


def _outcome(text: str, voice: str, uncertain: bool) -> tuple[Literal["fits", "listen", "undecided"], str]:
    if uncertain:
        return "undecided", "The words are too uncertain to compare."
    if voice == "between":
        return "undecided", "The voice measures' interval excludes neither a calm nor a raised voice."
    if text == "strong" and voice == "calm":
        return "listen", f"Strong words in a voice that is not raised. {LISTEN}"
    if text == "plain" and voice == "raised":
        return "listen", f"Plain words in a raised voice. {LISTEN}"
    return "fits", "Words and voice are about equally strong."
