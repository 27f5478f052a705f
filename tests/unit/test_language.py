"""Languages of windows and of recordings."""

import pytest

from include.stt import language
from include.stt.vad import pack, subtract
from include.stt.work import Window


def window(start: float, end: float) -> Window:
    return Window(0, 0, start, end, "auto")


def test_windows_count_by_their_length() -> None:
    found = [
        (window(0, 20), (("ko", 0.7), ("en", 0.3))),
        (window(20, 24), (("en", 1.0), ("ko", 0.0))),
    ]
    assert language.overall(found) == ("ko", pytest.approx(0.5833))


def test_sampled_windows_are_spread_over_the_recording() -> None:
    windows = [window(n * 10, n * 10 + 9) for n in range(41)]
    assert [one.start for one in language.sample(windows)] == [0, 100, 200, 300, 400]
    short = [window(0, 0.5), window(10, 18), window(20, 21)]
    assert language.sample(short) == [short[1]]
    assert language.sample(short[:1]) == short[:1]


def test_another_language_needs_a_long_window_or_two() -> None:
    def found(*spans: tuple[float, float, str, float]) -> dict[Window, str]:
        return language.elsewhere([(window(start, end), ((code, sure),)) for start, end, code, sure in spans], "ko")

    assert found((0, 14, "ko", 0.9), (14, 28, "en", 0.95)) == {window(14, 28): "en"}
    assert found((0, 14, "ko", 0.9), (14, 18, "en", 0.95)) == {}
    assert found((0, 4, "en", 0.9), (14, 18, "en", 0.95)) == {window(0, 4): "en", window(14, 18): "en"}
    assert found((0, 4, "en", 0.9), (14, 18, "ja", 0.95)) == {}
    assert found((0, 14, "en", 0.7), (14, 28, "en", 0.7)) == {}
    assert found((0, 1, "en", 0.9), (14, 15, "en", 0.95)) == {}


def test_regions_are_packed_whole() -> None:
    regions = [(0.0, 4.0), (5.0, 9.0), (10.0, 16.0), (40.0, 75.0)]
    assert pack(regions, 14.0) == [
        (0.0, 9.0), (10.0, 16.0), (40.0, pytest.approx(51.667, abs=0.001)),
        (pytest.approx(51.667, abs=0.001), pytest.approx(63.333, abs=0.001)), (pytest.approx(63.333, abs=0.001), 75.0),
    ]  # fmt: skip
    assert pack([], 14.0) == []


def test_what_nothing_covers() -> None:
    assert subtract([(0.0, 10.0)], [(2.0, 5.0), (4.0, 9.5)], 0.8) == [(0.0, 2.0)]
    assert subtract([(0.0, 10.0), (20.0, 21.0)], [], 0.8) == [(0.0, 10.0), (20.0, 21.0)]
    assert subtract([(0.0, 10.0)], [(-1.0, 12.0)], 0.8) == []
