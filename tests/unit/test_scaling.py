"""The scaling table at its borders, and what must hold of it everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.pipeline.scaling import Scaling, scaling_for

QUIET = {"alert": False}


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ((0, 1, 5), Scaling("shrink", 2, 2, **QUIET)),
        ((6, 13, 20), Scaling("hold", 2, 2, **QUIET)),
        ((21, 50), Scaling("grow", 4, 4, **QUIET)),
        ((51, 100), Scaling("grow", 8, 6, **QUIET)),
        ((101, 10_000), Scaling("grow", 10, 8, alert=True)),
    ],
)
def test_the_users_table(depths: tuple[int, ...], expected: Scaling) -> None:
    assert {scaling_for(depth) for depth in depths} == {expected}


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_longer_queue_never_asks_for_fewer(one: int, other: int) -> None:
    short, long = scaling_for(min(one, other)), scaling_for(max(one, other))
    assert short.stt_workers <= long.stt_workers
    assert short.forensic_workers <= long.forensic_workers
    order = ["shrink", "hold", "grow"]
    assert order.index(short.action) <= order.index(long.action)
    assert short.alert <= long.alert


@given(st.integers(0, 10**9))
def test_only_the_last_row_alerts(depth: int) -> None:
    assert scaling_for(depth).alert == (depth > 100)
    assert scaling_for(depth).stt_workers >= scaling_for(depth).forensic_workers >= 2


def test_a_negative_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        scaling_for(-1)
