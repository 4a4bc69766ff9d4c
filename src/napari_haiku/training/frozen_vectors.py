"""Vectors of a tower that is not tuned: each patch goes through it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_haiku.model.compact.preprocessing import he_normalise

if TYPE_CHECKING:
    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.training.sampler import Batch
    from napari_haiku.training.tissue_cache import CachedSlide

_AT_ONCE = 256


class FrozenVectors:
    """Vectors of one tower at the places of a fixed grid, kept in memory.

    A patch is read as it lies, unturned and unvaried: what the tower makes of it
    is the same every time.

    Parameters
    ----------
    network : CompactNetwork
    modality : {"he", "mif"}
    """

    def __init__(self, network: CompactNetwork, modality: str) -> None:
        self._network, self._modality = network, modality
        self._known: dict[tuple[str, int, int], Tensor] = {}

    def __len__(self) -> int:
        """Return the number of patches encoded so far."""
        return len(self._known)

    def of(self, batch: Batch) -> Tensor:
        """Vectors of the patches of a batch, shape (n, dim)."""
        assert batch.places is not None  # noqa: S101  the sampler of such a run gives them
        keys = [
            (slide.home, int(row), int(column))
            for slide, (row, column) in zip(batch.slides, batch.places, strict=True)
        ]
        wanted = dict(zip(keys, batch.slides, strict=True))
        missing = [(key, slide) for key, slide in wanted.items() if key not in self._known]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            vectors = self._encode(some, batch.markers)
            self._known |= {key: row for (key, _), row in zip(some, vectors, strict=True)}
        return torch.stack([self._known[key] for key in keys])

    @torch.no_grad()
    def _encode(
        self, some: list[tuple[tuple[str, int, int], CachedSlide]], markers: tuple[str, ...]
    ) -> Tensor:
        network = self._network
        device = network.mif.summary.device
        side = network.config.patch_px // network.config.cell_px
        if self._modality == "he":
            he = np.stack(
                [
                    slide.he_patch(row, col, side)
                    for (_, row, col), slide in some
                    if slide.he is not None
                ]
            )
            image = torch.from_numpy(he).permute(0, 3, 1, 2).float() / 255
            out: Tensor = network.he(he_normalise(image.to(device)))
            return out
        cells = np.stack(
            [
                slide.cells[:, :, row : row + side, col : col + side]
                for (_, row, col), slide in some
                if slide.cells is not None
            ]
        ).astype(np.float32)
        ranges = np.stack(
            [
                np.full(len(markers), np.nan, np.float32)
                if slide.scaling is None
                else slide.scaling.log_range
                for _, slide in some
            ]
        ).astype(np.float32)
        found: Tensor = network.mif(
            torch.from_numpy(cells).to(device),
            network.marker_ids(markers),
            torch.from_numpy(ranges).to(device),
        )
        return found
