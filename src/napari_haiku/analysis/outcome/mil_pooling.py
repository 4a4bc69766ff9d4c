"""From a bag of patches to one row of features, without looking at any outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.mil_bags import Bags

# Prototypes are learned on so many patches, and a niche's mean is drawn to the
# prototype as if so many patches lay on it.
_LEARNED_ON = 20_000
_PRIOR_PATCHES = 4.0
_SMALL = 1e-6


class Pooling(Protocol):
    """Turns bags into rows."""

    def __call__(self, bags: Bags) -> NDArray[np.float64]:
        """Return one row of features a bag."""
        ...


class MeanPooling:
    """The mean vector of the bag's patches."""

    def __call__(self, bags: Bags) -> NDArray[np.float64]:
        """Return (bags, dim)."""
        return bags.mean()


class SpreadPooling:
    """Mean and standard deviation of every dimension over the bag's patches."""

    def __call__(self, bags: Bags) -> NDArray[np.float64]:
        """Return (bags, 2 dim)."""
        mean = bags.mean()
        gap = bags.vectors - mean[bags.bag]
        return np.hstack([mean, np.sqrt(bags.mean(gap**2))])


@dataclass(frozen=True)
class PrototypePooling:
    """What share of the bag lies near each prototype, and how those patches look.

    Effects differ between niches; a mean over all patches mixes them. Each
    prototype gives its share of the patches (log) and the mean deviation of
    its patches from it, shrunk towards none where there are few.

    Parameters
    ----------
    centres : ndarray of float32, shape (prototypes, dim)
        Learned by :func:`learn_prototypes`.
    """

    centres: NDArray[np.float32]

    def nearest(self, bags: Bags) -> NDArray[np.int64]:
        """Prototype of each patch."""
        near = bags.vectors @ self.centres.T - 0.5 * (self.centres**2).sum(axis=1)
        nearest: NDArray[np.int64] = near.argmax(axis=1)
        return nearest

    def __call__(self, bags: Bags) -> NDArray[np.float64]:
        """Return (bags, dim + prototypes + prototypes * dim)."""
        of, k = self.nearest(bags), len(self.centres)
        cell = bags.bag * k + of
        count = np.bincount(cell, minlength=len(bags) * k).reshape(len(bags), k)
        total = np.zeros((len(bags) * k, bags.dim))
        np.add.at(total, cell, bags.vectors - self.centres[of])
        deviation = total.reshape(len(bags), k, -1) / (count[..., None] + _PRIOR_PATCHES)
        share = np.log((count + 0.5) / (bags.sizes[:, None] + 0.5 * k))
        return np.hstack([bags.mean(), share, deviation.reshape(len(bags), -1)])


def learn_prototypes(bags: Bags, n: int, seed: int) -> PrototypePooling:
    """Learn prototypes by k-means on the bags' patches, each bag with equal say."""
    from sklearn.cluster import MiniBatchKMeans

    rng = np.random.default_rng(seed)
    drawn = bags.thinned(max(1, _LEARNED_ON // max(1, len(bags))), int(rng.integers(2**31)))
    n = min(n, len(drawn.vectors))
    model = MiniBatchKMeans(n, random_state=seed, n_init=3, batch_size=1024, max_iter=60)
    model.fit(drawn.vectors)
    return PrototypePooling(np.asarray(model.cluster_centers_, np.float32))


@dataclass(frozen=True)
class Standardised:
    """Rows brought to mean 0 and SD 1 of the rows it was learned on, then turned.

    The turn puts the rows into as many coordinates as there are training rows;
    a ridge penalty does not see it, but everything after it is small.

    Parameters
    ----------
    centre, spread : ndarray, shape (features,)
        Mean and SD of the training rows.
    axes : ndarray, shape (features, coordinates)
        Orthonormal columns.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def learn(cls, rows: NDArray[np.float64]) -> Standardised:
        """Learn from training rows, shape (n, features)."""
        centre, spread = rows.mean(axis=0), rows.std(axis=0)
        # A feature that never changes says nothing.
        spread = np.where(spread > _SMALL * np.maximum(1, np.abs(centre)), spread, np.inf)
        scaled = (rows - centre) / spread
        if scaled.shape[1] <= len(scaled):
            return cls(centre, spread, np.eye(scaled.shape[1]))
        value, vector = np.linalg.eigh(scaled @ scaled.T)
        kept = value > value[-1] * 1e-10
        axes = scaled.T @ (vector[:, kept] / np.sqrt(value[kept]))
        return cls(centre, spread, axes)

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows in the new coordinates."""
        turned: NDArray[np.float64] = ((rows - self.centre) / self.spread) @ self.axes
        return turned
