"""Which rules masked: one digest over the code and the lists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["rules_digest"]

_PACKAGE: Final = Path(__file__).resolve().parent


@cache
def _code_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(one for one in _PACKAGE.rglob("*") if one.suffix in (".py", ".txt")):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def rules_digest(terms: Sequence[str] = ()) -> str:
    """SHA-256 (hex) over the rules, their lists and a lab's own terms; with terms it must not leave the house, because
    a dictionary tells them from it."""
    return hashlib.sha256("\n".join([_code_digest(), *sorted(terms)]).encode()).hexdigest()
