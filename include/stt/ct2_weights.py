"""Whisper's encoder out of a CTranslate2 ``model.bin``, as a module of torch: no second checkpoint is needed.

The layout of the file is the one that ``ctranslate2.specs.model_spec.ModelSpec._serialize`` writes (binary version 6):
specification, revision, variables (name, shape, type, bytes), then aliases. CTranslate2 joins the query, key and value
projections into one matrix, and so does :class:`include.stt.whisper_encoder.WhisperEncoder`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from include.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.stt.whisper_encoder import WhisperEncoder

__all__ = ["encoder_module", "read_variables"]

_VERSIONS = (5, 6)
_SPECIFICATION, _REVISION = "WhisperSpec", 3
_HEAD_SIZE = 64  # of every Whisper model, from tiny to large-v3
_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")  # ctranslate2/types.h, enum DataType


def read_variables(path: Path, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """Read variables as torch tensors in the type they are stored in.

    Args:
        path: a ``model.bin``.
        wanted: says of a name (``encoder/layer_0/ffn/linear_0/weight``) whether to read it; the others are skipped.

    Raises:
        ModelError: the file is no Whisper model in a layout known here, or it is cut.
    """
    try:
        with path.open("rb") as file:
            return _read(file, wanted)
    except (OSError, struct.error, UnicodeDecodeError, IndexError, ValueError) as error:
        raise ModelError(
            f"The encoder's weights can't be read from {path} ({error}); fetch the model again, or set "
            "VOICEMAN_ENGINE_MODE=ctranslate2."
        ) from error


def _read(file: IO[bytes], wanted: Callable[[str], bool]) -> dict[str, Any]:
    import torch

    def numbers(layout: str) -> tuple[int, ...]:
        return struct.unpack("<" + layout, _exactly(file, struct.calcsize("<" + layout)))

    def name() -> str:
        return _exactly(file, numbers("H")[0])[:-1].decode()

    found = numbers("I")[0], name(), numbers("I")[0]
    if found[0] not in _VERSIONS or found[1:] != (_SPECIFICATION, _REVISION):
        raise ValueError(f"version {found[0]}, {found[1]} revision {found[2]} is not known here")
    variables: dict[str, Any] = {}
    for _ in range(numbers("I")[0]):
        called = name()
        shape = numbers(f"{numbers('B')[0]}I")
        kind, size = numbers("BI")
        if not wanted(called):
            file.seek(size, 1)
            continue
        stored = torch.frombuffer(bytearray(_exactly(file, size)), dtype=getattr(torch, _TYPES[kind]))
        variables[called] = stored.reshape(shape)
    for _ in range(numbers("I")[0]):
        alias, target = name(), name()
        if target in variables and wanted(alias):
            variables[alias] = variables[target]
    return variables


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f"it ends {size - len(data)} bytes early")
    return data


def encoder_module(path: Path) -> WhisperEncoder:
    """Whisper's encoder in evaluation mode, on the CPU.

    Weights keep the file's precision: 8- and 16-bit integers become float32 by their scales, as CTranslate2 does it.

    Args:
        path: a ``model.bin``.

    Raises:
        ModelError: the file can't be read, or the encoder in it isn't Whisper's.
    """
    import torch

    from include.stt.whisper_encoder import WhisperEncoder

    variables = read_variables(path, lambda name: name.startswith("encoder/"))
    try:
        weights = {name: _plain(variables, name) for name in variables if not name.endswith("_scale")}
        state = _renamed(weights)
        width, mels, _ = state["conv1.weight"].shape
        with torch.device("meta"):  # no time and memory for weights that are thrown away
            module = WhisperEncoder(
                width=width,
                layers=len({key.split(".")[1] for key in state if key.startswith("layers.")}),
                heads=int(weights["encoder/num_heads"]) if "encoder/num_heads" in weights else width // _HEAD_SIZE,
                inner=state["layers.0.up.weight"].shape[0],
                mels=mels,
                positions=len(state["positions"]),
            )
        module.load_state_dict(state, assign=True)
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{path} holds no Whisper encoder that is known here ({error}); set VOICEMAN_ENGINE_MODE=ctranslate2."
        ) from error
    return module.eval().requires_grad_(False)


def _plain(variables: dict[str, Any], name: str) -> Any:
    """A variable without its quantization: stored integers are the value times the scale, a scale a row or one."""
    scale, value = variables.get(f"{name}_scale"), variables[name]
    if scale is None:
        return value
    return value.float() / scale.reshape(scale.shape + (1,) * (value.ndim - scale.ndim))


_PARTS = {
    "self_attention/layer_norm": "attention_norm",
    "self_attention/linear_0": "joint",
    "self_attention/linear_1": "out",
    "ffn/layer_norm": "inner_norm",
    "ffn/linear_0": "up",
    "ffn/linear_1": "down",
}


def _renamed(weights: dict[str, Any]) -> dict[str, Any]:
    """The encoder's weights under the module's names."""
    names = {"gamma": "weight", "beta": "bias"}
    state = {"positions": weights["encoder/position_encodings/encodings"]}

    def take(ours: str, theirs: str) -> None:
        norm = ours.endswith("layer_norm")
        for name in ("gamma", "beta") if norm else ("weight", "bias"):
            state[f"{theirs}.{names.get(name, name)}"] = weights[f"encoder/{ours}/{name}"]

    for name in ("conv1", "conv2", "layer_norm"):
        take(name, name)
    index = 0
    while f"encoder/layer_{index}/ffn/linear_0/weight" in weights:
        for ours, theirs in _PARTS.items():
            take(f"layer_{index}/{ours}", f"layers.{index}.{theirs}")
        index += 1
    return state
