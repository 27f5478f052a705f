"""What the stages call to transcribe, analyse and render: one door, so that the pipeline itself can be measured.

``VOICEMAN_ENGINES`` names the class (``module:Class``). :class:`RealEngines` is the only one that the product has;
``bench/`` brings a fast one to measure the pipeline around it. Whatever made an artefact is named in it, and its
digest keeps artefacts of different engines apart.
"""

from __future__ import annotations

import hashlib
import importlib
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

from include import forensic, report, stt
from include.errors import SettingsError
from include.pipeline.devices import hold, slots
from include.pipeline.rendering import Renderer
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = ["Engines", "RealEngines", "Renders", "Transcribes", "get_engines"]


class Transcribes(Protocol):
    """Transcribes recordings, ``replicas`` at once."""

    @property
    def replicas(self) -> int:
        """Recordings that may be handed over at once."""

    def transcribe(self, path: Path, *, language: str, name: str) -> stt.Transcript:
        """One recording."""

    def confirm(
        self, path: Path, passages: Sequence[stt.Passage], *, name: str
    ) -> list[stt.Confirmation] | stt.NotMeasured:
        """Passages of one recording decoded again under other settings, in order; or why they can't be."""

    def memory(self) -> stt.MemoryUse | None:
        """What the model took of the device's memory; None: not measured."""


class Renders(Protocol):
    """Renders reports; used in a ``with``."""

    def __enter__(self) -> Renders: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def render(
        self,
        transcript: bytes,
        analysis: bytes,
        facts: report.ReportFacts,
        *,
        both: bool = True,
        audio: Path | None = None,
        redacted: bool = False,
        player: bool = False,
    ) -> dict[str, bytes]:
        """Kind to contents; in both languages or only in the one of the settings. ``audio``: for
        pictures and the player; with the twins that are wanted."""


class Engines(Protocol):
    """The three of them. A digest is of everything but the input that decides what an artefact holds."""

    def transcribers(self, recordings: int, model: str, kept: stt.ByteStore | None = None) -> Transcribes:
        """For so many recordings, with these Whisper weights.

        Args:
            recordings: how many there are to do.
            model: Whisper weights by name.
            kept: where transcripts lie by their sound; None: each is made anew.
        """

    def transcript_digest(self, language: str, model: str) -> str:
        """Of a transcript."""

    def passages(self, transcript: stt.Transcript) -> list[stt.Passage]:
        """What of a transcript is to be decoded again, because findings rest on it."""

    def analyze(
        self,
        transcript: stt.Transcript,
        path: Path,
        *,
        name: str,
        transcript_name: str,
        transcript_sha256: str,
        second_decodes: forensic.SecondDecodes | None = None,
        emotion: bool | None = None,
    ) -> forensic.Analysis:
        """One recording: its transcript, its audio, what decoding passages again gave (None: nothing was), and whether
        an emotion model is applied (None: as configured)."""

    def analysis_digest(self) -> str:
        """Of an analysis."""

    def renderer(self, workers: int) -> Renders:
        """With so many processes."""

    def report_digest(self) -> str:
        """Of a report."""


class RealEngines:
    """WhisperX, the forensic analysis, WeasyPrint."""

    def transcribers(self, recordings: int, model: str, kept: stt.ByteStore | None = None) -> Transcribes:
        """The resident service when ``VOICEMAN_STT_URL`` names one; else as many replicas as the CPU can feed, on CUDA
        one."""
        if get_settings().stt_url:
            return stt.RemoteTranscriber(recordings, model, device=lambda: hold(slots()))
        return stt.TranscriberPool(recordings, model, kept)

    def transcript_digest(self, language: str, model: str) -> str:
        """The engine's digest, and the language asked for.

        Raises:
            ModelError: weights are missing or not what they should be.
        """
        return hashlib.sha256(f"{stt.engine_info(model).settings_digest} {language}".encode()).hexdigest()

    def passages(self, transcript: stt.Transcript) -> list[stt.Passage]:
        """The findings' passages, by the same rules and model as in the analysis."""
        return forensic.wanted_passages(transcript, forensic.located(transcript).findings)

    def analyze(
        self,
        transcript: stt.Transcript,
        path: Path,
        *,
        name: str,
        transcript_name: str,
        transcript_sha256: str,
        second_decodes: forensic.SecondDecodes | None = None,
        emotion: bool | None = None,
    ) -> forensic.Analysis:
        """Decode the audio and analyse it with its transcript."""
        none = stt.NotMeasured(reason="No passage was decoded again when the recording was transcribed.")
        return forensic.analyze_transcript(
            transcript,
            transcript_name=transcript_name,
            transcript_sha256=transcript_sha256,
            channels=stt.load_channels(path, name=name),
            sample_rate=stt.SAMPLE_RATE,
            second_decodes=none if second_decodes is None else second_decodes,
            emotion=emotion,
        )

    def analysis_digest(self) -> str:
        """The taxonomy, package versions and parameters."""
        return forensic.settings_digest()

    def renderer(self, workers: int) -> Renders:
        """A pool of processes."""
        return Renderer(workers)

    def report_digest(self) -> str:
        """Templates, strings, code and versions."""
        return report.report_settings_digest()


@cache
def _load(name: str) -> Engines:
    module, _, attribute = name.partition(":")
    try:
        return cast("Engines", getattr(importlib.import_module(module), attribute)())
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"VOICEMAN_ENGINES names {name!r}, which can't be loaded ({error}).") from error


def get_engines() -> Engines:
    """The configured engines.

    Raises:
        SettingsError: the setting names nothing that can be loaded.
    """
    return _load(get_settings().engines)
