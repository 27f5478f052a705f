"""The torch encoder in front of CTranslate2's decoders: the same numbers and the same text as CTranslate2 alone."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from include.errors import ModelError
from include.settings import ROOT, get_settings
from include.stt.audio import SAMPLE_RATE, decode, probe
from include.stt.ct2_weights import encoder_module, read_variables
from include.stt.engine import SpeechModel
from include.stt.hybrid import HybridModel, engine_name, keep_device_memory, resolve_engine_mode, speech_model
from include.stt.torch_encoder import TorchEncoder
from include.stt.work import DecodeItem


@pytest.fixture(scope="module")
def audio() -> Any:
    """12 s of a sample recording, float32."""
    import numpy as np

    path = sorted((ROOT / "samples").rglob("*.m4a"))[0]
    pcm = decode(path, probe(path)).pcm[: 12 * SAMPLE_RATE, 0]
    return pcm.astype(np.float32) / np.float32(32768)


@pytest.fixture(scope="module")
def encoder(models: Path) -> TorchEncoder:
    return TorchEncoder(models / "base", "cpu", "float32", buckets=(1, 2))


def _distance(one: Any, other: Any) -> float:
    import numpy as np

    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_features_and_encoder_equal_whisperx_and_ctranslate2(models: Path, encoder: TorchEncoder, audio: Any) -> None:
    """Within float32's rounding; the padding of the last batch shape is in no result."""
    import ctranslate2
    import numpy as np
    import torch
    from whisperx.audio import N_SAMPLES, log_mel_spectrogram

    parts = [audio, audio[: 5 * SAMPLE_RATE], audio[7 * SAMPLE_RATE :]]
    theirs = torch.stack([log_mel_spectrogram(one, n_mels=80, padding=N_SAMPLES - len(one)) for one in parts])
    ours = encoder.features(parts)
    assert torch.allclose(ours, theirs, atol=1e-5)
    whisper = ctranslate2.models.Whisper(str(models / "base"), compute_type="float32", intra_threads=1)
    view = ctranslate2.StorageView.from_array(theirs.numpy())
    wanted = np.array(whisper.encode(view, to_cpu=True))
    found = encoder.encode(ours).numpy()
    assert found.shape == wanted.shape == (3, 1500, 512)
    for row in range(3):
        assert _distance(found[row], wanted[row]) < 1e-5
    # shorter windows share the weights
    short = log_mel_spectrogram(parts[1], n_mels=80, padding=10 * SAMPLE_RATE - len(parts[1]))[None]
    assert torch.allclose(encoder.features([parts[1]], 10.0), short, atol=1e-5)
    wanted = np.array(whisper.encode(ctranslate2.StorageView.from_array(short.numpy()), to_cpu=True))
    found = np.array(encoder.encode_view(short))
    assert found.shape == (1, 500, 512)
    assert _distance(found, wanted) < 1e-5


def test_states_too_large_for_float16_do_not_become_infinite() -> None:
    import torch

    from include.stt.whisper_encoder import WhisperEncoder

    encoder = WhisperEncoder(width=64, layers=1, heads=1, inner=64, mels=4, positions=8).half().requires_grad_(False)
    [layer] = encoder.layers
    for one in layer.parameters():
        one.zero_()
    layer.out.bias.fill_(40_000)
    layer.down.bias.fill_(40_000)
    assert layer(torch.zeros(1, 8, 64, dtype=torch.float16)).max() == 64_512


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [4]), (4, [4]), (5, [4, 4]), (16, [16]), (23, [16, 4, 4]), (36, [16, 16, 4])]
)
def test_chunks_go_in_the_fixed_batch_shapes(encoder: TorchEncoder, count: int, sizes: list[int]) -> None:
    encoder.buckets, kept = (4, 16), encoder.buckets
    try:
        assert encoder._sizes(count) == sizes
    finally:
        encoder.buckets = kept


