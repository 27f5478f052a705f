"""Which reports are made, and that their workers do not outlive the task that they work for."""

import subprocess
import sys

import psutil
import pytest

from include.pipeline.rendering import Renderer, report_kinds
from include.settings import ROOT, get_settings

TASK = """
import os, time
from include.pipeline.rendering import Renderer
if __name__ == "__main__":
    with Renderer(2) as renderer:
        print(renderer._pool.submit(os.getpid).result(), renderer._pool.submit(os.getppid).result(), flush=True)
        time.sleep(600)
"""


def test_a_killed_task_leaves_no_worker_and_no_server_of_workers() -> None:
    with subprocess.Popen([sys.executable, "-c", TASK], cwd=ROOT, stdout=subprocess.PIPE, text=True) as task:
        assert task.stdout is not None
        left = [psutil.Process(int(pid)) for pid in task.stdout.readline().split()]
        assert task.pid not in [one.pid for one in left]
        task.kill()
        for process in left:
            process.wait(10)  # raises psutil.TimeoutExpired while it is there


def test_workers_have_the_settings_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    for language in ("ko", "en"):  # the server that they are forked from was started before the second
        monkeypatch.setenv("VOICEMAN_REPORT_LANGUAGE", language)
        with Renderer(2) as renderer:
            assert renderer._pool is not None
            assert renderer._pool.submit(get_settings).result().report_language == language


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
