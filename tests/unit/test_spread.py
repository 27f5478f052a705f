"""Texts over the machine's cores."""

from __future__ import annotations

import multiprocessing

import pytest

from include.forensic.learned import spread as spreading
from include.forensic.learned.features import plain
from include.forensic.learned.spread import spread
from include.forensic.vectors import sentence_vectors


def test_parts_come_back_in_order_and_no_process_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "TEXTS", 2)
    texts = ["빌려 간 돈", "내일 만나", "", "see you then", "빌려 간 돈"]
    parts = spread(sentence_vectors, texts)
    assert [len(part) for part in parts] == [2, 2, 1]
    for part, alone in zip(parts, [texts[:2], texts[2:4], texts[4:]], strict=True):
        assert abs(part - sentence_vectors(alone)).max() < 1e-5
    assert not multiprocessing.active_children()


def test_a_few_texts_or_none_are_done_here() -> None:
    assert spread(len, []) == [0]
    assert spread(len, ["하나", "둘"]) == [2]


def test_an_error_in_a_part_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "TEXTS", 1)
    with pytest.raises(TypeError):
        spread(plain, ["one", "two"])
