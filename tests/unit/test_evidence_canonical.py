"""The quick way writes what RFC 8785 says, byte for byte."""

import math
import random
from typing import Any

import pytest
import rfc8785

from include.evidence import canonical

TEXTS = ["", "a", '"\\/\b\f\n\r\t', "\x00\x1f\x7f", "통화 \U0001f600", "</script>", "é\u2028\ufeff"]
NUMBERS = [
    0, -1, 2**53 - 1, -(2**53 - 1), 0.0, -0.0, 1.0, -3.0, 0.1, 1 / 3, 1e-4, 9.999e-5, 1e-7, 5e-324, 1e15, 1e16, 1e21,
    1e22, 123456789012345.6, 1.7976931348623157e308, 0.000001, 333333333.33333329, 4.5e-5,
]  # fmt: skip


@pytest.mark.parametrize("value", [*TEXTS, *NUMBERS, None, True, False, [], {}, (), [()], {"é": 1, "e": 2, "": 3}])
def test_single_values(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)
    assert canonical({"x": [value]}) == rfc8785.dumps({"x": [value]})


def made(source: random.Random, depth: int) -> Any:
    kind = source.randrange(8 if depth else 6)
    if kind == 0:
        return source.choice(TEXTS)
    if kind == 1:
        return source.choice(NUMBERS)
    if kind == 2:
        return source.uniform(-1, 1) * 10 ** source.randrange(-25, 25)
    if kind == 3:
        return source.randrange(-(2**53) + 1, 2**53)
    if kind in (4, 5):
        return source.choice([None, True, False])
    if kind == 6:
        return [made(source, depth - 1) for _ in range(source.randrange(5))]
    keys = [*TEXTS, "b", "B", "10", "9"]
    return {source.choice(keys): made(source, depth - 1) for _ in range(source.randrange(5))}


def test_random_documents() -> None:
    source = random.Random(8785)
    for _ in range(5000):
        value = made(source, 4)
        assert canonical(value) == rfc8785.dumps(value), value


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53 + 1, {1: 2}, "\ud800", {"\ud800": 1}, {"x": b"y"}])
def test_what_can_not_be_written_is_refused(value: Any) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical(value)
