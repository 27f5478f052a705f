"""Word times: forced alignment where a wav2vec2 model for the language is configured, else cross-attention.

Every word says which (``timing``): ``acoustic`` (WhisperX's alignment with the sound), ``attention`` (cross-attention,
its boundaries moved onto pauses) or ``none`` (no time, ``start`` and ``end`` None). No time is ever made up.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include.errors import ModelError
from include.settings import get_settings
from include.stt.aligner import Aligner
from include.stt.attention import Pauses, find_pauses, place_words
from include.stt.audio import SAMPLE_RATE
from include.stt.words import flag_times, untimed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.transcript import Word
    from include.stt.words import DecodedChunk

__all__ = ["ALIGNMENT_FAILED", "WordTimer"]

log = logging.getLogger(__name__)

ALIGNMENT_FAILED = "alignment_failed"
"""Flag of a chunk whose words were to be aligned and have attention times instead."""

_PAD_S = 0.3
_CONTIGUOUS_S = 0.05
_TAIL_S = 1.5  # attention leaves the last word before a pause too soon


class WordTimer:
    """Gives decoded words their times. Not thread-safe, as the models in it: one a :class:`SpeechModel`."""

    def __init__(self, device: str = "cpu") -> None:
        """Load nothing yet: an aligner is loaded at the first chunk of its language."""
        self.device = device
        self._aligners: dict[str, Aligner | None] = {}
        self._problems: dict[str, str] = {}

    def time(
        self,
        chunks: Sequence[DecodedChunk],
        channels: Sequence[NDArray[np.float32]],
        language: str,
        regions: Sequence[Sequence[tuple[float, float]]] | None = None,
    ) -> list[DecodedChunk]:
        """Time the words of one recording.

        Args:
            chunks: with attention times, as decoded; any order.
            channels: the audio of each channel, (samples,), 16 kHz.
            language: of the chunks that name none.
            regions: each channel's speech by the voice activity detector, seconds; without it pauses are found by
                level alone.

        Returns:
            The chunks in the given order, with their words' times. A chunk with a text and no words gets words
            without times and the flag ``no_word_times``; one that could not be aligned ``alignment_failed``.

        Raises:
            ModelError: the aligner can't be used, and ``VOICEMAN_ALIGN_FALLBACK`` is ``fail``.
        """
        timed = list(chunks)
        for channel in sorted({chunk.channel for chunk in chunks}):
            order = sorted(
                (index for index, chunk in enumerate(chunks) if chunk.channel == channel),
                key=lambda index: (chunks[index].start, chunks[index].end),
            )
            audio = channels[channel]
            words = _place([list(chunks[i].words) for i in order], audio, regions[channel] if regions else [])
            done = [replace(chunks[i], words=own) for i, own in zip(order, words, strict=True)]
            done = [self._align(done, at, audio, language) for at in range(len(done))]
            for index, chunk in zip(order, _checked(done, audio.shape[0] / SAMPLE_RATE), strict=True):
                timed[index] = chunk
        return timed

    def facts(self, language: str) -> dict[str, Any]:
        """How words of a language are timed, for the transcript's ``engine.parameters``."""
        model = get_settings().aligners.get(language)
        found: dict[str, Any] = {"method": "cross-attention, on pauses"}
        if model is not None:
            found = {"method": "whisperx.align", "model": model, "fallback": get_settings().align_fallback}
        return found | ({"problem": self._problems[language]} if language in self._problems else {})

    def _aligner(self, language: str) -> Aligner | None:
        if language not in self._aligners:
            self._aligners[language] = None
            if language in get_settings().aligners:
                try:
                    self._aligners[language] = Aligner(language, self.device)
                except ModelError as error:
                    self._problem(language, str(error), error)
        return self._aligners[language]

    def _problem(self, language: str, reason: str, error: Exception) -> None:
        if get_settings().align_fallback == "fail":
            self._aligners.pop(language, None)
            raise ModelError(reason) from error
        self._problems[language] = reason
        log.warning("Word times by cross-attention instead of alignment: %s", reason)

    def _align(
        self, chunks: Sequence[DecodedChunk], at: int, audio: NDArray[np.float32], language: str
    ) -> DecodedChunk:
        chunk = chunks[at]
        spoken = chunk.language or language
        if not chunk.words or spoken not in get_settings().aligners:
            return chunk
        aligner = self._aligner(spoken)
        if aligner is None:
            return _failed(chunk)
        # the decoder's own time stamps are coarse: a little more sound on both sides, but not the neighbours'
        left = max(chunk.start - _PAD_S, chunks[at - 1].end if at else 0.0)
        right = min(chunk.end + _PAD_S, chunks[at + 1].start if at + 1 < len(chunks) else chunk.end + _PAD_S)
        left, right = min(left, chunk.start), max(right, chunk.end)
        part = audio[max(int(left * SAMPLE_RATE), 0) : int(right * SAMPLE_RATE)]
        try:
            times = aligner.align([word.text for word in chunk.words], part)
        except (RuntimeError, ValueError, IndexError) as error:
            self._problem(spoken, f"the aligner {aligner.path} broke ({type(error).__name__}); try another.", error)
            return _failed(chunk)
        if all(time is None for time in times):
            return _failed(chunk)
        return replace(chunk, words=[_aligned(word, time, left) for word, time in zip(chunk.words, times, strict=True)])


