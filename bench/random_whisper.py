"""Whisper models of the real shapes with random weights, in CTranslate2's format: right for memory and time, not text.

Where no weights can be had. Vocabulary, tokenizer and configuration are Whisper base's, so the product loads them.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["SHAPES", "Shape", "write"]


@dataclass(frozen=True)
class Shape:
    """Sizes as in the models' config.json on the hub."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int
    mels: int


SHAPES = {
    "random-large-v3": Shape(1280, 20, 32, 32, 51866, 128),
    "random-large-v3-turbo": Shape(1280, 20, 32, 4, 51866, 128),
    "random-tiny": Shape(384, 6, 4, 4, 51865, 80),
}
_AUDIO_FRAMES, _TEXT_POSITIONS = 1500, 448


def write(name: str, base: Path, target: Path) -> None:
    """Write ``target`` with the shape ``name``, its vocabulary taken from ``base`` (Whisper base)."""
    import numpy as np
    import torch
    from ctranslate2.specs import WhisperSpec

    shape = SHAPES[name]
    width = shape.width
    generator = torch.Generator("cuda" if torch.cuda.is_available() else "cpu").manual_seed(7)

    def random(*size: int) -> Any:
        drawn = torch.randn(*size, generator=generator, device=generator.device, dtype=torch.float32)
        return drawn.mul_(0.02).half().cpu().numpy()

    def fill(linear: Any, out: int, into: int, *, bias: bool = True) -> None:
        linear.weight = random(out, into)
        if bias:
            linear.bias = np.zeros(out, np.float16)

    def norm(one: Any) -> None:
        one.gamma, one.beta = np.ones(width, np.float16), np.zeros(width, np.float16)

    def layers(several: Any) -> None:
        for layer in several:
            attentions = [(layer.self_attention, (3, 1))]
            if hasattr(layer, "attention"):
                attentions.append((layer.attention, (1, 2, 1)))
            for attention, sizes in attentions:
                norm(attention.layer_norm)
                for linear, times in zip(attention.linear, sizes, strict=True):
                    fill(linear, times * width, width)
            norm(layer.ffn.layer_norm)
            fill(layer.ffn.linear_0, 4 * width, width)
            fill(layer.ffn.linear_1, width, 4 * width)

    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    for conv, channels in ((spec.encoder.conv1, shape.mels), (spec.encoder.conv2, width)):
        conv.weight, conv.bias = random(width, channels, 3), np.zeros(width, np.float16)
    spec.encoder.position_encodings.encodings = random(_AUDIO_FRAMES, width)
    spec.decoder.position_encodings.encodings = random(_TEXT_POSITIONS, width)
    spec.decoder.embeddings.weight = random(shape.vocabulary, width)
    fill(spec.decoder.projection, shape.vocabulary, width, bias=False)
    for side in (spec.encoder, spec.decoder):
        norm(side.layer_norm)
        layers(side.layer)
    words = (base / "vocabulary.txt").read_text().split("\n")[:51865]
    spec.register_vocabulary(words + [f"<|extra{index}|>" for index in range(shape.vocabulary - len(words))])
    configuration = json.loads((base / "config.json").read_text())
    spec.config.suppress_ids = configuration["suppress_ids"]
    spec.config.suppress_ids_begin = configuration["suppress_ids_begin"]
    spec.config.lang_ids = configuration["lang_ids"]
    spec.config.alignment_heads = [[shape.decoder_layers - 1, head] for head in range(shape.heads)]
    spec.validate()
    # no spec.optimize(): everything is float16 already, and its search for equal weights takes a minute
    target.mkdir(parents=True)
    spec.save(str(target))
    shutil.copyfile(base / "tokenizer.json", target / "tokenizer.json")
    (target / "preprocessor_config.json").write_text(json.dumps({"feature_size": shape.mels}))
