"""A small deterministic model: pooled colours and intensities through fixed random matrices."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import torch

from napari_haiku.model.base import TissueModel
from napari_haiku.model.devices import Device

_CELLS = 4


class FakeModel(TissueModel):
    """Towers without learning.

    Parameters
    ----------
    seed : int
        Models of different seeds have different fingerprints and vectors.
    dim : int
        Length of an embedding.
    modalities : tuple of str
        Which towers there are.
    """

    def __init__(
        self,
        seed: int = 0,
        dim: int = 16,
        modalities: tuple[str, ...] = ("he", "mif", "text"),
        pixel_size_um: float = 1.0,
    ) -> None:
        self.name = f"fake-{seed}"
        self.fingerprint = hashlib.sha256(f"{seed} {dim} {modalities}".encode()).hexdigest()
        self.dim = dim
        self.modalities = frozenset(modalities)
        self.shared_space = True
        self.pixel_size_um = pixel_size_um
        self.patch_px = round(100 / pixel_size_um)
        self.card = {"licence": "none", "training_images": []}
        self.device = Device("cpu", "CPU, 1 core", "chosen by the test")
        self.batches: list[int] = []
        self._seed = seed

    def _he_vectors(self, patches, pixel_size):
        self.batches.append(len(patches))
        pooled = _pool(np.moveaxis(patches, -1, 1).astype(np.float32) / 255)
        return self._project(pooled.reshape(len(patches), -1), "he")

    def _mif_vectors(self, patches, markers, pixel_size, scaling):
        scaled = scaling.apply(patches)
        total = np.zeros((len(patches), self.dim), np.float32)
        for channel, name in enumerate(markers):
            pooled = _pool(scaled[:, channel : channel + 1]).reshape(len(patches), -1)
            total += pooled @ self._matrix(pooled.shape[1], name)
        return _unit(total)

    def _text_vectors(self, captions):
        rows = [
            sum(self._matrix(1, word)[0] for word in caption.lower().split())
            for caption in captions
        ]
        return _unit(np.asarray(rows, np.float32))

    def _project(self, features, name):
        return _unit(features @ self._matrix(features.shape[1], name))

    def _matrix(self, rows, name):
        digest = hashlib.sha256(f"{self._seed} {name}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        return rng.normal(size=(rows, self.dim)).astype(np.float32)


class SlowModel(FakeModel):
    """The same towers, slow enough to be killed in the middle."""

    def _he_vectors(self, patches, pixel_size):
        time.sleep(0.1)
        return super()._he_vectors(patches, pixel_size)


def _pool(patches):
    """Means over a 4 by 4 raster of each channel: (n, c, h, w) -> (n, c, 4, 4)."""
    n, channels, height, width = patches.shape
    ys = np.linspace(0, height, _CELLS + 1).astype(int)
    xs = np.linspace(0, width, _CELLS + 1).astype(int)
    out = np.empty((n, channels, _CELLS, _CELLS), np.float32)
    for i in range(_CELLS):
        for j in range(_CELLS):
            cell = patches[:, :, ys[i] : ys[i + 1], xs[j] : xs[j + 1]]
            out[:, :, i, j] = cell.mean(axis=(2, 3))
    return out


def _unit(rows):
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return torch.from_numpy((rows / np.maximum(length, 1e-12)).astype(np.float32))
