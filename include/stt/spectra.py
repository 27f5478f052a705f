"""Spectra by matrix product, for CUDA: what ``torch.stft`` and Kaldi's filter bank give, without cuFFT.

With several processes on one device cuFFT's kernels met illegal addresses now and then, in both of the GPU core dumps
that were taken (bench/README.md). A frame has 400 samples: its transform is a product with a matrix of that height,
in float32 (torch's default for products; nobody here allows TF32). What it costs by itself was not measured.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["kaldi_filter_bank", "power_spectra"]

_PREEMPHASIS, _LOW_HZ = 0.97, 20.0  # compute-fbank-feats's own
_LEAST = 1.1920928955078125e-07  # float32's epsilon, as Kaldi's


@cache
def _basis(kind: str, samples: int, size: int, device: str) -> torch.Tensor:
    """(samples, 2 (size / 2 + 1)): window, then cosines and sines of a transform of ``size``; zeros fill it up."""
    import torch

    place = torch.arange(samples)
    # the product as an integer first: an angle of many turns would lose its digits
    turns = place[:, None] * torch.arange(size // 2 + 1) % size
    angles = turns.double() * (2 * math.pi / size)
    made = torch.cat([angles.cos(), angles.sin()], 1)
    if kind == "hann":
        made *= torch.hann_window(samples, dtype=torch.float64)[:, None]
    else:  # Kaldi's: x[n] - 0.97 x[n - 1] (x[0] - 0.97 x[0]), then povey's window
        made *= torch.hann_window(samples, periodic=False, dtype=torch.float64).pow(0.85)[:, None]
        before = torch.cat([made[1:], torch.zeros_like(made[:1])])
        before[0] += made[0]
        made -= _PREEMPHASIS * before
    return made.to(torch.float32).to(device)


def _power(frames: Any, basis: Any) -> Any:
    real, imaginary = (frames @ basis).chunk(2, -1)
    return real.square() + imaginary.square()


def power_spectra(audio: Any, size: int, hop: int) -> Any:
    """As of ``torch.stft`` with a Hann window, without the last frame (within 2e-6 of a frame's largest).

    Args:
        audio: float32, shape (chunks, samples).
        size: samples of a frame.
        hop: samples from one frame to the next.

    Returns:
        Shape (chunks, size / 2 + 1, samples / hop).
    """
    import torch

    padded = torch.nn.functional.pad(audio[:, None], (size // 2, size // 2), mode="reflect")[:, 0]
    frames = padded.unfold(-1, size, hop)[:, : audio.shape[1] // hop]
    return _power(frames, _basis("hann", size, size, str(audio.device))).mT


@cache
def _mel_banks(bins: int, size: int, sample_rate: int, device: str) -> torch.Tensor:
    import torch
    from torchaudio.compliance.kaldi import get_mel_banks

    banks, _ = get_mel_banks(bins, size, float(sample_rate), _LOW_HZ, 0.0, 100.0, -500.0, 1.0)
    return torch.nn.functional.pad(banks, (0, 1)).T.contiguous().to(device)


def kaldi_filter_bank(frames: Any, bins: int, sample_rate: int) -> Any:
    """The logarithms of ``compute-fbank-feats``, undithered, as of ``torchaudio.compliance.kaldi.fbank``.

    Args:
        frames: float32 in the range of 16-bit samples, shape (frames, samples).
        bins: how many.
        sample_rate: of the samples.

    Returns:
        Shape (frames, bins).
    """
    samples = frames.shape[1]
    size = 1 << (samples - 1).bit_length()
    device = str(frames.device)
    power = _power(frames - frames.mean(1, keepdim=True), _basis("povey", samples, size, device))
    energies: torch.Tensor = power @ _mel_banks(bins, size, sample_rate, device)
    return energies.clamp(min=_LEAST).log()
