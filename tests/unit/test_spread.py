"""Texts over the machine's cores."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from include.errors import ModelError
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


def _die(_part: list[str]) -> None:
    os._exit(9)


def test_a_killed_process_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "TEXTS", 1)
    with pytest.raises(ModelError, match="was killed; give the machine more memory"):
        spread(_die, ["one", "two"])


def _note(texts: list[str]) -> None:
    """In a worker: say who it is, then work for ever."""
    Path(texts[0]).write_text(str(os.getpid()), encoding="ascii")
    time.sleep(600)


def test_workers_end_when_whoever_asked_is_killed(tmp_path: Path) -> None:
    ask = (
        "from include.forensic.learned import spread as s\n"
        "from tests.unit.test_spread import _note\n"
        "import sys\n"
        "s.TEXTS = 1\n"
        "if __name__ == '__main__':\n"
        "    s.spread(_note, sys.argv[1:])\n"
    )
    script, notes = tmp_path / "ask.py", [tmp_path / name for name in ("one", "two")]
    script.write_text(ask, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    asker = subprocess.Popen(
        [sys.executable, str(script), *map(str, notes)], env=dict(os.environ, PYTHONPATH=str(root)), cwd=root
    )
    try:
        _until(lambda: all(note.exists() and note.read_text(encoding="ascii") for note in notes))
        workers = {int(note.read_text(encoding="ascii")) for note in notes}
        assert all(Path(f"/proc/{worker}").exists() for worker in workers), "they work while they are asked"
    finally:
        asker.kill()
        asker.wait(30)
    _until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def _until(there: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.1)
