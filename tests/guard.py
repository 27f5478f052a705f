"""A stack must not outlive the tests, also when pytest is interrupted or killed and no fixture ends it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.settings import ROOT


@contextmanager
def guarded(home: Path) -> Iterator[None]:
    """While this is open, a process waits for our end; if we go without closing it, it takes the stack down.

    The process reads a pipe that only we write to: it ends of itself when this process is gone.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    script = 'read -r line; [ "$line" = done ] || { "$0" down; rm -rf "$VOICEMAN_HOME"; }'
    with subprocess.Popen(
        ["bash", "-c", script, str(ROOT / "voiceman")], env=environment | {"VOICEMAN_HOME": str(home)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        yield
        process.communicate("done\n")
