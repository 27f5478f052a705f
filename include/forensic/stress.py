"""Departure of voice measures from the speaker's own baseline, per turn.

The vocabulary says "stress"; what is measured is only that the voice was different from the same person's other turns
in the same recording. Illness, effort, noise on the line, distance to the microphone, laughter, another room or a topic
all do that. It is no indicator of whether somebody tells the truth: devices sold for that work at chance
(docs/voice.md cites the studies).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, sqrt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from include.described import DESCRIBED
from include.forensic.voice_baseline import LEAST_SPREAD, MINIMUM_TURNS, Departure, departures
from include.forensic.voice_models import TURN_MEASURES
from include.forensic.voice_sounds import TurnSound
from include.stt import NotMeasured

__all__ = [
    "LIMITS_NOTE",
    "MOVED",
    "STRESS_VERSION",
    "MovedMeasure",
    "TurnDeparture",
    "VoiceDepartures",
    "voice_departures",
]

STRESS_VERSION = "1"

MOVED = 2.5
"""A measure has moved when its effect size is at least this, either way."""

NEEDED = 2
"""Measures that must have moved for a turn to be listed: one alone moves often by chance."""

LIMITS_NOTE = (
    "The voice in these turns differs from the same speaker's other turns of this recording. The cause is not "
    "measured: effort, illness, laughter, background noise, distance to the microphone and topic all do this. It says "
    "nothing about whether what was said is true."
)


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class MovedMeasure(_Model):
    """A measure that lies far from the speaker's baseline."""

    measure: str
    value: float
    baseline: float
    """Median of the speaker's other turns."""
    unit: str
    effect_size: float
    """(value - baseline) over the scaled median absolute deviation of the speaker's other turns."""
    direction: Literal["higher", "lower"]


class TurnDeparture(_Model):
    """A turn in which at least two measures moved."""

    turn: int
    speaker: str | None
    start: float
    end: float
    moved: list[MovedMeasure]
    """Strongest first."""
    compared: int
    """How many measures of the turn had a baseline."""


class VoiceDepartures(_Model):
    """All turns that depart from their speaker's own baseline."""

    method: str
    version: str
    turns_compared: int
    listed: list[TurnDeparture]
    """By time."""
    expected_by_chance: float
    """How many turns would be listed if the measures of a turn were independent and normally distributed."""
    speakers_without_baseline: list[str] = Field(default_factory=list)
    """With fewer measured turns than a baseline needs."""
    note: str = LIMITS_NOTE


def voice_departures(sounds: Sequence[TurnSound]) -> VoiceDepartures | NotMeasured:
    """List the turns whose voice measures lie far from the speaker's other turns.

    Args:
        sounds: every turn of the recording (:func:`include.forensic.voice_sounds.measure_turns`).
    """
    found = departures(sounds)
    if not found:
        return NotMeasured(reason=f"No speaker has {MINIMUM_TURNS + 1} measured turns, which a baseline needs.")
    by_index = {sound.turn.index: sound for sound in sounds}
    with_baseline = {by_index[index].turn.speaker for index in found}
    without = [speaker for speaker in dict.fromkeys(s.turn.speaker for s in sounds) if speaker not in with_baseline]
    listed = [_listed(by_index[index], items) for index, items in sorted(found.items())]
    return VoiceDepartures(
        method=(
            f"(value - median) / scaled MAD of the same speaker's other turns; moved: |effect| >= {MOVED:g}; listed: "
            f">= {NEEDED} measures moved; measures: {', '.join(LEAST_SPREAD)}"
        ),
        version=STRESS_VERSION,
        turns_compared=len(found),
        listed=[item for item in listed if len(item.moved) >= NEEDED],
        expected_by_chance=round(sum(_chance(len(items)) for items in found.values()), 2),
        speakers_without_baseline=[speaker or "unknown" for speaker in without],
    )


def _listed(sound: TurnSound, items: Sequence[Departure]) -> TurnDeparture:
    moved = sorted((item for item in items if abs(item.effect_size) >= MOVED), key=lambda item: -abs(item.effect_size))
    return TurnDeparture(
        turn=sound.turn.index,
        speaker=sound.turn.speaker,
        start=round(sound.turn.start, 3),
        end=round(sound.turn.end, 3),
        moved=[
            MovedMeasure(
                measure=item.measure,
                value=round(item.value, 4),
                baseline=round(item.baseline, 4),
                unit=TURN_MEASURES[item.measure],
                effect_size=round(item.effect_size, 2),
                direction="higher" if item.effect_size > 0 else "lower",
            )
            for item in moved
        ],
        compared=len(items),
    )


def _chance(measures: int) -> float:
    """Probability that at least :data:`NEEDED` (two) of independent normal measures move by chance."""
    p = erfc(MOVED / sqrt(2))
    return 1 - (1 - p) ** measures - measures * p * (1 - p) ** (measures - 1)
