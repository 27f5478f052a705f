"""Engines that break for recordings whose names say so; everything else is real."""

import os
import signal
import time
from pathlib import Path

from bench.faults.fake import FakeEngines, FakeTranscribers
from include import stt
from include.pipeline.engines import RealEngines, Transcribes


class _Bad(stt.TranscriberPool):
    def transcribe(self, path: Path, *, language: str = "auto", name: str | None = None) -> stt.Transcript:
        if name == "breaks.m4a":
            raise RuntimeError("what was said in confidence")
        if name == "kills.m4a":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "hangs.m4a":
            time.sleep(600)
        if name == "ended.m4a":  # as Airflow ends a task that was cleared
            os.kill(os.getpid(), signal.SIGTERM)
        return super().transcribe(path, language=language, name=name)


class BadEngines(RealEngines):
    def transcribers(self, recordings: int, model: str, kept: object = None) -> Transcribes:
        return _Bad(recordings, model)

    def transcript_digest(self, language: str, model: str) -> str:
        return "bad" + super().transcript_digest(language, model)[3:]  # the cache of the real ones is not theirs


class _Counted(FakeTranscribers):
    def __init__(self) -> None:
        super().__init__(1)

    def transcribe(self, path: Path, *, language: str = "auto", name: str | None = None) -> stt.Transcript:
        log = Path(os.environ["VOICEMAN_COUNT"])
        with log.open("a") as file:
            file.write(f"{name}\n")
        if len(log.read_text().splitlines()) == int(os.environ["VOICEMAN_KILL_AT"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().transcribe(path, language=language, name=name)


class CountingEngines(FakeEngines):
    """Writes down each transcription it begins; the process dies in the one that ``VOICEMAN_KILL_AT`` numbers."""

    def transcribers(self, recordings: int, model: str, kept: object = None) -> FakeTranscribers:
        return _Counted()
