"""Decode a span again under other settings, and say word by word whether that confirms it.

A transcript's words were decoded by beam search in a window of up to 30 s. The variants take other windows around the
span (other context, other padding), time stamps or another beam, and a second model when
``VOICEMAN_CONFIRM_MODEL`` names one. Sampling at a temperature is not among them: CTranslate2 seeds its sampler once a
thread, so its text could not be made again; everything here gives the same result each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.settings import get_settings
from include.stt.agreement import compare, confirmation, spoken
from include.stt.audio import SAMPLE_RATE
from include.stt.confirmation import Alternative, Confirmation, Variant
from include.stt.decoding import feature_seconds, features

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.engine import SpeechModel

__all__ = ["Confirmer", "Span"]

_HYPOTHESES = 5
_LONGEST_S = 30.0
_SPEECH_CONTEXT_S = 1.0


@dataclass(frozen=True)
class Span:
    """What is to be confirmed."""

    audio: NDArray[np.float32]
    """The whole channel, (samples,), 16 kHz, -1 to 1."""
    start: float
    end: float
    """Seconds; at most 30 s apart."""
    words: Sequence[str]
    """What was decoded there, word by word."""
    language: str


@dataclass(frozen=True)
class _Setting:
    pad_s: float
    beam_size: int
    second: bool = False
    timestamps: bool = False


_SETTINGS = (_Setting(0.5, 5, timestamps=True), _Setting(2.0, 1))
_SECOND = _Setting(1.0, 5, second=True)


@dataclass(frozen=True)
class _Job:
    """One window to decode."""

    span: int
    setting: _Setting
    start: float
    end: float
    part: NDArray[np.float32]
    language: str


class Confirmer:
    """Confirms spans with a loaded model. Not thread-safe, as the model."""

    def __init__(self, model: SpeechModel) -> None:
        """Take the model that is loaded anyway; the second one is loaded at its first span.

        Args:
            model: the transcriber's.
        """
        self._model = model
        self._other: SpeechModel | None = None

    def confirm(
        self, audio: NDArray[np.float32], start: float, end: float, words: Sequence[str], language: str
    ) -> Confirmation:
        """Confirm one span: :meth:`confirm_many` of one."""
        return self.confirm_many([Span(audio, start, end, words, language)])[0]

    def confirm_many(self, spans: Sequence[Span]) -> list[Confirmation]:
        """Confirm spans; their windows fill the device's batches together.

        Returns:
            One for each, in order; a span's does not depend on the others.

        Raises:
            ValueError: a span is empty, longer than 30 s, or outside its audio.
            ModelError: the second model can't be loaded.
            DeviceMemoryError: the device has no room for one window.
        """
        jobs: list[_Job] = []
        for index, span in enumerate(spans):
            _check(span)
            if self._has_speech(span):
                jobs += [_job(index, span, setting) for setting in self._settings()]
        variants: dict[int, list[Variant]] = {index: [] for index in range(len(spans))}
        for job, variant in zip(jobs, self._decode(spans, jobs), strict=True):
            variants[job.span].append(variant)
        return [
            confirmation(span.start, span.end, span.language, span.words, variants[index])
            for index, span in enumerate(spans)
        ]

    def _settings(self) -> tuple[_Setting, ...]:
        return (*_SETTINGS, _SECOND) if get_settings().confirm_model else _SETTINGS

    def _loaded(self, setting: _Setting) -> SpeechModel:
        if not setting.second:
            return self._model
        if self._other is None:
            from include.stt.engine import SpeechModel

            self._other = SpeechModel(self._model.threads, get_settings().confirm_model)
        return self._other

    def _has_speech(self, span: Span) -> bool:
        first = max(span.start - _SPEECH_CONTEXT_S, 0.0)
        part = span.audio[int(first * SAMPLE_RATE) : int((span.end + _SPEECH_CONTEXT_S) * SAMPLE_RATE)]
        if not part.any():
            return False
        regions, _ = self._model.speech_regions(part)
        return any(start + first < span.end and end + first > span.start for start, end in regions)

    def _decode(self, spans: Sequence[Span], jobs: Sequence[_Job]) -> list[Variant]:
        done: dict[int, Variant] = {}
        groups: dict[tuple[_Setting, float], list[int]] = {}
        for index, job in enumerate(jobs):
            seconds = feature_seconds(len(job.part) / SAMPLE_RATE)
            groups.setdefault((job.setting, seconds), []).append(index)
        for (setting, seconds), mine in groups.items():
            model = self._loaded(setting)

            def act(
                group: Sequence[_Job], model: SpeechModel = model, seconds: float = seconds
            ) -> list[tuple[list[Alternative], float]]:
                return _hear(model, group, seconds)

            heard = model.in_groups([jobs[index] for index in mine], act)
            for index, (alternatives, no_speech) in zip(mine, heard, strict=True):
                job = jobs[index]
                done[index] = _variant(model, job, spans[job.span].words, alternatives, no_speech)
        return [done[index] for index in range(len(jobs))]


def _check(span: Span) -> None:
    duration = len(span.audio) / SAMPLE_RATE
    if not 0 <= span.start < span.end <= duration + 0.5 or span.end - span.start > _LONGEST_S:
        raise ValueError(f"a span from {span.start} to {span.end} s of {duration:.1f} s of audio can't be confirmed")


def _job(index: int, span: Span, setting: _Setting) -> _Job:
    pad = min(setting.pad_s, (_LONGEST_S - (span.end - span.start)) / 2)
    start = max(span.start - pad, 0.0)
    end = min(span.end + pad, len(span.audio) / SAMPLE_RATE)
    part = span.audio[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
    return _Job(index, setting, start, end, part, span.language)


def _hear(model: SpeechModel, group: Sequence[_Job], seconds: float) -> list[tuple[list[Alternative], float]]:
    encoded = model._encode(features(model, [job.part for job in group], seconds))
    prompts: list[list[int]] = [
        model.whisper.get_prompt(model.tokenizer(job.language), [], without_timestamps=not group[0].setting.timestamps)
        for job in group
    ]
    beam = group[0].setting.beam_size
    results = model._generate(
        encoded,
        prompts,
        beam_size=beam,
        num_hypotheses=min(_HYPOTHESES, beam),
        length_penalty=1.0,
        max_length=model.whisper.max_length,
        suppress_blank=model.options.suppress_blank,
        suppress_tokens=model.options.suppress_tokens,
        return_scores=True,
        return_no_speech_prob=True,
    )
    return [
        (_alternatives(model.tokenizer(job.language), result), float(result.no_speech_prob))
        for job, result in zip(group, results, strict=True)
    ]


def _alternatives(tokenizer: Any, result: Any) -> list[Alternative]:
    found = []
    for ids, score in zip(result.sequences_ids, result.scores, strict=True):
        text = tokenizer.decode([one for one in ids if one < tokenizer.eot]).strip()
        # CTranslate2 divides by the length without the end token; Whisper's mean counts it
        found.append(Alternative(text=text, avg_logprob=round(float(score) * len(ids) / (len(ids) + 1), 4)))
    return found


def _variant(
    model: SpeechModel, job: _Job, words: Sequence[str], alternatives: list[Alternative], no_speech: float
) -> Variant:
    best = alternatives[0]
    found = compare(words, spoken(best.text, best.avg_logprob, no_speech))
    return Variant(
        model=Path(model.name).name,
        beam_size=job.setting.beam_size,
        timestamps=job.setting.timestamps,
        start=round(job.start, 3),
        end=round(job.end, 3),
        text=best.text,
        heard=found.heard,
        inserted=list(found.inserted),
        agreement=round(found.agreement, 4),
        avg_logprob=best.avg_logprob,
        no_speech_prob=round(no_speech, 4),
        alternatives=alternatives,
    )
