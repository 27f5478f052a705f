"""Lost audio: found in decoded frames' times, the decoder's messages, the declared duration and the file's structure.

A damaged file decodes "successfully" with seconds missing. What tells: (1) *time stamps*: a frame that begins later
than the last one ended, whether its neighbours were undecodable, a page was lost or the container jumps; (2) the
*declared duration* less what was decoded and less those jumps is what is missing at the end; (3) the *decoder's
messages*; (4) the *structure* (:mod:`include.stt.framewalk`) where no duration is declared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.errors import AudioError
from include.stt.framewalk import Structure, walk
from include.stt.transcript import NotMeasured, QualityFlag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from include.stt.probe import Probe

__all__ = ["Loss", "Timeline", "find_loss", "refuse_loss"]

TOLERATED_S = 1.0
"""More audio missing than this (at the end, or through damage) refuses the recording."""

_END_S = 0.25  # encoders pad and trim a few frames at both ends; containers round
_JUMP_S = 0.008  # Matroska rounds times to 1 ms, Opus in it wanders by 2 ms; an AMR frame lasts 20 ms
_COARSE_S = {"asf": 0.1}  # Windows Media times its first and last frames roughly
_NEAR_S = 2.0  # jumps this near to each other are one place
_MOST_PLACES = 50


class Timeline:
    """Jumps in the times of decoded frames, read from the lines of ffmpeg's ``framecrc`` muxer as they come."""

    def __init__(self) -> None:
        self.jumps: list[tuple[float, float]] = []
        """(seconds decoded before it, seconds jumped); jumps back are negative."""
        self.start_s = 0.0
        """Time of the first frame."""
        self.drift_s = 0.0
        """Sum of the jumps too small to list."""
        self._rest = b""
        self._unit = 0.0
        self._next: int | None = None
        self._decoded = 0

    def feed(self, block: bytes) -> None:
        """Take the next bytes of ``framecrc``."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            if line.startswith(b"#tb"):
                numerator, denominator = line.split()[-1].split(b"/")
                self._unit = int(numerator) / int(denominator)
            elif line and not line.startswith(b"#"):
                _, _, pts, duration, _ = line.split(b",", 4)
                self._frame(int(pts), int(duration))

    def _frame(self, pts: int, duration: int) -> None:
        if self._next is not None and pts != self._next:
            jump = (pts - self._next) * self._unit
            if abs(jump) >= _JUMP_S:
                self.jumps.append((self._decoded * self._unit, jump))
            else:
                self.drift_s += jump
        if self._next is None:
            self.start_s = pts * self._unit
        self._next, self._decoded = pts + duration, self._decoded + duration

    def places(self, least_s: float = _JUMP_S) -> list[tuple[float, float]]:
        """(seconds decoded before it, seconds jumped), jumps near to each other taken together."""
        merged: list[list[float]] = []
        last = -_NEAR_S
        for at, jump in self.jumps:
            if merged and at - last <= _NEAR_S:
                merged[-1][1] += jump
            else:
                merged.append([at, jump])
            last = at
        return [(at, jump) for at, jump in merged if abs(jump) >= least_s]


@dataclass(frozen=True)
class Loss:
    """What is missing of a recording."""

    flags: list[QualityFlag] = field(default_factory=list)
    missing_s: float | NotMeasured = 0.0
    """Seconds that were declared (by the header, by time stamps or by the structure) and not decoded, never below 0."""
    end_s: float = 0.0
    """Of these at the end."""
    damaged_s: float = 0.0
    """Of these elsewhere, where something shows damage rather than a pause of the recorder."""
    damaged_at_s: float | None = None


_REPEATED = re.compile(r"\s*Last message repeated (\d+) times")


def _count(said: Sequence[str]) -> int:
    return sum(int(again[1]) if (again := _REPEATED.fullmatch(line)) else 1 for line in said if line.strip())


def find_loss(path: Path, found: Probe, decoded_s: float, timeline: Timeline, said: Sequence[str]) -> Loss:
    """Put the evidence together.

    Args:
        path: the file that was decoded.
        found: its header.
        decoded_s: seconds of audio that came out.
        timeline: the times of what came out.
        said: ffmpeg's messages at level ``error``, a line each.
    """
    structure = walk(path, found.container)
    damage = bool(said or structure.damaged)
    places = timeline.places(_COARSE_S.get(found.container, _JUMP_S))
    inside = sum(max(jump, 0.0) for _, jump in places)
    flags = _jump_flags(places, timeline.drift_s, damage)
    for hidden_s, what in (
        (
            timeline.start_s if found.container == "ogg" else 0.0,
            "the time stamps begin there: what came before is not here",
        ),
        (structure.hidden_s, "the header says to leave it out, so it was not decoded"),
    ):
        if hidden_s > _END_S:
            detail = f"{hidden_s:.2f} s at the begin: {what}."
            flags.append(QualityFlag(kind="discontinuity", detail=detail, seconds=round(hidden_s, 3), at_s=0.0))
    damaged_s, damaged_at = (inside, places[0][0] if places else None) if damage else (0.0, None)
    for at, seconds, what in structure.damaged:
        if seconds is None and inside > 0:  # a damaged page: the time stamps already say where and how much
            continue
        lost: float | NotMeasured = (
            NotMeasured(reason="the damage does not tell") if seconds is None else round(seconds, 3)
        )
        flags.append(QualityFlag(kind="missing_audio", detail=f"{_capital(what)}.", seconds=lost, at_s=_rounded(at)))
        if seconds is not None and not found.duration_is_declared:
            damaged_s, damaged_at = damaged_s + seconds, at if damaged_at is None else damaged_at
    end_s, end_flag = _end(found, decoded_s, inside, structure)
    flags += end_flag
    if said:
        flags.append(
            QualityFlag(
                kind="decoder_error",
                detail=f"The decoder reported {_count(said)} errors, the first: {said[0].strip()[:200]}",
                seconds=NotMeasured(reason="what a damaged frame cost is counted where time stamps or lengths show it"),
            )
        )
    return Loss(_limited(flags), _missing(found, decoded_s, damaged_s + end_s, flags), end_s, damaged_s, damaged_at)


def _jump_flags(places: list[tuple[float, float]], drift_s: float, damage: bool) -> list[QualityFlag]:
    flags = []
    for at, jump in places:
        if jump > 0 and damage:
            kind, detail = "missing_audio", f"{jump:.2f} s of audio are missing: frames were lost or not decodable."
        elif jump > 0:
            kind, detail = "discontinuity", f"The time stamps jump {jump:.2f} s ahead without a sign of damage."
        else:
            kind, detail = "discontinuity", f"The time stamps go {-jump:.2f} s back: audio may be doubled."
        flags.append(
            QualityFlag.model_validate(
                {"kind": kind, "detail": detail, "seconds": abs(round(jump, 3)), "at_s": _rounded(at)}
            )
        )
    if abs(drift_s) > _END_S:
        detail = f"The time stamps wander by {drift_s:.2f} s in small steps over the recording."
        flags.append(QualityFlag(kind="discontinuity", detail=detail, seconds=abs(round(drift_s, 3))))
    return flags


def _end(found: Probe, decoded_s: float, inside: float, structure: Structure) -> tuple[float, list[QualityFlag]]:
    """Seconds missing at the end, and the flag for it."""
    declared = (found.duration_s or 0.0) if found.duration_is_declared else 0.0
    missing = max(max(declared - decoded_s, structure.cut_off_s or 0.0) - inside, 0.0)
    if missing > _END_S:
        detail = f"{missing:.2f} s less than declared were decoded: the end is missing, or frames between."
        return missing, [
            QualityFlag(kind="truncated", detail=detail, seconds=round(missing, 3), at_s=_rounded(decoded_s))
        ]
    if structure.cut_off is None:
        return 0.0, []
    unknown = NotMeasured(reason="a file of this kind does not say how long it should be")
    detail = f"The recording seems cut off: {structure.cut_off}."
    return 0.0, [QualityFlag(kind="truncated", detail=detail, seconds=unknown, at_s=_rounded(decoded_s))]


def _missing(found: Probe, decoded_s: float, lost: float, flags: list[QualityFlag]) -> float | NotMeasured:
    if found.duration_is_declared and found.duration_s is not None:
        return round(max(found.duration_s - decoded_s, lost, 0.0), 3)
    if lost > 0:
        return round(lost, 3)
    if any(isinstance(flag.seconds, NotMeasured) and flag.kind != "decoder_error" for flag in flags):
        return NotMeasured(reason="audio is missing, and a file of this kind does not say how much")
    return NotMeasured(reason="this kind of file declares no duration to compare with")


def _limited(flags: list[QualityFlag]) -> list[QualityFlag]:
    """At most 50 places; the rest in one flag."""
    if len(flags) <= _MOST_PLACES:
        return flags
    seconds = [flag.seconds for flag in flags[_MOST_PLACES:] if not isinstance(flag.seconds, NotMeasured)]
    rest = f"{len(flags) - _MOST_PLACES} further places, of the kinds above."
    return [*flags[:_MOST_PLACES], QualityFlag(kind="discontinuity", detail=rest, seconds=round(sum(seconds), 3))]


def _rounded(at: float | None) -> float | None:
    return None if at is None else round(at, 3)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def refuse_loss(name: str, decoded_s: float, loss: Loss) -> None:
    """Refuse a recording of which more than a second is missing at the end or through damage.

    Raises:
        AudioError: says how much is missing and where.
    """
    advice = (
        "ask for the complete file, or set VOICEMAN_ACCEPT_DAMAGED=true to have what is there transcribed and marked."
    )
    lost = loss.end_s + loss.damaged_s
    if lost <= TOLERATED_S:
        return
    if loss.end_s > 0:
        what = f"is cut off or damaged: {decoded_s:.1f} of {decoded_s + lost:.1f} s decode"
    else:
        at = "" if loss.damaged_at_s is None else f", the first at {loss.damaged_at_s:.1f} s"
        what = f"is damaged: {lost:.1f} s of its audio are missing{at}"
    raise AudioError(f"{name} {what}; {advice}")
