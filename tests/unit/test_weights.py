from pathlib import Path

import pytest

from include.errors import ModelError
from include.stt.weights import BASE_SHA256, file_sha256, install_base, model_path, weights_digests


def test_base_is_laid_out_verified_and_left_alone(tmp_path: Path) -> None:
    folder = install_base(tmp_path)
    model = folder / "model.bin"
    assert file_sha256(model) == BASE_SHA256
    before = model.stat().st_mtime_ns
    assert install_base(tmp_path) == folder
    assert model.stat().st_mtime_ns == before
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]


def test_a_wrong_digest_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.bin").write_bytes(b"not whisper")
    with pytest.raises(
        ModelError, match=r"model\.bin has SHA-256 .*, expected d01c3014.*delete the file and run make models"
    ):
        install_base(tmp_path)
    monkeypatch.setenv("VOICEMAN_MODEL_DIR", str(tmp_path))
    with pytest.raises(ModelError, match="expected d01c3014"):
        model_path("base")


def test_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_MODEL_DIR", str(tmp_path))
    with pytest.raises(ModelError, match="Whisper base is not under .*; run make models"):
        model_path("base")
    with pytest.raises(ModelError, match="holds no model.bin"):
        model_path(str(tmp_path / "my-model"))
    with pytest.raises(ModelError, match="fetch it with ./voiceman models large-v3-not-here"):
        weights_digests("large-v3-not-here")


def test_vocabulary_and_configuration_count_as_weights(models: Path) -> None:
    assert {name.rsplit("/", 1)[-1] for name in weights_digests("base")} == {
        "model.bin", "config.json", "tokenizer.json", "vocabulary.txt", "silero_vad_v6.onnx",
    }  # fmt: skip
