"""Is it one voice or two? Judged by what lies between, not by how alike the means are.

The means of many voices on one telephone line are alike (twelve voices of ``ko_calls``: cosines of 0.52 to 0.82), and
so are the means of two halves of one voice (0.76 to 0.94, by how much speech there is): no bound on the cosine tells
many voices apart. What does, once there is enough speech, is the gap. Windows of two clusters, laid on the line through
both means, stand apart by so many times their spread (d'): halves of one voice by 0 to 3.6, two voices by 3.6 to 13,
but for one pair in 67 by more than 4.3 (bench/README.md, "Many voices"). A window is laid on a line that its own
stretch of speech took no part in, or few windows of one voice would always stand apart in 192 dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "PARAMETERS", "Side", "apart", "means_of", "merged", "mixtures", "refined", "refuted", "side_of", "stretches_of"
]  # fmt: skip

PARAMETERS = {
    "twin": 0.9, "cells": 24, "cell_s": 6.0, "least_cell_s": 5.0, "same": 0.9, "apart": 3.6, "least_s": 10.0,
    "least_stretches": 4, "refuted": 3.0, "least_windows": 16, "one_voice": 0.68, "rounds": 10,
}  # fmt: skip
"""``twin``: two windows this alike are the same sound twice (windows of different stretches reached 0.88, repeated ones
0.90 to 1): an announcement that comes again says nothing new. ``cells``: clusters to begin with, at most, one for each
``cell_s`` of speech, of ``least_cell_s`` at least. ``same``: means with a larger cosine are one voice without a look.
``apart``: d' of two voices (between 3.4 and 3.8 nothing changes, at 3.0 voices are split). A voice is one that is heard
for ``least_s``, in ``least_stretches``. ``refuted``: clusters of ``least_windows`` each that stand apart by less are no
two voices. ``one_voice``: length of the mean of a voice's windows; those of several voices are less alike."""

_ROWS = 500


