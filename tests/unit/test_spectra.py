"""What CUDA computes instead of cuFFT's transforms, held against the libraries on the CPU."""

import torch
from torchaudio.compliance.kaldi import fbank

from include.stt.spectra import kaldi_filter_bank, power_spectra


def sound(seed: int, *shape: int) -> torch.Tensor:
    """Noise that swells, with a hum: 60 dB between its quietest and its loudest."""
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    swell = torch.logspace(-4, -1, shape[-1])
    return noise * swell + 0.01 * torch.sin(torch.arange(shape[-1]) * 0.047)


def test_power_spectra_equal_those_of_stft() -> None:
    audio = sound(1, 3, 5 * 16_000)
    window = torch.hann_window(400, dtype=torch.float64)
    wanted = torch.stft(audio.double(), 400, 160, window=window, return_complex=True)[..., :-1].abs() ** 2
    found = power_spectra(audio, 400, 160)
    assert found.shape == wanted.shape == (3, 201, 500)
    assert ((found - wanted).abs() / wanted.amax(1, keepdim=True)).max() < 2e-6


def test_filter_bank_equals_kaldi_s() -> None:
    audio = sound(2, 4 * 16_000) * 32_768
    wanted = fbank(audio[None], num_mel_bins=80, sample_frequency=16_000.0, dither=0.0)
    found = kaldi_filter_bank(audio.unfold(0, 400, 160), 80, 16_000)
    assert found.shape == wanted.shape == (398, 80)
    assert (found - wanted).abs().max() < 1e-2  # of logarithms: one per cent of the quietest bin
    assert (found - wanted).abs().mean() < 1e-4


def test_silence_has_kaldi_s_floor() -> None:
    wanted = fbank(torch.zeros(1, 400), num_mel_bins=80, sample_frequency=16_000.0, dither=0.0)
    assert torch.equal(kaldi_filter_bank(torch.zeros(1, 400), 80, 16_000), wanted)
