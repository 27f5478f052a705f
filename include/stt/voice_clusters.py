"""How many voices are there, and what is each like: clusters of voice vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt import voice_cuts
from include.stt.voice_cuts import means_of, merged, mixtures, refined, refuted, stretches_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PARAMETERS", "Cut", "centroids", "cut"]

PARAMETERS = {
    "two": 0.77, "two_large": 0.82, "share_of_two": 0.2, "more": 0.66, "more_large": 0.72, "share_of_more": 0.14,
    "least_s": 1.5, "most": 8, **{f"cuts_{name}": value for name, value in voice_cuts.PARAMETERS.items()},
}  # fmt: skip
"""Little speech: two voices are two when the cosine of their means is below ``two``, three and more when every pair's
is below ``more`` (most calls have two parties: a third must be clearly another). When each has at least that share of
the speech, the ``_large`` bounds hold: a stretch of one voice that merely sounds odd is short. Each needs ``least_s``;
at most ``most``. Measured: halves of one voice are alike by 0.82 to 0.94, different voices by 0.49 to 0.85.
``cuts_``: where there is enough speech to see a gap between voices (:mod:`include.stt.voice_cuts`)."""
_MOST_VECTORS = 3000


@dataclass(frozen=True)
class Cut:
    """The voices of a recording."""

    means: NDArray[np.float32]
    """Unit vectors (voices, dimensions)."""
    mixed: NDArray[np.bool_]
    """(voices,): its windows are less alike than one voice's: several voices that could not be told apart."""


def centroids(
    vectors: NDArray[np.float32], seconds: NDArray[np.float32], speakers: int | None = None
) -> NDArray[np.float32]:
    """The means alone of :func:`cut`, of windows that do not overlap."""
    return cut(vectors, seconds, speakers).means


def cut(
    vectors: NDArray[np.float32], seconds: NDArray[np.float32], speakers: int | None = None,
    spans: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None,
) -> Cut:  # fmt: skip
    """Find the voices.

    Twice: by how alike the means are (Ward's linkage cut into k clusters, refined by spherical k-means, for k from the
    most on down; the first cut whose voices differ enough), which tells few voices apart in little speech; and by the
    gaps between many small clusters (:func:`include.stt.voice_cuts.merged`), which tells many apart in more. The
    greater number counts: either errs by too few far more often than by too many (bench/README.md, "Many voices").

    Args:
        vectors: (windows, dimensions), unit length.
        seconds: (windows,): the speech each stands for; 0 leaves it aside.
        speakers: how many voices there are, when that is known; fewer come back only when there are fewer vectors.
        spans: where each window begins and ends, in any unit; None: none overlaps another.
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage

    use = np.flatnonzero(seconds > 0)
    if len(use) > _MOST_VECTORS:  # the linkage's matrix grows with the square: take every n-th
        use = use[np.linspace(0, len(use) - 1, _MOST_VECTORS).astype(int)]
    points, weight = vectors[use], seconds[use] * (seconds.sum() / max(seconds[use].sum(), 1e-9))
    if not len(use):
        return Cut(points, np.zeros(0, bool))
    one = means_of(points, weight, np.zeros(len(use), np.intp))
    if len(use) < 2 or speakers == 1:
        return Cut(one, np.zeros(1, bool))
    tree = linkage(points, "ward")

    def cells(count: int) -> NDArray[np.intp]:
        found: NDArray[np.intp] = np.unique(fcluster(tree, count, "maxclust"), return_inverse=True)[1]
        return found

    if speakers is not None:
        asked = refined(points, weight, cells(speakers))
        return Cut(asked, np.zeros(len(asked), bool))
    first, last = (use, use + 1) if spans is None else (spans[0][use], spans[1][use])
    stretch = stretches_of(points, first, last)
    few = one
    for count in range(int(PARAMETERS["most"]), 1, -1):
        means = refined(points, weight, cells(count), PARAMETERS["least_s"])
        if _differ(means, points, weight) and not refuted(points, stretch, means):
            few = means
            break
    how = voice_cuts.PARAMETERS
    many = merged(points, weight, stretch, cells(int(np.clip(weight.sum() / how["cell_s"], 1, how["cells"]))))
    means = many if len(many) > len(few) else few
    return Cut(means, mixtures(points, weight, means))


def _differ(means: NDArray[np.float32], points: NDArray[np.float32], weight: NDArray[np.float32]) -> bool:
    import numpy as np

    if len(means) < 2:
        return False
    alike = means @ means.T
    np.fill_diagonal(alike, -1)
    which = "two" if len(means) == 2 else "more"
    seconds = np.bincount((points @ means.T).argmax(1), weight, minlength=len(means))
    large = seconds.min() >= PARAMETERS[f"share_of_{which}"] * seconds.sum()
    return bool(alike.max() < PARAMETERS[f"{which}_large" if large else which])
