"""A real Chromium without a window, driven over its debugging pipe: no port, no network, no package."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")


class Page:
    """One tab."""

    def __init__(self, into: int, out: int) -> None:
        self._into, self._out, self._number, self._session = into, out, 0, ""
        self.events: list[dict[str, Any]] = []
        self._rest = b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Ask the browser; what it reports meanwhile is kept in ``events``."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._into, json.dumps(asked).encode() + b"\0")
        while True:
            told = self._read()
            if told.get("id") == self._number:
                assert "error" not in told, told
                return dict(told["result"])
            self.events.append(told)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._out, 1 << 20)
            assert data, "Chromium ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def open(self, path: Path) -> None:
        """Load a file and wait until it is there."""
        self.call("Page.navigate", url=path.as_uri())
        while not any(one.get("method") == "Page.loadEventFired" for one in self.events):
            self.events.append(self._read())

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited, a click in it counts as a person's."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def key(self, key: str, text: str = "") -> None:
        """Press and release a key."""
        code = {"Enter": 13, "Tab": 9, " ": 32}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "",
                      windowsVirtualKeyCode=code)  # fmt: skip

    def seen(self, method: str) -> list[dict[str, Any]]:
        """What the browser reported under this name."""
        return [one["params"] for one in self.events if one.get("method") == method]

    def picture(self, path: Path) -> None:
        """A screenshot, PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def chromium_page() -> Iterator[Page]:
    """A browser with one tab, ended at the end."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, "no Chromium: apt-get install chromium-headless-shell (make test does)"
    here, to_browser = os.pipe()
    from_browser, there = os.pipe()
    with tempfile.TemporaryDirectory(prefix="voiceman-chromium-", ignore_cleanup_errors=True) as profile:
        # the browser reads descriptor 3 and writes 4
        command = f'exec "$0" "$@" 3<&{here} 4>&{there}'
        with subprocess.Popen(
            [
                "bash", "-c", command, program, "--headless", "--no-sandbox", "--remote-debugging-pipe", "--mute-audio",
                "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
            ],
            pass_fds=(here, there), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            os.close(here)
            os.close(there)
            try:
                yield Page(to_browser, from_browser)
            finally:
                process.kill()
                os.close(to_browser)
                os.close(from_browser)
