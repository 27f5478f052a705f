"""The report workers do not outlive the task that they work for."""

import subprocess
import sys

import psutil

from include.settings import ROOT

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
