"""Training of :class:`include.forensic.learned.convolution.Tower`, with torch, on a GPU where there is one.

Cross-entropy over the classes, AdamW with one cycle of the learning rate (Smith and Topin 2019), words and their
components left out at random. Vectors of words stay as they are: the corpus is small, the languages are large.
On a CPU the same numbers give the same weights; another processor, a GPU, or a GPU again, gives others that differ as
much as another seed would: maxima pass on what rounding decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.forensic.learned.convolution import RUNS, Tower, placed

__all__ = ["EPOCHS", "KERNELS", "Spoken", "train_tower"]

KERNELS = 128
"""Of each length."""

EPOCHS = 6

BATCH = 256
"""Windows in a step."""

RATE, DECAY = 3e-3, 0.02
"""Highest learning rate, and weight decay."""

WORDS_OUT, COMPONENTS_OUT, ANSWERS_OUT = 0.1, 0.2, 0.5
"""Shares that are left out at random: words, components of words, answers of kernels."""

SMOOTHED = 0.05
"""Share of each label that is spread over all classes."""

_PAIRS = [(place - (run - 1) // 2, run) for run in RUNS for place in range(run)]
"""Every place in every run: how many words after the one that the answer is noted at, and the run."""

_APART = max(RUNS) - 1
"""Zeros between turns, so that no kernel looks at two."""


@dataclass(frozen=True)
class Spoken:
    """Windows as numbers of turns, turns as numbers of words, words as vectors."""

    vectors: NDArray[np.float32]
    """``(vocabulary, width)``, zeros for a word without one."""
    words: NDArray[np.int64]
    """Every turn's words, one after another."""
    starts: NDArray[np.int64]
    """``(turns + 1,)``: where each turn's words begin."""
    turns: NDArray[np.int64]
    """Every window's turns, one after another."""
    bounds: NDArray[np.int64]
    """``(windows + 1,)``: where each window's turns begin."""


def train_tower(
    spoken: Spoken,
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
    chosen: NDArray[np.int64],
    *,
    classes: int,
    seed: int = 7,
    epochs: int = EPOCHS,
    kernels: int = KERNELS,
) -> Tower:
    """Train on some of the windows.

    Args:
        spoken: the windows.
        targets: number of each window's class.
        weights: how much each counts.
        chosen: numbers of the windows that are seen.
        classes: how many there are.
        seed: of everything drawn.
        epochs: times that each window is seen.
        kernels: of each length.
    """
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    heard = np.unique(_all_words(spoken, chosen))
    centre = spoken.vectors[heard].mean(axis=0, dtype=np.float64).astype(np.float32)
    table = placed(np.concatenate([spoken.vectors, np.zeros((1, len(centre)), np.float32)]), centre)
    batches = _Batches(spoken, torch.from_numpy(table).to(device))
    kernel = torch.nn.Parameter(_begun(draw, len(centre), kernels).to(device))
    bias = torch.nn.Parameter(torch.zeros(kernels * len(RUNS), device=device))
    top = torch.nn.Linear(kernels * len(RUNS), classes).to(device)
    steps = epochs * -(-len(chosen) // BATCH)
    optimiser = torch.optim.AdamW([kernel, bias, *top.parameters()], RATE, weight_decay=DECAY)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1, pct_start=0.1)
    target = torch.from_numpy(targets).to(device)
    weight = torch.from_numpy((weights / weights[chosen].mean()).astype(np.float32)).to(device)
    for _ in range(epochs):
        for part in _parts(draw.permutation(chosen)):
            numbers = torch.from_numpy(part).to(device)
            with torch.autocast(device.type, torch.bfloat16):
                answers = _answers(batches, part, kernel, bias)
                score = top(functional.dropout(answers, ANSWERS_OUT))
            loss = functional.cross_entropy(score.float(), target[numbers], reduction="none", label_smoothing=SMOOTHED)
            optimiser.zero_grad()
            torch.autograd.backward((loss * weight[numbers]).mean())
            optimiser.step()
            cycle.step()
    return _tower(centre, kernel, bias, top)


def _begun(draw: np.random.Generator, width: int, kernels: int) -> Any:
    """Kernels to begin with, ``(components, pairs of place and run, kernels)``: uniform by the size of a run."""
    import torch

    each = [draw.uniform(-1, 1, (width, 1, kernels)) / np.sqrt(width * run) for _, run in _PAIRS]
    return torch.from_numpy(np.concatenate(each, axis=1).astype(np.float32))


