"""Vectors with the spread of real embeddings, written in half precision chunk by chunk.

A mixture of many overlapping clusters of unequal size whose spread within is larger than between,
spectra that decay slowly (about 200 directions carry the variance), all in a cone, unit length.
An H&E vector shares 60 % of its deviation from the cone's axis with the mIF vector of its patch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

CHUNK = 20_000
CLUSTERS = 2000


class Cloud:
    """Where vectors are drawn from; the same seed gives the same cloud."""

    def __init__(self, dim: int = 1024, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.dim, self.seed = dim, seed
        order = np.arange(dim) + 10.0
        between, within = order**-1.2, order**-0.9
        self.between = np.sqrt(0.4 * between / between.sum()).astype(np.float32)
        self.within = np.sqrt(0.6 * within / within.sum()).astype(np.float32)
        turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
        self.turn = turn.astype(np.float32)
        self.centres = rng.normal(size=(CLUSTERS, dim)).astype(np.float32) * self.between
        self.share = rng.dirichlet(np.full(CLUSTERS, 0.7))
        axis = rng.normal(size=dim)
        self.axis = (0.6 * axis / np.linalg.norm(axis)).astype(np.float32)

    def deviations(self, n: int, rng: np.random.Generator) -> np.ndarray:
        drawn = rng.standard_normal((n, self.dim), np.float32) * self.within
        drawn += self.centres[rng.choice(CLUSTERS, n, p=self.share)]
        return drawn

    def unit(self, deviations: np.ndarray) -> np.ndarray:
        vectors = deviations @ self.turn + self.axis
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def paired(self, deviations: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Vectors of the other modality of the same patches."""
        other = self.deviations(len(deviations), rng)
        return self.unit(0.6 * deviations + 0.8 * other)


def write_gallery(file: Path, n: int, dim: int = 1024, seed: int = 0) -> None:
    """Write n vectors as a float16 array."""
    if file.is_file() and np.load(file, mmap_mode="r").shape == (n, dim):
        return
    cloud = Cloud(dim, seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial.npy")
    out = np.lib.format.open_memmap(partial, "w+", np.float16, (n, dim))
    for start in range(0, n, CHUNK):
        rng = np.random.default_rng([seed, 1, start])
        stop = min(start + CHUNK, n)
        out[start:stop] = cloud.unit(cloud.deviations(CHUNK, rng)[: stop - start])
    out.flush()
    partial.replace(file)


def queries(n: int, dim: int = 1024, seed: int = 0) -> np.ndarray:
    """H&E vectors of patches that are not in the gallery."""
    cloud = Cloud(dim, seed)
    rng = np.random.default_rng([seed, 2])
    return cloud.paired(cloud.deviations(n, rng), rng).astype(np.float32)


def texts(n: int, dim: int = 1024, seed: int = 0) -> np.ndarray:
    """Vectors of captions: the first, and others that read differently in one field."""
    cloud = Cloud(dim, seed)
    rng = np.random.default_rng([seed, 3])
    first = cloud.deviations(1, rng)
    return cloud.unit(first + 0.4 * cloud.deviations(n, rng)).astype(np.float32)
