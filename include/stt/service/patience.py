"""How long a caller goes on trying, and how long it waits in between."""

from __future__ import annotations

import random
import time

__all__ = ["Patience", "Unusable"]

_FIRST_S = 0.5
_MOST_S = 8.0
_BROKEN_OFF = 3


class Unusable(Exception):  # noqa: N818  # never leaves the package
    """The service can't be used for this recording; one sentence."""

    def __init__(self, sentence: str, *, lasting: bool = True) -> None:
        super().__init__(sentence)
        self.lasting = lasting
        """Whether the next recording would fare the same."""


class Patience:
    """For one recording. Waits grow twofold up to 8 s and are spread by half of themselves, so that many callers do
    not come back at the same moment (exponential back-off with jitter, AWS Architecture Blog, Brooker 2015)."""

    def __init__(self, url: str, retry_s: float, timeout_s: float) -> None:
        """Start the clocks.

        Args:
            url: the service, for sentences.
            retry_s: how long to try a service that is away, seconds.
            timeout_s: how long to wait for room in its queue, seconds, from now.
        """
        self._url, self._retry_s = url, retry_s
        self._end = time.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self._away_since: float | None = None
        self._tries = 0
        self._broken_off = 0

    def away(self, why: str) -> None:
        """It can't be reached, or has no model: wait, up to ``retry_s`` in all.

        Raises:
            Unusable: that time is over.
        """
        now = time.monotonic()
        self._away_since = self._away_since if self._away_since is not None else now
        if now - self._away_since >= self._retry_s:
            raise Unusable(f"The speech service {self._url} can't be reached ({why}, {self._retry_s:.0f} s long).")
        self._sleep(0.0, self._away_since + self._retry_s - now)

    def again(self, why: str) -> None:
        """The answer broke off or was none of ours: try twice more.

        Raises:
            Unusable: it was the third time for this recording.
        """
        self._broken_off += 1
        if self._broken_off >= _BROKEN_OFF:
            raise Unusable(f"The speech service {self._url} failed {_BROKEN_OFF} times ({why}).", lasting=False)
        self._sleep(0.0, self._end - time.monotonic())

    def wait(self, told: str, *, busy: bool) -> None:
        """It says 503, and perhaps for how long (``Retry-After``, seconds).

        Raises:
            Unusable: it stays so for too long.
        """
        if not busy:
            self.away("no model is loaded")
            return
        self._away_since = None
        now = time.monotonic()
        if now >= self._end:
            raise Unusable(
                f"The speech service {self._url} had no room in its queue for {self._timeout_s:.0f} s.", lasting=False
            )
        self._sleep(float(told) if told.isdigit() else 0.0, self._end - now)

    def _sleep(self, least: float, most: float) -> None:
        pause = max(least, min(_FIRST_S * 2**self._tries, _MOST_S))
        self._tries += 1
        # seconds are no secret
        time.sleep(min(pause * random.uniform(1.0, 1.5), max(most, 0.0)))  # noqa: S311
