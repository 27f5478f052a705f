"""Canonical JSON (RFC 8785), quickly: the C encoder of :mod:`json` where it writes the same bytes, else ``rfc8785``.

The two agree on strings, on sorted ASCII keys, on integers up to 2⁵³ and on numbers that need no exponent. An
attestation has 150 values, and one is made for each stage of each recording: ``rfc8785`` took most of its time.
"""

from __future__ import annotations

import json
from typing import Any

import rfc8785

__all__ = ["canonical"]

_LARGEST = 2**53 - 1


class _OtherwiseError(Exception):
    """A value that the two may write differently."""


def canonical(value: Any) -> bytes:
    """The value as JSON by RFC 8785.

    Raises:
        rfc8785.CanonicalizationError: it can't be written so (not a number, beyond 2⁵³, a key that is no string).
    """
    try:
        same = _same(value)
        return json.dumps(same, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
    except (_OtherwiseError, UnicodeEncodeError, RecursionError):
        try:
            return rfc8785.dumps(value)
        except UnicodeEncodeError as error:
            raise rfc8785.CanonicalizationError("a lone surrogate") from error


def _same(value: Any) -> Any:
    """The value, when both write it alike; whole numbers as integers, as RFC 8785 writes them."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        if not all(type(key) is str and key.isascii() for key in value):
            raise _OtherwiseError
        return {key: _same(one) for key, one in value.items()}
    if kind is list or kind is tuple:
        return [_same(one) for one in value]
    if kind is int and -_LARGEST <= value <= _LARGEST:
        return value
    if kind is float and value == 0.0:
        return 0
    if kind is float and 1e-4 <= abs(value) < 1e15:  # Python writes these without an exponent, too
        return int(value) if value.is_integer() else value
    raise _OtherwiseError
