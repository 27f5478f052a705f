"""Voice activity: where somebody speaks, and the windows that are decoded.

Two detectors behind one call: Silero (as it comes with faster-whisper, ONNX on the CPU) and WhisperX's pyannote.
"""

from __future__ import annotations

import math
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from include.errors import DeviceMemoryError
from include.settings import get_settings
from include.stt import silero
from include.stt.audio import SAMPLE_RATE
from include.stt.weights import vad_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.work import Region

__all__ = ["PARAMETERS", "SpeechFinder", "VoiceDetector", "pack", "subtract", "widen"]

PARAMETERS: dict[str, dict[str, float]] = {
    # far below Silero's own 0.5 and 0.35, with which it misses 15 % of the speech in the telephone band
    # (bench/README.md, "From speech to text"); what it takes for speech and is none, the guards hold
    "silero": {"onset": 0.25, "offset": 0.1, "min_silence_s": 0.3, "pad_s": 0.1, "min_speech_s": 0.1},
    "pyannote": {"onset": 0.5, "offset": 0.363},  # WhisperX's own
}
"""What each detector is run with."""
_EDGE_S = 0.2
"""What a window keeps of the pause on either side, seconds."""
_LONG_PAUSE_S = 1.0
_PAUSE_COST = 0.5


class VoiceDetector:
    """Finds speech in one channel."""

    def __init__(self, method: str, device: str) -> None:
        """Load it.

        Args:
            method: ``silero`` or ``pyannote``.
            device: where pyannote runs; Silero always runs on the CPU.
        """
        self.method = method
        self.thread_safe = method == "silero"
        """Silero keeps nothing from one call to the next, and its ONNX session may be run by several threads."""
        self._device = device
        self._pyannote: Any = None
        if method == "pyannote":
            import torch
            from whisperx.vads import Pyannote

            self._pyannote = Pyannote(
                torch.device(device), token=None, model_fp=str(vad_weights("pyannote")), chunk_size=30,
                vad_onset=PARAMETERS["pyannote"]["onset"], vad_offset=PARAMETERS["pyannote"]["offset"],
            )  # fmt: skip
        else:
            silero.load()  # now, once a process: not in a recording's time

    def regions(self, audio: NDArray[np.float32]) -> list[Region]:
        """Where there is speech, (start, end) seconds, in order and disjoint.

        Args:
            audio: (samples,), 16 kHz, -1 to 1.
        """
        if not len(audio):
            return []
        return self._by_pyannote(audio) if self.method == "pyannote" else self._by_silero(audio)

    def _by_silero(self, audio: NDArray[np.float32]) -> list[Region]:
        return silero.regions_of(silero.probabilities(audio), len(audio), **PARAMETERS["silero"])

    def _by_pyannote(self, audio: NDArray[np.float32]) -> list[Region]:
        from whisperx.vads.pyannote import Binarize

        how = PARAMETERS["pyannote"]
        scores = self._pyannote({"waveform": self._pyannote.preprocess_audio(audio), "sample_rate": SAMPLE_RATE})
        turns = Binarize(onset=how["onset"], offset=how["offset"])(scores).get_timeline()
        return [(float(one.start), float(one.end)) for one in turns]


class SpeechFinder:
    """A detector and the windows made of what it finds; it needs no speech model. Thread-safe."""

    def __init__(self, device: str) -> None:
        """Load the detector of the settings.

        Args:
            device: where pyannote runs; Silero always runs on the CPU.
        """
        self._device = device
        self._detector = VoiceDetector(get_settings().vad, device)
        self._detecting = threading.Lock()  # a confirmation looks for speech while other recordings are listened to

    def find(self, audio: NDArray[np.float32]) -> tuple[list[Region], list[Region]]:
        """Find speech.

        Args:
            audio: shape (samples,), 16 kHz, -1 to 1.

        Returns:
            The regions the detector takes for speech, and the windows (neighbouring regions together, at most
            ``vad_chunk_s`` long) to decode; both as (start, end) seconds.

        Raises:
            DeviceMemoryError: there is no room for the detector's work.
        """
        try:
            with nullcontext() if self._detector.thread_safe else self._detecting:
                regions = self._detector.regions(audio)
        except MemoryError as error:  # pyannote makes one of CUDA's error too
            raise DeviceMemoryError(
                f"The device ({self._device}) has no room for the voice activity detector's work; "
                "end what else uses it, or choose a smaller model or compute type."
            ) from error
        longest = get_settings().vad_chunk_s
        return regions, widen(pack(regions, longest - 2 * _EDGE_S), len(audio) / SAMPLE_RATE)


def pack(regions: Sequence[Region], longest_s: float) -> list[Region]:
    """Put neighbouring regions together into windows of at most ``longest_s``; a longer region is cut into equal parts.

    Windows end in pauses. Of all ways to cut, the one that costs least: each window costs one encoder pass, a window
    shorter than half of the longest costs more the shorter it is (a lone short window is decoded badly: it has no
    context), and a cut costs more the shorter the pause in which it lies.
    """
    pieces = [piece for region in regions for piece in _parts(region, longest_s)]
    best: list[tuple[float, int]] = [(0.0, 0)]
    for last in range(len(pieces)):
        pause = pieces[last + 1][0] - pieces[last][1] if last + 1 < len(pieces) else _LONG_PAUSE_S
        cut = _PAUSE_COST * max(1 - pause / _LONG_PAUSE_S, 0.0)
        options = []
        for first in range(last, -1, -1):
            length = pieces[last][1] - pieces[first][0]
            if first < last and length > longest_s:
                break
            short = max(1 - 2 * length / longest_s, 0.0)
            options.append((best[first][0] + 1 + short**2 + cut, first))
        best.append(min(options))
    windows, end = [], len(pieces)
    while end:
        first = best[end][1]
        windows.append((pieces[first][0], pieces[end - 1][1]))
        end = first
    return windows[::-1]


def widen(windows: Sequence[Region], duration_s: float) -> list[Region]:
    """Give each window 0.2 s of what lies around it, no more than half of the pause to its neighbour."""
    wide = []
    for index, (start, end) in enumerate(windows):
        before = (start - windows[index - 1][1]) / 2 if index else start
        after = (windows[index + 1][0] - end) / 2 if index + 1 < len(windows) else duration_s - end
        wide.append((start - min(max(before, 0.0), _EDGE_S), end + min(max(after, 0.0), _EDGE_S)))
    return wide


def _parts(region: Region, longest_s: float) -> list[Region]:
    start, end = region
    parts = max(math.ceil((end - start) / longest_s - 1e-9), 1)
    step = (end - start) / parts
    return [(start + step * n, start + step * (n + 1)) for n in range(parts)]


def subtract(regions: Sequence[Region], covered: Sequence[Region], least_s: float) -> list[Region]:
    """What of the regions nothing covers, in pieces of at least ``least_s``."""
    left: list[Region] = []
    spans = sorted(covered)
    for start, end in regions:
        at = start
        for first, last in spans:
            if last <= at or first >= end:
                continue
            if first - at >= least_s:
                left.append((at, first))
            at = max(at, last)
        if end - at >= least_s:
            left.append((at, end))
    return left
