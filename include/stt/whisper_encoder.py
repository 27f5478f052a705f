"""Whisper's encoder in torch, lean: one matrix for query, key and value, nothing copied between them and attention.

The module of ``transformers`` computes the same, but hands a transposed tensor from its convolutions to the layers, so
that every residual sum and layer norm of every layer reads it across its rows, and copies queries, keys and values: its
copies and such sums took 0.8 of about 2 s of kernels on an H200 (bench/README.md, "Recorded instead of compiled").
Torch is imported with this module.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

__all__ = ["WhisperEncoder"]

_LARGEST = torch.finfo(torch.float16).max - 1000


class WhisperEncoder(nn.Module):
    """Radford et al., 2022, section 2.2; any number of frames up to the embeddings' length."""

    def __init__(self, *, width: int, layers: int, heads: int, inner: int, mels: int, positions: int) -> None:
        """Empty weights.

        Args:
            width: of the hidden states.
            layers: how many.
            heads: of attention.
            inner: width inside the feed-forward layers.
            mels: bands of the features.
            positions: output frames of the longest window.
        """
        super().__init__()
        self.conv1 = nn.Conv1d(mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.empty(positions, width))
        self.layers = nn.ModuleList(_Layer(width, heads, inner) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Encode features (chunks, mels, frames) to (chunks, frames / 2, width)."""
        for states in self.states(features):  # noqa: B007 - the last one
            pass
        normal: torch.Tensor = self.layer_norm(states)
        return normal

    def states(self, features: torch.Tensor) -> Iterator[torch.Tensor]:
        """What each layer makes of the features, in their order: (chunks, frames / 2, width)."""
        states = functional.gelu(self.conv2(functional.gelu(self.conv1(features))))
        states = states.transpose(1, 2).contiguous() + self.positions[: states.shape[2]]
        for layer in self.layers:
            states = layer(states)
            yield states


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.joint = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        chunks, frames, width = states.shape
        joint = self.joint(self.attention_norm(states)).view(chunks, frames, 3, self.heads, width // self.heads)
        query, key, value = (one.transpose(1, 2) for one in joint.unbind(2))
        attended = functional.scaled_dot_product_attention(query, key, value)
        states = states + self.out(attended.transpose(1, 2).reshape(chunks, frames, width))
        added: torch.Tensor = self.down(functional.gelu(self.up(self.inner_norm(states))))
        states = states + added
        if states.dtype == torch.float16:  # as transformers does it: an infinity here would be a text of nothing
            states = states.clamp(-_LARGEST, _LARGEST)
        return states
