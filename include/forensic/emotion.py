"""Emotion as a model hears it in the voice, per turn: probabilities, the model's measured accuracy, and abstention.

A label describes how a voice *sounds* to a model that was trained on other people, mostly acting. It is no statement
about what a person felt. Without a model only arousal-related measures are given: how high, wide, loud, bright and fast
a turn is against the same speaker's other turns (Juslin & Laukka 2003, Psychological Bulletin 129(5): 770-814: these
rise with arousal, whatever the emotion).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED
from include.errors import ModelError
from include.forensic.emotion_model import Accuracy
from include.forensic.voice_baseline import Departure, departures
from include.forensic.voice_sounds import TurnSound
from include.forensic.voice_turns import VoiceTurn
from include.stt import NotMeasured

__all__ = [
    "AROUSAL_MEASURES", "EmotionInfo", "EmotionReport", "EmotionSource", "TurnArousal", "TurnEmotion", "TurnReading",
    "describe_emotion", "load_emotion", "turn_arousal",
]  # fmt: skip

Audio = NDArray[np.float32]

AROUSAL_MEASURES = ("f0_median_st", "f0_range_st", "intensity_db", "balance_db", "speech_rate")
"""Measures that rise with arousal; their effect sizes against the speaker's own baseline are averaged."""

EMOTION_NOTE = (
    "How the voice sounds to the model, not what the person felt. Models learn from acted or labelled speech of other "
    "people; recall on spontaneous telephone speech is lower than on their test data."
)


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class TurnArousal(_Model):
    """How far a turn's arousal-related measures lie above (or below) the speaker's own baseline."""

    turn: int
    speaker: str | None
    start: float
    end: float
    effect: float
    """Mean effect size over the measures at hand, in spreads of the speaker's other turns."""
    low: float
    high: float
    """95 % interval from the measures' disagreement and the size of the baseline."""
    measures: dict[str, float]
    """Measure → effect size."""


class TurnEmotion(_Model):
    """What the model says about one turn."""

    turn: int
    speaker: str | None
    start: float
    end: float
    label: str | None
    """None: the model abstains."""
    abstained: str | None
    """Why there is no label."""
    probabilities: dict[str, float]
    """Empty where the model could not read the turn, or gives no classes."""
    dimensions: dict[str, float]
    """Arousal, valence, dominance as the model scales them; empty for models with classes."""


class EmotionInfo(_Model):
    """Which model, and what it is worth."""

    name: str
    kind: Literal["trained on features", "audio classification", "dimensional"]
    digests: dict[str, str]
    """SHA-256 by file."""
    trained_on: str
    accuracy: Accuracy | NotMeasured
    """Measured with this software on speakers that the model was not trained on."""
    accuracy_unseen_texts: Accuracy | NotMeasured
    abstain_below: float


class EmotionReport(_Model):
    """Emotion and arousal of a recording's turns."""

    arousal: list[TurnArousal] | NotMeasured
    turns: list[TurnEmotion] | NotMeasured
    model: EmotionInfo | None
    note: str = EMOTION_NOTE


@dataclass(frozen=True, slots=True)
class TurnReading:
    """A model's answer for one turn."""

    probabilities: dict[str, float]
    dimensions: dict[str, float]
    reason: str | None = None
    """Why the model could not read the turn."""


class EmotionSource(Protocol):
    """A loaded model."""

    info: EmotionInfo
    wants_functionals: bool

    def read(
        self, sounds: Sequence[TurnSound], audio_of: Callable[[VoiceTurn], Audio], sample_rate: int
    ) -> dict[int, TurnReading]:
        """Turn index → what the model says."""
        ...


