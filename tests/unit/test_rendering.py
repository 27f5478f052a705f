"""Which reports are made, and that their workers do not outlive the task that they work for."""

import subprocess
import sys

import psutil
import pytest

from include.pipeline.rendering import report_kinds
from include.settings import ROOT, get_settings

TASK = """
import os, time
from include.pipeline.rendering import Renderer
if __name__ == "__main__":
    with Renderer(2) as renderer:
        print(renderer._pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_a_killed_task_leaves_no_worker() -> None:
    with subprocess.Popen([sys.executable, "-c", TASK], cwd=ROOT, stdout=subprocess.PIPE, text=True) as task:
        assert task.stdout is not None
        worker = psutil.Process(int(task.stdout.readline()))
        task.kill()
        worker.wait(10)  # raises psutil.TimeoutExpired while it is there


def test_one_language_is_enough_unless_the_other_was_made_before(monkeypatch: pytest.MonkeyPatch) -> None:
    korean, english = ("report.pdf", "report.html"), ("report.en.pdf", "report.en.html")
    monkeypatch.setenv("VOICEMAN_REPORT_REDACTED", "false")
    monkeypatch.setenv("VOICEMAN_REPORT_PLAYER", "false")
    get_settings.cache_clear()
    assert report_kinds() == korean + english
    monkeypatch.setenv("VOICEMAN_REPORT_LANGUAGES", "one")
    get_settings.cache_clear()
    assert report_kinds(["transcript.json", "report.pdf"]) == korean
    assert report_kinds(["report.en.pdf"]) == korean + english


def test_twins_are_made_by_default_and_again_where_they_were_made_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert report_kinds()[4:] == ("report.redacted.pdf", "redaction.json", "player.html")
    monkeypatch.setenv("VOICEMAN_REPORT_REDACTED", "false")
    monkeypatch.setenv("VOICEMAN_REPORT_PLAYER", "false")
    get_settings.cache_clear()
    assert report_kinds(["report.pdf"])[4:] == ()
    assert {"report.redacted.pdf", "redaction.json"} <= set(report_kinds(["redaction.json"]))
    assert "player.html" in report_kinds(["player.html"])
