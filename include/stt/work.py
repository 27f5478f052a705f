"""What goes into the decoder and what comes out: the values that pass between engine, decoding, language and guards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.transcript import LanguageWindow
    from include.stt.words import DecodedChunk

__all__ = ["Chunk", "DecodeItem", "Decoded", "Dropped", "Heard", "Region", "Window"]

Chunk = tuple[int, float, float]
"""(channel, start, end): a stretch of speech to decode, seconds."""
Region = tuple[float, float]
"""(start, end) of speech, seconds."""


@dataclass(frozen=True)
class DecodeItem:
    """One recording to decode."""

    channels: Sequence[NDArray[np.float32]]
    """Audio of each channel, (samples,), 16 kHz, -1 to 1."""
    chunks: Sequence[Chunk]
    """What to decode, at most 30 s each."""
    language: str = "auto"
    """A Whisper language code, or ``auto``."""
    regions: Sequence[Sequence[Region]] | None = None
    """Speech of each channel by the voice activity detector, to find what no word covers; the chunks when None."""

    def speech(self, channel: int) -> list[Region]:
        """Where there is speech in a channel."""
        if self.regions is not None:
            return list(self.regions[channel])
        return [(start, end) for where, start, end in self.chunks if where == channel]


@dataclass(frozen=True)
class Dropped:
    """A text that was set aside as an invention of the decoder's, with why."""

    channel: int
    start: float
    end: float
    text: str
    reasons: tuple[str, ...]


@dataclass
class Decoded:
    """What was made of one recording."""

    chunks: list[DecodedChunk] = field(default_factory=list)
    """One a segment, in the order of channel and time."""
    language: str = "und"
    """ISO 639-1; ``und`` when there was nothing to tell it from."""
    probability: float | None = None
    """Of the language, 0-1, over all windows that were listened to; None when it was given or nothing was decoded."""
    windows: list[LanguageWindow] = field(default_factory=list)
    """Which language each window was taken for; empty when the language was given."""
    mixed: bool = False
    """Speech in more than one language was found."""
    uncovered: list[Chunk] = field(default_factory=list)
    """Speech by the detector that no word covers, also after it was decoded again."""
    dropped: list[Dropped] = field(default_factory=list)
    """Texts that were set aside."""


@dataclass(frozen=True)
class Window:
    """Up to 30 s of one channel that are encoded and decoded as one piece."""

    item: int
    channel: int
    start: float
    end: float
    language: str
    decode_pass: int = 1
    tone: int = 0
    """Index into :data:`include.stt.tone.TONES`."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True)
class Heard:
    """What the decoder made of one window."""

    tokens: tuple[int, ...]
    """Without the end token; with time stamps when it was heard with them, or was cut at its pauses."""
    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    rung: int
    """Which step of the fallback ladder made it."""
    temperature: float
    failed: tuple[str, ...]
    """Checks that it did not pass."""
    words: tuple[dict[str, Any], ...] = ()
    """faster-whisper's word entries: word, tokens, start, end (seconds from the window's start), probability."""
    languages: tuple[tuple[str, float], ...] = ()
    """The window's languages by the encoder, the most probable first; empty when they were not asked for."""
