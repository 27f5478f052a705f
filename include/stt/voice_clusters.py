"""How many voices are there, and what is each like: clusters of voice vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PARAMETERS", "centroids"]

PARAMETERS = {
    "two": 0.77, "two_large": 0.82, "share_of_two": 0.2, "more": 0.66, "more_large": 0.72, "share_of_more": 0.14,
    "least_s": 1.5, "most": 8, "rounds": 10,
}  # fmt: skip
"""Two voices are two when the cosine of their means is below ``two``, three and more when every pair's is below
``more`` (most calls have two parties: a third must be clearly another). When each has at least that share of the
speech, the ``_large`` bounds hold: a stretch of one voice that merely sounds odd is short. Each needs ``least_s``;
at most ``most``. Measured: halves of one voice are alike by 0.82 to 0.94, different voices by 0.49 to 0.85."""
_MOST_VECTORS = 3000


def centroids(
    vectors: NDArray[np.float32], seconds: NDArray[np.float32], speakers: int | None = None
) -> NDArray[np.float32]:
    """Unit vectors (voices, dimensions), one a voice.

    Ward's linkage cut into k clusters, refined by spherical k-means, for k from the most on down; the first cut whose
    voices differ enough is taken.

    Args:
        vectors: (windows, dimensions), unit length.
        seconds: (windows,): the speech each stands for; 0 leaves it aside.
        speakers: how many voices there are, when that is known; fewer come back only when there are fewer vectors.
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage

    use = np.flatnonzero(seconds > 0)
    if len(use) > _MOST_VECTORS:  # the linkage's matrix grows with the square: take every n-th
        use = use[np.linspace(0, len(use) - 1, _MOST_VECTORS).astype(int)]
    points, weight = vectors[use], seconds[use] * (seconds.sum() / max(seconds[use].sum(), 1e-9))
    if len(use) < 2 or speakers == 1:
        return _means(points, weight, np.zeros(len(use), np.intp)) if len(use) else points
    tree = linkage(points, "ward")
    for count in [speakers] if speakers else range(int(PARAMETERS["most"]), 1, -1):
        labels = np.unique(fcluster(tree, count, "maxclust"), return_inverse=True)[1]
        means = _refined(points, weight, labels, keep_small=speakers is not None)
        if speakers is not None or _differ(means, points, weight):
            return means
    return _means(points, weight, np.zeros(len(use), np.intp))


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


def _refined(
    points: NDArray[np.float32], weight: NDArray[np.float32], labels: NDArray[np.intp], *, keep_small: bool
) -> NDArray[np.float32]:
    """Means after spherical k-means; clusters with too little speech are given to the others first."""
    import numpy as np

    means = _means(points, weight, labels)
    if not keep_small:
        large = np.bincount(labels, weight, minlength=len(means)) >= PARAMETERS["least_s"]
        if large.any():
            means = means[large]
    for _ in range(int(PARAMETERS["rounds"])):
        labels = (points @ means.T).argmax(1)
        if len(np.unique(labels)) < len(means):
            break
        again = _means(points, weight, labels)
        if np.allclose(again, means):
            break
        means = again
    return means


def _means(points: NDArray[np.float32], weight: NDArray[np.float32], labels: NDArray[np.intp]) -> NDArray[np.float32]:
    import numpy as np

    rows = np.stack([(points[labels == k] * weight[labels == k, None]).sum(0) for k in range(labels.max() + 1)])
    found: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return found
