"""The same window with another tone: what the decoder is unsure of, it hears a second and a third time.

Telephone bands cut the lows that Whisper heard in training, and one party is often much quieter than the other. A low
shelf and a gain for each stretch of speech change neither words nor times, but the decoder's text; of several texts of
the same window the likeliest one is right more often than the first (bench/README.md, "From speech to text").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.stt.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.work import Region

__all__ = ["DOUBTFUL", "TONES", "parameters", "with_tone"]

TONES = ("as recorded", "low shelf", "low shelf, levelled")
DOUBTFUL = (0.0, -0.5, -0.7)
"""Mean log-probability below which a text is heard again with the tone of the same place."""
_SHELF_HZ = 500.0
_SHELF_DB = 10.0
_LEVEL_DB = -23.0
_MOST_GAIN_DB = 20.0
_SMOOTH_S = 0.1


def parameters() -> dict[str, Any]:
    """What can change the text, for the transcript."""
    return {
        "tones": list(TONES), "doubtful_log_prob": list(DOUBTFUL), "shelf_hz": _SHELF_HZ, "shelf_db": _SHELF_DB,
        "level_db": _LEVEL_DB, "most_gain_db": _MOST_GAIN_DB,
    }  # fmt: skip


def with_tone(audio: NDArray[np.float32], tone: int, spans: Sequence[Region]) -> NDArray[np.float32]:
    """The window's audio with one of :data:`TONES`.

    Args:
        audio: (samples,), 16 kHz.
        tone: index into ``TONES``.
        spans: speech inside, seconds from its start: what is levelled, each to -23 dBFS.
    """
    if not tone or not len(audio):
        return audio
    return _shelf(_levelled(audio, spans) if tone > 1 else audio)


def _shelf(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """A first-order low shelf: +10 dB far below 500 Hz, nothing far above."""
    import numpy as np

    frequency = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    gain = 1 + (10 ** (_SHELF_DB / 20) - 1) / (1 + 1j * frequency / _SHELF_HZ)
    made: NDArray[np.float32] = np.clip(np.fft.irfft(np.fft.rfft(audio) * gain, len(audio)), -1, 1).astype(np.float32)
    return made


def _levelled(audio: NDArray[np.float32], spans: Sequence[Region]) -> NDArray[np.float32]:
    import numpy as np

    gain = np.ones(len(audio), np.float32)
    for start, end in spans:
        first, last = int(start * SAMPLE_RATE), int(end * SAMPLE_RATE)
        part = audio[first:last]
        if not len(part):
            continue
        level = 10 * np.log10(np.mean(part.astype(np.float64) ** 2) + 1e-12)
        gain[first:last] = 10 ** (np.clip(_LEVEL_DB - level, -_MOST_GAIN_DB, _MOST_GAIN_DB) / 20)
    width = int(_SMOOTH_S * SAMPLE_RATE)
    total = np.cumsum(np.pad(gain.astype(np.float64), (width // 2 + 1, width - width // 2), mode="edge"))
    smooth = (total[width:] - total[:-width])[: len(audio)] / width
    made: NDArray[np.float32] = np.clip(audio * smooth, -1, 1).astype(np.float32)
    return made