def stretches_of(points: NDArray[np.float32], starts: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which windows depend on each other, by number, (windows,): they overlap, or are the same sound twice.

    Args:
        points: (windows, dimensions), unit length, in order of time.
        starts, ends: (windows,), in any unit.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(points):
        return np.zeros(0, np.intp)
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(ends[order])
    stretch = np.empty(len(points), np.intp)
    stretch[order] = np.concatenate([[0], np.cumsum(starts[order][1:] >= reached[:-1])])
    size = int(stretch.max()) + 1
    pairs = [np.zeros(0, np.intp)]
    for first in range(0, len(points), _ROWS):  # all at once: gigabytes where all windows are alike
        one, other = np.nonzero(points[first : first + _ROWS] @ points.T >= PARAMETERS["twin"])
        pairs.append(np.unique(stretch[one + first] * size + stretch[other]))
    linking = np.concatenate(pairs)
    links = coo_matrix((np.ones(len(linking), np.int8), np.divmod(linking, size)), shape=(size, size))
    linked: NDArray[np.intp] = connected_components(links, directed=False)[1][stretch]
    return linked


@dataclass(frozen=True)
class Side:
    """A cluster, ready to be held against others."""

    points: NDArray[np.float32]
    """(windows, dimensions), by stretch."""
    mean: NDArray[np.float32]
    own: NDArray[np.intp]
    """Which row of ``without`` belongs to each window, (windows,)."""
    without: NDArray[np.float32]
    """The mean without each stretch, (stretches, dimensions); empty when there is but one."""


def side_of(points: NDArray[np.float32], stretch: NDArray[np.intp]) -> Side:
    """A cluster of windows.

    Args:
        points: (windows, dimensions).
        stretch: the stretch of each window (:func:`stretches_of`).
    """
    import numpy as np

    mean, order = points.mean(0), np.argsort(stretch, kind="stable")
    points, stretch = points[order], stretch[order]
    first = np.flatnonzero(np.concatenate([[True], stretch[1:] != stretch[:-1]]))
    count = np.diff(np.append(first, len(stretch)))
    own = np.repeat(np.arange(len(first)), count)
    if len(first) < 2:
        return Side(points, mean, own, points[:0])
    without = (points.sum(0) - np.add.reduceat(points, first, 0)) / (len(points) - count)[:, None]
    return Side(points, mean, own, without)


def apart(one: Side, other: Side) -> float | None:
    """How many times their spread two clusters stand apart (d'); None when one of them is a single stretch."""
    import numpy as np

    if not len(one.without) or not len(other.without):
        return None
    sides = _along(one, other.mean), _along(other, one.mean)
    spread = sum(float(side.var()) * len(side) for side in sides) / (len(one.points) + len(other.points))
    return float((sides[0].mean() + sides[1].mean()) / np.sqrt(spread + 1e-9))


def _along(side: Side, other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each window's distance from the middle, towards its own cluster, on a line without its own stretch."""
    import numpy as np

    line = side.without - other
    line /= np.linalg.norm(line, axis=1, keepdims=True) + 1e-9
    middle = ((side.without + other) / 2 * line).sum(1)
    found: NDArray[np.float32] = np.einsum("ij,ij->i", side.points, line[side.own]) - middle[side.own]
    return found


def merged(
    points: NDArray[np.float32], weight: NDArray[np.float32], stretch: NDArray[np.intp], labels: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Clusters put together until all that are left stand apart; unit vectors (voices, dimensions).

    The two that stand apart least are put together first, and everything is shared out again.

    Args:
        points: (windows, dimensions), unit length.
        weight: (windows,), seconds.
        stretch: of each window.
        labels: of each window, more clusters than voices.
    """
    import numpy as np

    least = PARAMETERS["least_cell_s"]
    means = refined(points, weight, labels, least)
    known: dict[tuple[bytes, bytes], float] = {}
    sides: dict[bytes, Side] = {}
    while len(means) > 1:
        labels = (points @ means.T).argmax(1)
        seconds = np.bincount(labels, weight, minlength=len(means))
        if seconds.min() < least:
            rest = np.delete(means, seconds.argmin(), 0)
            means = refined(points, weight, (points @ rest.T).argmax(1))
            continue
        sets = [np.flatnonzero(labels == one) for one in range(len(means))]
        names = [one.tobytes() for one in sets]
        sides = {
            name: sides[name] if name in sides else side_of(points[one], stretch[one])
            for name, one in zip(names, sets, strict=True)
        }
        alike, pairs = means @ means.T, [(a, b) for a in range(1, len(sets)) for b in range(a)]
        keys = [(names[a], names[b]) for a, b in pairs]
        known = {
            key: known[key] if key in known
            else 0.0 if alike[a, b] >= PARAMETERS["same"]
            else apart(sides[key[0]], sides[key[1]]) or 0.0
            for key, (a, b) in zip(keys, pairs, strict=True)
        }  # fmt: skip
        least_apart = min(keys, key=lambda key: known[key])
        if known[least_apart] >= PARAMETERS["apart"]:
            break
        a, b = pairs[keys.index(least_apart)]
        labels[sets[a]] = b
        means = refined(points, weight, np.unique(labels, return_inverse=True)[1])
    labels = (points @ means.T).argmax(1)
    heard = np.array([len(np.unique(stretch[labels == one])) for one in range(len(means))])
    enough = np.bincount(labels, weight, minlength=len(means)) >= PARAMETERS["least_s"]
    enough &= heard >= PARAMETERS["least_stretches"]
    return refined(points, weight, (points @ means[enough].T).argmax(1)) if enough.any() else means[:1]


def refuted(points: NDArray[np.float32], stretch: NDArray[np.intp], means: NDArray[np.float32]) -> bool:
    """Whether two of these voices, each with enough windows to tell, do not stand apart."""
    import numpy as np

    labels = (points @ means.T).argmax(1)
    sets = [np.flatnonzero(labels == one) for one in range(len(means))]
    sides = [side_of(points[one], stretch[one]) for one in sets if len(one) >= PARAMETERS["least_windows"]]
    for at, one in enumerate(sides):
        for other in sides[:at]:
            found = apart(one, other)
            if found is not None and found < PARAMETERS["refuted"]:
                return True
    return False


def mixtures(points: NDArray[np.float32], weight: NDArray[np.float32], means: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of the voices are several: their windows are less alike than those of one voice, (voices,)."""
    import numpy as np

    labels = (points @ means.T).argmax(1)
    found = np.zeros(len(means), bool)
    for one in range(len(means)):
        mine = labels == one
        total = float(weight[mine].sum())
        if total > 0:
            length = float(np.linalg.norm((points[mine] * weight[mine, None]).sum(0))) / total
            found[one] = length < PARAMETERS["one_voice"]
    return found


def refined(
    points: NDArray[np.float32], weight: NDArray[np.float32], labels: NDArray[np.intp], least_s: float = 0.0
) -> NDArray[np.float32]:
    """Means after spherical k-means; clusters with less speech than ``least_s`` are given to the others first."""
    import numpy as np

    means = means_of(points, weight, labels)
    large = np.bincount(labels, weight, minlength=len(means)) >= least_s
    if large.any():
        means = means[large]
    for _ in range(int(PARAMETERS["rounds"])):
        labels = (points @ means.T).argmax(1)
        if len(np.unique(labels)) < len(means):
            break
        again = means_of(points, weight, labels)
        if np.allclose(again, means):
            break
        means = again
    return means


def means_of(points: NDArray[np.float32], weight: NDArray[np.float32], labels: NDArray[np.intp]) -> NDArray[np.float32]:
    """Unit vectors: the weighted mean of each label's windows, (labels, dimensions)."""
    import numpy as np

    rows = np.stack([(points[labels == k] * weight[labels == k, None]).sum(0) for k in range(labels.max() + 1)])
    found: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return found
