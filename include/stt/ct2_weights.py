"""Whisper's encoder out of a CTranslate2 ``model.bin``, as the module of transformers: no second checkpoint is needed.

The layout of the file is the one that ``ctranslate2.specs.model_spec.ModelSpec._serialize`` writes (binary version 6):
specification, revision, variables (name, shape, type, bytes), then aliases. CTranslate2 joins the query, key and value
projections into one matrix; Whisper's key projection has no bias, so that third of the joint bias is zero.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from include.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["encoder_module", "read_variables", "shortened"]

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


def encoder_module(path: Path) -> Any:
    """Whisper's encoder as ``transformers``' module with scaled dot product attention, in evaluation mode, on the CPU.

    Weights keep the file's precision: 8- and 16-bit integers become float32 by their scales, as CTranslate2 does it.

    Args:
        path: a ``model.bin``.

    Returns:
        ``transformers.models.whisper.modeling_whisper.WhisperEncoder``.

    Raises:
        ModelError: the file can't be read, or the encoder in it isn't Whisper's.
    """
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    variables = read_variables(path, lambda name: name.startswith("encoder/"))
    try:
        weights = {name: _plain(variables, name) for name in variables if not name.endswith("_scale")}
        state = _renamed(weights)
        width, mels, _ = state["conv1.weight"].shape
        layers = {key.split(".")[1] for key in state if key.startswith("layers.")}
        config = WhisperConfig(
            d_model=width,
            encoder_layers=len(layers),
            encoder_attention_heads=int(weights["encoder/num_heads"]) if "encoder/num_heads" in weights
            else width // _HEAD_SIZE,
            encoder_ffn_dim=state["layers.0.fc1.weight"].shape[0],
            num_mel_bins=mels,
            max_source_positions=state["embed_positions.weight"].shape[0],
            attn_implementation="sdpa",
        )  # fmt: skip
        with torch.device("meta"):  # no time and memory for random weights that are thrown away
            module = WhisperEncoder(config)
        module.load_state_dict(state, assign=True)
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{path} holds no Whisper encoder that is known here ({error}); set VOICEMAN_ENGINE_MODE=ctranslate2."
        ) from error
    return module.eval().requires_grad_(False)


def shortened(module: Any, positions: int) -> Any:
    """The same encoder, weights shared, for windows of ``positions`` output frames (20 ms each) instead of 1500."""
    import copy

    import torch

    config = copy.deepcopy(module.config)
    config.max_source_positions = positions
    with torch.device("meta"):
        short = type(module)(config)
    state = module.state_dict()
    state["embed_positions.weight"] = state["embed_positions.weight"][:positions]
    short.load_state_dict(state, assign=True)
    return short.eval().requires_grad_(False)


def _plain(variables: dict[str, Any], name: str) -> Any:
    """A variable without its quantization: stored integers are the value times the scale, a scale a row or one."""
    scale, value = variables.get(f"{name}_scale"), variables[name]
    if scale is None:
        return value
    return value.float() / scale.reshape(scale.shape + (1,) * (value.ndim - scale.ndim))


_NORMS = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "ffn/layer_norm": "final_layer_norm",
}
_LINEARS = {
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
}


def _renamed(weights: dict[str, Any]) -> dict[str, Any]:
    """The encoder's weights under transformers' names."""
    state = {"embed_positions.weight": weights["encoder/position_encodings/encodings"]}

    def take(ours: str, theirs: str, *, norm: bool = False) -> None:
        for old, new in (("gamma", "weight"), ("beta", "bias")) if norm else (("weight", "weight"), ("bias", "bias")):
            state[f"{theirs}.{new}"] = weights[f"encoder/{ours}/{old}"]

    for conv in ("conv1", "conv2"):
        take(conv, conv)
    take("layer_norm", "layer_norm", norm=True)
    index = 0
    while f"encoder/layer_{index}/ffn/linear_0/weight" in weights:
        ours, theirs = f"layer_{index}", f"layers.{index}"
        for old, new in _NORMS.items():
            take(f"{ours}/{old}", f"{theirs}.{new}", norm=True)
        for old, new in _LINEARS.items():
            take(f"{ours}/{old}", f"{theirs}.{new}")
        joint = f"encoder/{ours}/self_attention/linear_0"
        query, key, value = weights[f"{joint}/weight"].chunk(3)
        query_bias, key_bias, value_bias = weights[f"{joint}/bias"].chunk(3)
        if key_bias.any():
            raise ValueError("its key projection has a bias")
        attention = f"{theirs}.self_attn"
        state |= {
            f"{attention}.q_proj.weight": query.contiguous(), f"{attention}.q_proj.bias": query_bias.contiguous(),
            f"{attention}.k_proj.weight": key.contiguous(),
            f"{attention}.v_proj.weight": value.contiguous(), f"{attention}.v_proj.bias": value_bias.contiguous(),
        }  # fmt: skip
        index += 1
    return state
