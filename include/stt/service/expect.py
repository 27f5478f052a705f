"""Whether the service's engine is the one that the caller means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import ModelError
from include.stt.facts import engine_info

if TYPE_CHECKING:
    from include.stt.transcript import Engine

__all__ = ["difference"]

_OF_THE_DEVICE = {"compute_type", "decode_batch_size"}
"""Parameters that belong to where it runs, as the device itself."""


_MOST = 70  # a digest is 64


def difference(served: Engine, model: str | None, digest: str) -> str | None:
    """What makes the service's engine another one than expected; None when nothing does.

    Args:
        served: the service's engine.
        model: the Whisper weights that are wanted; the setting's when None.
        digest: the settings digest that it must have; when empty, weights, versions and parameters must be those that
            this process would use, while device and compute type may differ (each transcript names them).
    """
    if digest:
        return None if served.settings_digest == digest else f"its digest is {served.settings_digest}, not {digest}"
    try:
        own = engine_info(model)
    except ModelError as error:
        return (
            f"it can't be compared with this process's own ({error}); name the one that is meant in VOICEMAN_STT_DIGEST"
        )
    if served.settings_digest == own.settings_digest:
        return None
    found = [f"name {served.name}, not {own.name}"] if served.name != own.name else []
    for what in ("weights", "versions", "parameters"):
        theirs, ours = _flat(getattr(served, what)), _flat(getattr(own, what))
        for key in sorted(theirs.keys() | ours.keys()):
            if theirs.get(key) != ours.get(key) and not (what == "parameters" and key in _OF_THE_DEVICE):
                found.append(f"{what} {key} is {_short(theirs.get(key))}, not {_short(ours.get(key))}")
    return "; ".join(found[:4]) or None


def _flat(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    """``{"vad": {"onset": 1}}`` as ``{"vad.onset": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return flat


def _short(value: object) -> str:
    told = str(value)
    return told if len(told) <= _MOST else told[: _MOST - 1] + "…"