def test_the_whole_decoding_gives_the_same_words_at_the_same_times(
    models: Path, audio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two recordings, several groups, language detection: hybrid with two decoders' threads against CTranslate2."""
    for name, value in {
        "MODEL_DIR": models,
        "DEVICE": "cpu",
        "COMPUTE_TYPE": "float32",
        "DECODE_BATCH_SIZE": 1,
    }.items():
        monkeypatch.setenv(f"VOICEMAN_{name}", str(value))
    items = [DecodeItem([audio], [(0, 0.0, 5.0), (0, 5.0, 12.0)]), DecodeItem([audio[4 * SAMPLE_RATE :]], [(0, 0, 8)])]
    torch_encoder = HybridModel(1, "base")
    torch_encoder.encoder.buckets = (1,)  # a batch shape that is filled up with nothing takes as long as one of four
    plain, hybrid = (model.decode_many(items) for model in (SpeechModel(1, "base"), torch_encoder))
    for one, other in zip(plain, hybrid, strict=True):
        assert one.chunks
        assert _said(one) == _said(other)
        scores = [[word.score for chunk in decoded.chunks for word in chunk.words] for decoded in (one, other)]
        # rounded to four digits; which way depends on the processor's order of additions
        assert scores[0] == pytest.approx(scores[1], abs=0.0002)
        assert one.language == other.language
        assert one.probability == pytest.approx(other.probability, abs=0.001)


def _said(decoded: Any) -> list[tuple[object, ...]]:
    """Texts and times of a recording's chunks and of their words, without scores."""
    return [
        (chunk.text, chunk.start, chunk.end, [(w.text, w.start, w.end, w.timing, w.flags) for w in chunk.words])
        for chunk in decoded.chunks
    ]


def test_groups_come_back_in_order_and_a_full_device_halves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device that is full is made up: there is none here to fill."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    from include.stt.memory import MemoryMeter

    model = object.__new__(HybridModel)
    model.device, model.decoders, model.batch_size, model.name, model._echo_due = "cpu", 3, 8, "base", False
    model.meter, model._workers = MemoryMeter("cpu", "float32"), ThreadPoolExecutor(3)
    model._halving, model._metering, model._calls = threading.Lock(), threading.Lock(), []
    sizes: list[int] = []

    def act(works: Any) -> list[int]:
        if len(works) > 3:
            raise RuntimeError("CUDA failed with error out of memory")
        sizes.append(len(works))
        return [work * 10 for work in works]

    assert model.in_groups(range(50), act) == [n * 10 for n in range(50)]
    assert max(sizes) <= 3
    assert model.batch_size <= 3
    assert model.in_groups([], act) == []
    with pytest.raises(RuntimeError, match="something else"):
        model.in_groups([1], lambda _: (_ for _ in ()).throw(RuntimeError("something else")))
    model._workers.shutdown()


def test_integer_weights_are_read_by_their_scales(models: Path, tmp_path: Path) -> None:
    """A model stored as int8 (one scale a row) gives nearly the weights that it was made of."""
    import torch

    name = "encoder/layer_0/ffn/linear_0/weight"
    exact = read_variables(models / "base" / "model.bin", lambda one: one == name)[name].float()
    scale = 127.0 / exact.abs().amax(1)
    stored = (exact * scale[:, None]).round().to(torch.int8)
    _write(tmp_path / "model.bin", {name: stored, f"{name}_scale": scale, "decoder/other": torch.zeros(3)})
    found = read_variables(tmp_path / "model.bin", lambda one: one.startswith("encoder/"))
    assert set(found) == {name, f"{name}_scale"}
    from include.stt.ct2_weights import _plain

    assert (_plain(found, name) - exact).abs().max() <= 0.51 / scale.min()


def _write(path: Path, variables: dict[str, Any], *, name: str = "WhisperSpec", version: int = 6) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    types = ["torch.float32", "torch.int8"]
    with path.open("wb") as file:
        file.write(struct.pack("<I", version) + text(name) + struct.pack("<II", 3, len(variables)))
        for key, value in variables.items():
            data = value.numpy()
            file.write(text(key) + struct.pack(f"<B{data.ndim}I", data.ndim, *data.shape))
            file.write(struct.pack("<BI", types.index(str(value.dtype)), data.nbytes) + data.tobytes())
        file.write(struct.pack("<I", 0))


@pytest.mark.parametrize("what", ["missing", "other specification", "unknown version", "cut", "empty", "no encoder"])
def test_a_file_that_is_no_whisper_model_is_refused_in_one_sentence(models: Path, tmp_path: Path, what: str) -> None:
    import torch

    path = tmp_path / "model.bin"
    if what == "other specification":
        _write(path, {}, name="TransformerSpec")
    elif what == "unknown version":
        _write(path, {}, version=7)
    elif what == "cut":
        path.write_bytes((models / "base" / "model.bin").read_bytes()[:2_000_000])
        with pytest.raises(ModelError, match="bytes early"):
            read_variables(path, lambda _: True)
        return
    elif what == "empty":
        path.touch()
    elif what == "no encoder":
        _write(path, {"decoder/x": torch.zeros(2)})
    with pytest.raises(ModelError, match=r"model.bin.*VOICEMAN_ENGINE_MODE=ctranslate2"):
        encoder_module(path)


@pytest.mark.parametrize(
    ("setting", "device", "mode", "name"),
    [
        ("auto", "cuda", "hybrid", "whisperx+torch-encoder"),
        ("auto", "cpu", "ctranslate2", "whisperx"),
        ("ctranslate2", "cuda", "ctranslate2", "whisperx"),
        ("hybrid", "cpu", "hybrid", "whisperx+torch-encoder"),
    ],
)
def test_the_engine_mode_follows_setting_and_device(
    monkeypatch: pytest.MonkeyPatch, setting: str, device: str, mode: str, name: str
) -> None:
    monkeypatch.setenv("VOICEMAN_ENGINE_MODE", setting)
    get_settings.cache_clear()
    assert resolve_engine_mode(device) == mode
    assert engine_name(device) == name


def test_memory_of_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CT2_CUDA_ALLOCATOR", "cub_caching")
    assert keep_device_memory() is False


def test_the_model_in_the_mode_of_the_settings(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_MODEL_DIR", str(models))
    monkeypatch.setenv("VOICEMAN_DEVICE", "cpu")
    get_settings.cache_clear()
    assert type(speech_model(1, "base")) is SpeechModel
