"""Bags: the patches of each patient, of which only the patient's outcome is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray

INSTANCES_AT_MOST = 512


@dataclass(frozen=True)
class Bags:
    """Vectors of patches, bag after bag.

    Parameters
    ----------
    vectors : ndarray of float32, shape (patches, dim)
        The patches; those of a bag lie together.
    sizes : ndarray of int64, shape (bags,)
        Patches of each bag, at least one.
    """

    vectors: NDArray[np.float32]
    sizes: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.sizes) and self.sizes.min() < 1:
            raise HaikuError(f"{int((self.sizes < 1).sum())} bags hold no patch: leave them out.")
        if self.sizes.sum() != len(self.vectors):
            raise HaikuError(
                f"The bags hold {int(self.sizes.sum())} patches, but there are "
                f"{len(self.vectors)} vectors."
            )
        if not np.isfinite(self.vectors).all():
            raise HaikuError("Some patches of the bags have vectors that are not finite.")

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def gather(cls, vectors: NDArray[Any], patient: NDArray[np.int64], n: int) -> Bags:
        """Sort patches into bags.

        Parameters
        ----------
        vectors : ndarray, shape (patches, dim)
            The patches in any order.
        patient : ndarray of int64, shape (patches,)
            Bag of each patch from 0; -1 leaves a patch out.
        n : int
            Number of bags.
        """
        order = np.argsort(patient, kind="stable")
        order = order[patient[order] >= 0]
        sizes = np.bincount(patient[order], minlength=n).astype(np.int64)
        return cls(np.asarray(vectors[order], np.float32), sizes)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First patch of each bag."""
        starts: NDArray[np.int64] = np.cumsum(self.sizes) - self.sizes
        return starts

    @cached_property
    def bag(self) -> NDArray[np.int64]:
        """Bag of each patch."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def of(self, bags: NDArray[Any]) -> Bags:
        """Return some of the bags, by number or by mask."""
        chosen = np.flatnonzero(bags) if np.asarray(bags).dtype == bool else np.asarray(bags)
        rows = np.concatenate(
            [np.arange(self.starts[b], self.starts[b] + self.sizes[b]) for b in chosen]
            or [np.zeros(0, np.int64)]
        )
        return Bags(self.vectors[rows], self.sizes[chosen])

    def mean(self, rows: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Average rows (the vectors by default) over each bag, (bags, columns)."""
        values = np.asarray(self.vectors if rows is None else rows, np.float64)
        sums: NDArray[np.float64] = np.add.reduceat(values, self.starts, axis=0)
        return sums / self.sizes[:, None]

    def thinned(self, most: int = INSTANCES_AT_MOST, seed: int = 0) -> Bags:
        """Keep at most so many patches a bag, drawn by the seed."""
        if not len(self) or self.sizes.max() <= most:
            return self
        rng = np.random.default_rng(seed)
        kept = [
            start + np.sort(rng.permutation(size)[:most])
            for start, size in zip(self.starts, self.sizes, strict=True)
        ]
        return Bags(self.vectors[np.concatenate(kept)], np.minimum(self.sizes, most))

    def padded(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the bags as one block, (bags, most, dim), and which places are filled."""
        most = int(self.sizes.max())
        place = np.arange(len(self.vectors)) - self.starts[self.bag]
        block = np.zeros((len(self), most, self.dim), np.float32)
        filled = np.zeros((len(self), most), bool)
        block[self.bag, place] = self.vectors
        filled[self.bag, place] = True
        return block, filled
