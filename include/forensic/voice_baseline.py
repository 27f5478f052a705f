"""A speaker's own baseline within one recording, and how far a turn lies from it.

The baseline of a turn is the median of the *other* turns of the same speaker; the spread is their scaled median
absolute deviation, never below what a listener can just notice. No other speaker and no other recording is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from include.forensic.voice_sounds import TurnSound

__all__ = ["LEAST_SPREAD", "MINIMUM_TURNS", "Departure", "departures"]

MINIMUM_TURNS = 8
"""Fewer measured turns of a speaker than this are no baseline."""

LEAST_SPREAD = {
    "f0_median_st": 0.5,
    "f0_range_st": 1.0,
    "intensity_db": 1.0,
    "balance_db": 1.0,
    "speech_rate": 0.3,
    "hnr_db": 1.0,
    "jitter": 0.002,
    "shimmer": 0.01,
}
"""Smallest spread that is used, in each measure's unit: about what listeners just notice (F0: 't Hart 1981, JASA 69:
811-821, 1.5 to 3 semitones in speech are heard, so half a semitone is never called far; rate: Quené 2007, J. Phonetics
35: 353-362, 5 %)."""


@dataclass(frozen=True, slots=True)
class Departure:
    """One measure of one turn against the speaker's other turns."""

    measure: str
    value: float
    baseline: float
    effect_size: float
    """(value - baseline) / spread, in spreads of the speaker's own turns."""
    turns: int
    """How many other turns make the baseline."""


def departures(sounds: Sequence[TurnSound]) -> dict[int, list[Departure]]:
    """Turn index → its departures, for turns whose speaker has a baseline in that measure.

    Turns in which two people are heard for more than a fifth of the time are left out, as values and from baselines.
    """
    found: dict[int, list[Departure]] = {}
    clean = [sound for sound in sounds if sound.overlapped_s <= 0.2 * (sound.turn.end - sound.turn.start)]
    for speaker in dict.fromkeys(sound.turn.speaker for sound in clean):
        own = [sound for sound in clean if sound.turn.speaker == speaker and sound.values]
        for measure, least in LEAST_SPREAD.items():
            having = [sound for sound in own if measure in sound.values]
            if len(having) < MINIMUM_TURNS + 1:
                continue
            values = np.array([sound.values[measure] for sound in having])
            for at, sound in enumerate(having):
                others = np.delete(values, at)
                middle = float(np.median(others))
                spread = max(least, 1.4826 * float(np.median(np.abs(others - middle))))
                effect = (float(values[at]) - middle) / spread
                found.setdefault(sound.turn.index, []).append(
                    Departure(measure, float(values[at]), middle, effect, len(others))
                )
    return found