def load_emotion(folder: Path, whisper: Path) -> EmotionSource:
    """The model in a directory: our own (``model.json``) or a Hugging Face one (``config.json``).

    Args:
        folder: VOICEMAN_EMOTION_MODEL.
        whisper: directory of the Whisper base weights, which our own models may read.

    Raises:
        ModelError: neither, or damaged.
    """
    if (folder / "model.json").is_file():
        from include.forensic.emotion_own import OwnEmotion

        return OwnEmotion(folder, whisper)
    if (folder / "config.json").is_file():
        from include.forensic.emotion_hf import HubEmotion

        return HubEmotion(folder)
    raise ModelError(f"{folder} holds no emotion model (model.json or config.json); set VOICEMAN_EMOTION_MODEL.")


def turn_arousal(sounds: Sequence[TurnSound]) -> list[TurnArousal] | NotMeasured:
    """Arousal-related measures of every turn whose speaker has a baseline, by time."""
    found = departures(sounds)
    by_index = {sound.turn.index: sound for sound in sounds}
    series = []
    for index, items in sorted(found.items()):
        own = [item for item in items if item.measure in AROUSAL_MEASURES]
        if len(own) >= 3:
            series.append(_arousal(by_index[index].turn, own))
    if not series:
        return NotMeasured(reason="No turn has three arousal-related measures and a baseline of its speaker.")
    return series


def _arousal(turn: VoiceTurn, items: Sequence[Departure]) -> TurnArousal:
    effects = np.array([np.clip(item.effect_size, -6, 6) for item in items])
    middle = float(effects.mean())
    # a median of n normal values has a standard error of 1.2533 / sqrt(n) spreads
    error = sqrt(float(effects.var(ddof=1)) / len(effects) + 1.2533**2 / min(item.turns for item in items))
    return TurnArousal(
        turn=turn.index,
        speaker=turn.speaker,
        start=round(turn.start, 3),
        end=round(turn.end, 3),
        effect=round(middle, 3),
        low=round(middle - 1.96 * error, 3),
        high=round(middle + 1.96 * error, 3),
        measures={item.measure: round(item.effect_size, 2) for item in items},
    )


def describe_emotion(
    sounds: Sequence[TurnSound],
    source: EmotionSource | None,
    audio_of: Callable[[VoiceTurn], Audio],
    sample_rate: int,
    *,
    off_reason: str = "No emotion model is configured (VOICEMAN_EMOTION_MODEL).",
) -> EmotionReport:
    """Arousal-related measures and, with a model, its answer per turn.

    Args:
        sounds: every turn (:func:`include.forensic.voice_sounds.measure_turns`).
        source: a loaded model; None for none.
        audio_of: cuts a turn from the recording.
        sample_rate: Hz.
        off_reason: why there is no model, for the output.
    """
    arousal = turn_arousal(sounds)
    if source is None:
        return EmotionReport(arousal=arousal, turns=NotMeasured(reason=off_reason), model=None)
    readings = source.read(sounds, audio_of, sample_rate)
    turns = [_turn_emotion(sound, readings[sound.turn.index], source.info) for sound in sounds]
    return EmotionReport(arousal=arousal, turns=turns, model=source.info)


def _turn_emotion(sound: TurnSound, reading: TurnReading, info: EmotionInfo) -> TurnEmotion:
    label, reason = None, reading.reason
    if reason is None and sound.overlapped_s > 0.2 * (sound.turn.end - sound.turn.start):
        reason = "Two speakers are heard at once."
    if reason is None and reading.probabilities:
        best = max(reading.probabilities, key=lambda name: reading.probabilities[name])
        if reading.probabilities[best] >= info.abstain_below:
            label = best
        else:
            reason = f"No class reaches the probability {info.abstain_below:g}."
    elif reason is None:
        reason = "The model gives no classes."
    return TurnEmotion(
        turn=sound.turn.index,
        speaker=sound.turn.speaker,
        start=round(sound.turn.start, 3),
        end=round(sound.turn.end, 3),
        label=label,
        abstained=None if label is not None else reason,
        probabilities={name: round(value, 4) for name, value in reading.probabilities.items()},
        dimensions={name: round(value, 4) for name, value in reading.dimensions.items()},
    )
