"""What each observation is called, may mean and can't show, in both languages."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ObservationText", "label", "text_of", "texts"]

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class ObservationText:
    """The words for one kind of observation."""

    what: str
    meaning: str
    limits: str


@cache
def _table(language: str) -> tuple[dict[str, ObservationText], dict[str, str]]:
    raw = tomllib.loads((_PACKAGE / f"observations_{language}.toml").read_text(encoding="utf-8"))
    limits = raw["limits"]
    found = {
        f"{group}.{kind}": ObservationText(one["what"], one["meaning"], limits.get(one["limits"], one["limits"]))
        for group, kinds in raw.items()
        if group not in ("limits", "labels")
        for kind, one in kinds.items()
    }
    return found, raw["labels"]


def texts(language: str) -> dict[str, ObservationText]:
    """All of them by id, in ``ko`` or ``en``."""
    return _table(language)[0]


def text_of(kind: str, language: str) -> ObservationText | None:
    """The words for an id; None for one of another version, whose document carries English words."""
    return _table(language)[0].get(kind)


def label(name: str, language: str) -> str:
    """What a value is called; its name where there is no word for it."""
    return _table(language)[1].get(name, name)
