"""Who leaves whom how much time: pauses, response latency, overlap and interruptions, from the times of the turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED
from include.forensic.analysis import Measure, Measurement
from include.forensic.voice_turns import covered
from include.stt import NotMeasured, Word

__all__ = ["INTERRUPTION", "PAUSE_S", "FloorMeasures", "floor_measures", "pauses"]

PAUSE_S = 0.25
"""A silence inside a speaker's stretch counts as a pause from here on (Goldman-Eisler 1968: shorter ones are part of
articulation)."""

INTERRUPTION = {"before_end_s": 0.3, "goes_on_s": 1.0}
"""A turn interrupts when it begins at least ``before_end_s`` before another speaker's turn ends and goes on for at
least ``goes_on_s`` after that end. Shorter ones are listener signals (네, 응, mhm). A definition, no judgement."""

Floor = Sequence[tuple[float, float, str]]


class FloorMeasures(BaseModel):
    """Timing of one speaker against the others. Descriptions of times, nothing about why."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )

    turns: Measurement
    """How often the speaker has the floor."""
    talking_share: Measurement
    """The speaker's time over all speakers' time, 0–1."""
    response_latency_s: Measurement
    """Median gap between another speaker's end and this speaker's next start, where nobody speaks in between."""
    overlap_s: Measurement
    """Seconds in which somebody else speaks at the same time."""
    interruptions: Measurement
    """How often this speaker interrupts, by :data:`INTERRUPTION`."""
    interrupted: Measurement
    """How often this speaker is interrupted, likewise."""


def floor_measures(speaker: str | None, floor: Floor, source: str) -> FloorMeasures:
    """The timing of ``speaker``; not measured where speakers were not separated.

    Args:
        speaker: as in the transcript.
        floor: (start, end, speaker) by time.
        source: where the floor's times come from.
    """
    speakers = {item[2] for item in floor}
    if speaker is None or len(speakers) < 2:
        none = NotMeasured(reason="Fewer than two speakers were told apart.")
        return FloorMeasures.model_validate(dict.fromkeys(FloorMeasures.model_fields, none))
    own = [(start, end) for start, end, who in floor if who == speaker]
    others = [(start, end) for start, end, who in floor if who != speaker]
    time = {who: covered([(start, end) for start, end, one in floor if one == who]) for who in speakers}
    together = covered(own) + covered(others) - covered([*own, *others])
    gaps = _latencies(own, others)
    return FloorMeasures(
        turns=_count(len(own), source),
        talking_share=Measure(
            value=round(time[speaker] / sum(time.values()), 4), unit="share of all speakers' time", method=source
        ),
        response_latency_s=Measure(
            value=round(float(np.median(gaps)), 3),
            unit="s",
            method=f"median of {len(gaps)} gaps after another speaker's end; overlapping starts left out; {source}",
        )
        if len(gaps) >= 3
        else NotMeasured(reason=f"Only {len(gaps)} turns follow another speaker's without overlap; 3 are needed."),
        overlap_s=Measure(value=round(together, 2), unit="s", method=f"both speak at once; {source}"),
        interruptions=_count(_interruptions(own, others), _rule(source)),
        interrupted=_count(_interruptions(others, own), _rule(source)),
    )


def _count(value: int, method: str) -> Measure:
    return Measure(value=float(value), unit="count", method=method)


def _rule(source: str) -> str:
    return (
        f"begins >= {INTERRUPTION['before_end_s']} s before the other's end and goes on >= "
        f"{INTERRUPTION['goes_on_s']} s after it; {source}"
    )


def _latencies(own: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]) -> list[float]:
    """Gaps from the latest end before each own start, where that is another speaker's and nobody is still talking."""
    found = []
    ends = sorted([(end, True) for _, end in others] + [(end, False) for _, end in own])
    for start, _ in own:
        if any(first < start < last for first, last in others):
            continue
        before = [item for item in ends if item[0] <= start]
        if before and before[-1][1]:
            found.append(start - before[-1][0])
    return found


def _interruptions(who: Sequence[tuple[float, float]], whom: Sequence[tuple[float, float]]) -> int:
    early, on = INTERRUPTION["before_end_s"], INTERRUPTION["goes_on_s"]
    return sum(any(first < start <= last - early and end >= last + on for first, last in whom) for start, end in who)


def pauses(words: Sequence[Word], others: Sequence[tuple[float, float]]) -> tuple[Measurement, Measurement]:
    """Pauses per minute of the speaker's words, and their median length in seconds.

    A pause is a gap of :data:`PAUSE_S` to 3 s between two of the speaker's words while nobody else speaks: longer gaps
    are the other party's silence as much as this one's.
    """
    timed = sorted((word.start, word.end) for word in words if word.start is not None and word.end is not None)
    if len(timed) < 10:
        none = NotMeasured(reason=f"Only {len(timed)} words with times; 10 are needed.")
        return none, none
    gaps = []
    reached = timed[0][1]
    for start, end in timed[1:]:
        if PAUSE_S <= start - reached <= 3.0 and not any(first < start and reached < last for first, last in others):
            gaps.append(start - reached)
        reached = max(reached, end)
    method = f"gaps of {PAUSE_S}-3 s between the speaker's words while nobody else speaks"
    rate = Measure(value=round(60 * len(gaps) / covered(timed), 2), unit="per minute of words", method=method)
    if not gaps:
        return rate, NotMeasured(reason="No pauses were found.")
    return rate, Measure(value=round(float(np.median(gaps)), 3), unit="s", method=f"median of {len(gaps)} {method}")