def _all_words(spoken: Spoken, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    turns = np.unique(np.concatenate([spoken.turns[spoken.bounds[n] : spoken.bounds[n + 1]] for n in chosen]))
    return np.concatenate([spoken.words[spoken.starts[n] : spoken.starts[n + 1]] for n in turns])


def _parts(order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


class _Batches:
    """Words of windows on the device, turns apart."""

    def __init__(self, spoken: Spoken, table: Any) -> None:
        import torch

        self.table = table
        self._spoken = spoken
        self._words = torch.from_numpy(spoken.words).to(table.device)

    def words(self, part: NDArray[np.int64]) -> tuple[Any, Any]:
        """Number of the word at each place (the last row of the table between turns), and of its window in the part."""
        import torch

        spoken, device = self._spoken, self.table.device
        counts = spoken.bounds[part + 1] - spoken.bounds[part]
        turns = spoken.turns[_ranges(spoken.bounds[part], counts)]
        lengths = spoken.starts[turns + 1] - spoken.starts[turns]
        longer = lengths + _APART
        inside = torch.from_numpy(np.arange(longer.sum()) - np.repeat(np.cumsum(longer) - longer, longer)).to(device)
        length = torch.from_numpy(np.repeat(lengths, longer)).to(device)
        start = torch.from_numpy(np.repeat(spoken.starts[turns], longer)).to(device)
        window = torch.from_numpy(np.repeat(np.repeat(np.arange(len(part)), counts), longer)).to(device)
        place = (start + inside).clamp_max(max(0, len(self._words) - 1))
        return torch.where(inside < length, self._words[place], len(self.table) - 1), window


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """``starts[0], starts[0] + 1 …`` for each count, one after another."""
    return np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())


def _answers(batches: _Batches, part: NDArray[np.int64], kernel: Any, bias: Any) -> Any:
    """The strongest answer of each kernel in each window, ``(windows, RUNS * kernels)``.

    Two things make this six times as fast on a CPU as every place's answer with its gradient (bench/README.md). A run's
    answer is a sum over its places of products of words and weights, so a word is multiplied once, however often the
    part holds it (its components are left out alike everywhere). And only the strongest place has a gradient, so places
    are compared without one, and what the strongest says is computed again.
    """
    import torch
    from torch.nn import functional

    words, window = batches.words(part)
    gap = len(batches.table) - 1
    left_out = torch.rand(words.shape, device=words.device) < WORDS_OUT
    listed, heard = torch.unique(torch.where(left_out, gap, words), return_inverse=True)
    vectors = functional.dropout(batches.table[listed], COMPONENTS_OUT)
    products = (vectors @ kernel.flatten(1)).view(len(listed) * len(_PAIRS), -1)
    said = torch.nonzero(words < gap)[:, 0]
    counts = torch.bincount(window[said], minlength=len(part))
    column = torch.arange(kernel.shape[2], device=words.device)[:, None]
    found = []
    for run in RUNS:
        rows = [row for row, (_, own) in enumerate(_PAIRS) if own == run]
        moves = torch.tensor([_PAIRS[row][0] for row in rows], device=words.device)
        pairs = torch.tensor(rows, device=words.device)

        def near(place: Any, moves: Any = moves, pairs: Any = pairs) -> Any:
            """Rows of the products that a run at these places is the sum of; a turn has a gap behind it, the last, too,
            which is where the place before the first one lies."""
            return heard[(place[..., None] + moves) % len(words)] * len(_PAIRS) + pairs

        strongest = _strongest(functional.embedding_bag(near(said), products.detach(), mode="sum"), counts)
        found.append(products[near(said[strongest]), column].sum(dim=-1))
    return functional.relu(torch.cat(found, dim=1) + bias) * (counts > 0)[:, None]


def _strongest(answers: Any, counts: Any) -> Any:
    """Where each kernel answers most: row of the answers, ``(windows, kernels)``.

    Args:
        answers: ``(words, kernels)``, one window's after another's.
        counts: words of each window; for a window without any a row is given, too.
    """
    import torch

    rows = torch.arange(len(answers), device=answers.device)
    largest = 2  # the mode of torch.embedding_bag, which tells the rows
    found = torch.embedding_bag(answers, rows, torch.cumsum(counts, 0) - counts, False, largest)[3]
    return found.clamp(0, max(0, len(answers) - 1))


def _tower(centre: NDArray[np.float32], kernel: Any, bias: Any, top: Any) -> Tower:
    """The trained weights as numpy's."""

    def array(value: Any) -> NDArray[np.float32]:
        return np.asarray(value.detach().float().cpu().numpy())

    runs = [array(kernel[:, [row for row, (_, own) in enumerate(_PAIRS) if own == run]]) for run in RUNS]
    return Tower(
        centre,
        tuple(own.transpose(1, 0, 2).reshape(-1, own.shape[2]) for own in runs),
        array(bias),
        array(top.weight).T,
        array(top.bias).astype(np.float64),
    )
