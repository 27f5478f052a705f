"""Everything that was not measured, found by walking the documents: nothing has to remember to list itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from include.forensic import Analysis, SpeakerVoice
from include.stt import NotMeasured, Transcript

__all__ = ["Gap", "find_gaps"]


@dataclass(frozen=True)
class Gap:
    """One thing that was not measured."""

    path: str
    """Where it stands, without list positions: ``analysis.acoustics.f0_median_hz``."""
    reason: str
    """As the part that didn't measure it wrote it."""
    speakers: tuple[str | None, ...]
    """The speakers it concerns; empty when it isn't a speaker's value."""


def _walk(value: object, path: str, speaker: tuple[str | None, ...]) -> Iterator[Gap]:
    if isinstance(value, NotMeasured):
        yield Gap(path, value.reason, speaker)
    elif isinstance(value, BaseModel):
        inner = (value.speaker,) if isinstance(value, SpeakerVoice) else speaker
        for name in type(value).model_fields:
            yield from _walk(getattr(value, name), f"{path}.{name}", inner)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}", speaker)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _walk(item, path, speaker)


def find_gaps(transcript: Transcript, analysis: Analysis) -> list[Gap]:
    """Every :class:`NotMeasured` of both documents in document order; the same reason for several speakers is one."""
    merged: dict[tuple[str, str], tuple[str | None, ...]] = {}
    for root, document in (("transcript", transcript), ("analysis", analysis)):
        for gap in _walk(document, root, ()):
            known = merged.get((gap.path, gap.reason), ())
            merged[gap.path, gap.reason] = known + tuple(one for one in gap.speakers if one not in known)
    return [Gap(path, reason, speakers) for (path, reason), speakers in merged.items()]