def _failed(chunk: DecodedChunk) -> DecodedChunk:
    return replace(chunk, flags=[*chunk.flags, ALIGNMENT_FAILED])


def _aligned(word: Word, time: tuple[float, float] | None, offset: float) -> Word:
    if time is None:  # the model's alphabet can't write it (digits, another script): its attention time stays
        return word
    start, end = round(offset + time[0], 3), round(offset + time[1], 3)
    return word.model_copy(update={"start": start, "end": end, "timing": "acoustic"})


def _place(
    groups: list[list[Word]], audio: NDArray[np.float32], regions: Sequence[tuple[float, float]]
) -> list[list[Word]]:
    """Put attention times on pauses, over all chunks that follow each other without a gap."""
    flat = [word for group in groups for word in group]
    runs = _contiguous(flat)
    placed: dict[int, Word] = {}
    pauses = find_pauses(audio, regions) if runs else Pauses([])
    edges = [(flat[run[0]].start or 0.0, flat[run[-1]].end or 0.0) for run in runs]
    for number, run in enumerate(runs):
        before = max((end for start, end in edges[:number]), default=0.0)
        after = min((start for start, end in edges[number + 1 :]), default=audio.shape[0] / SAMPLE_RATE)
        start, end = edges[number]
        limits = (min(max(start - _PAD_S, before), start), max(min(end + _TAIL_S, after), end))
        placed.update(zip(run, place_words([flat[i] for i in run], pauses, limits), strict=True))
    at, done = 0, []
    for group in groups:
        done.append([placed.get(at + i, word) for i, word in enumerate(group)])
        at += len(group)
    return done


def _contiguous(words: Sequence[Word]) -> list[list[int]]:
    """Runs of words with attention times, each beginning where the one before ends; by index."""
    runs: list[list[int]] = []
    last: float | None = None
    for index, word in enumerate(words):
        if word.timing != "attention" or word.start is None or word.end is None:
            last = None
            continue
        if last is None or abs(word.start - last) > _CONTIGUOUS_S:
            runs.append([])
        runs[-1].append(index)
        last = word.end
    return runs


def _checked(chunks: Sequence[DecodedChunk], duration: float) -> list[DecodedChunk]:
    filled = []
    for chunk in chunks:
        bare = bool(chunk.text.strip()) and not any(word.start is not None for word in chunk.words)
        own = chunk.words or untimed(chunk.text)
        filled.append(replace(chunk, words=own, flags=[*chunk.flags, "no_word_times"]) if bare else chunk)
    marked = flag_times([word for chunk in filled for word in chunk.words], duration)
    at, done = 0, []
    for chunk in filled:
        done.append(replace(chunk, words=marked[at : at + len(chunk.words)]))
        at += len(chunk.words)
    return done
