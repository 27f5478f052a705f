"""Whisper base made larger without changing what it computes: real text at the cost of a larger model.

Where large weights can't be had, random ones (bench/random_whisper.py) measure speed and memory, but no text ends by
itself with them. Here every activation stands twice (a linear layer's halves add up to the same sum, a layer norm sees
the same mean and variance, each attention head has a twin), and layers that add nothing are appended. Width 1024 with
50 encoder and 6 decoder layers has the arithmetic of large-v3-turbo's 1280 with 32 and 4; 50 and 50 that of large-v3.
"""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

__all__ = ["STRETCHED", "stretch"]

STRETCHED = {"base-as-turbo": (50, 6), "base-as-large-v3": (50, 50)}
"""Name → encoder and decoder layers."""
_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")


def stretch(base: Path, target: Path, encoder_layers: int, decoder_layers: int) -> None:
    """Write ``target`` from Whisper base's directory."""
    import torch

    from include.stt.ct2_weights import read_variables

    variables = read_variables(base / "model.bin", lambda _: True)
    variables.pop("decoder/projection/weight")  # an alias of the embeddings: its sums need the half, they don't
    made = {name: _twice(name, value) for name, value in variables.items()}
    made["decoder/projection/weight"] = _across(variables["decoder/embeddings/weight"])
    for side, wanted in (("encoder", encoder_layers), ("decoder", decoder_layers)):
        had = len({name.split("/")[1] for name in made if name.startswith(f"{side}/layer_")} - {"layer_norm"})
        for index in range(had, wanted):
            for name, value in list(made.items()):
                if name.startswith(f"{side}/layer_0/"):
                    adds = name.endswith(("attention/linear_1/weight", "ffn/linear_1/weight", "linear_2/weight")) or (
                        name.endswith(("attention/linear_1/bias", "ffn/linear_1/bias", "linear_2/bias"))
                    )
                    # the cross attention's linear_1 makes keys and values; without them nothing is added either
                    copy = torch.zeros_like(value) if adds else value
                    made[name.replace("layer_0", f"layer_{index}", 1)] = copy
    target.mkdir(parents=True)
    _write(target / "model.bin", made)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(base / name, target / name)
    (target / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}))


def _across(weight: Any) -> Any:
    """A linear layer's weight for inputs that stand twice."""
    import torch

    return torch.cat([weight / 2, weight / 2], 1)


def _twice(name: str, value: Any) -> Any:
    import torch

    if name.endswith("num_heads"):
        return value * 2
    if value.ndim == 0:
        return value
    if "embeddings" in name or "encodings" in name:
        return torch.cat([value, value], 1)
    # joint query, key and value: each stands twice in its own part
    parts = 3 if "self_attention/linear_0" in name else 2 if "/attention/linear_1" in name else 1
    rows = torch.cat([torch.cat([part, part]) for part in value.chunk(parts)])
    if rows.ndim == 1 or "conv1" in name:
        return rows
    return torch.cat([rows / 2, rows / 2], 1)


def _write(path: Path, variables: dict[str, Any]) -> None:
    """As ``ctranslate2.specs.model_spec.ModelSpec._serialize``."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    with path.open("wb") as file:
        file.write(struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(variables)))
        for name, value in sorted(variables.items()):
            data = value.contiguous().numpy()
            file.write(text(name) + struct.pack(f"<B{data.ndim}I", data.ndim, *data.shape))
            file.write(struct.pack("<BI", _TYPES.index(str(data.dtype)), data.nbytes))
            file.write(data.tobytes())
        file.write(struct.pack("<I", 0))
