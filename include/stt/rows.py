"""Rows of an encoder output, where they lie: on the CPU or in the device's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

__all__ = ["stack", "take_rows"]


def take_rows(encoded: Any, rows: Sequence[int], device: str) -> Any:
    """Some rows of an encoder output, as an encoder output of their own."""
    return _view(_tensor(encoded, device)[list(rows)])


def stack(encoded: Sequence[Any], device: str) -> Any:
    """Encoder outputs of the same length, one under the other."""
    import torch

    return _view(torch.cat([_tensor(one, device) for one in encoded]))


def _tensor(encoded: Any, device: str) -> torch.Tensor:
    import numpy as np
    import torch

    if device == "cuda":
        return torch.as_tensor(encoded, device="cuda")
    return torch.from_numpy(np.asarray(encoded))


def _view(rows: torch.Tensor) -> Any:
    import ctranslate2
    import torch

    whole = rows.contiguous()
    if whole.is_cuda:
        torch.cuda.current_stream().synchronize()  # CTranslate2 reads it in a stream of its own
    return ctranslate2.StorageView.from_array(whole if whole.is_cuda else whole.numpy())
