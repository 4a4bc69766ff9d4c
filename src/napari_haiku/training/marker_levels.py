"""How bright each marker usually is: its range over a slide, its mean over a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_haiku.model.compact.towers import MEAN_FLOOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.training.tissue_cache import CachedSlide

# Fewer slides than this do not say how wide a range usually is.
FEWEST_SLIDES = 20
# Slides looked at for the means of patches.
_SLIDES = 300
_LEAST_SPREAD = 0.1


def set_marker_levels(network: CompactNetwork, slides: list[CachedSlide], side: int) -> None:
    """Tell the mIF tower what is usual of each marker.

    That is mean and spread of the logarithm of its range over a slide, and of
    its mean over a patch within that range. Markers of few slides get no range:
    the tower then disregards how wide one is.

    Parameters
    ----------
    network : CompactNetwork
        Changed in place.
    slides : list of CachedSlide
    side : int
        Side of a patch in cells.
    """
    tower = network.mif
    ranges: dict[str, list[float]] = {}
    for slide in slides:
        if slide.scaling is not None:
            for marker, value in zip(slide.markers, slide.scaling.log_range, strict=True):
                if np.isfinite(value):
                    ranges.setdefault(marker, []).append(float(value))
    usable = {name: np.asarray(v) for name, v in ranges.items() if len(v) >= FEWEST_SLIDES}
    _write(network, usable, tower.level_mean, tower.level_spread)
    means: dict[str, list[NDArray[np.float64]]] = {}
    measured = [slide for slide in slides if slide.cells is not None]
    for slide in measured[:: max(1, len(measured) // _SLIDES)]:
        for marker, values in zip(slide.markers, patch_means(slide, side).T, strict=True):
            means.setdefault(marker, []).append(np.log(np.maximum(values, 0) + MEAN_FLOOR))
    found = {name: np.concatenate(parts) for name, parts in means.items()}
    _write(network, found, tower.mean_mean, tower.mean_spread)


def patch_means(slide: CachedSlide, side: int) -> NDArray[np.float64]:
    """Means of the patches of a coarse grid as shares of each channel's range, glass left out.

    Returns
    -------
    ndarray, shape (n, c)
    """
    assert slide.cells is not None  # noqa: S101  asked by the caller
    rows, columns = slide.shape[0] // side, slide.shape[1] // side
    maps = np.asarray(slide.cells[:, 0, : rows * side, : columns * side], np.float32)
    means = maps.reshape(len(maps), rows, side, columns, side).mean((2, 4), dtype=np.float64)
    at = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1)
    corners = at.reshape(-1, 2) * side
    tissue = slide.tissue_share(corners[:, 0], corners[:, 1], side) > 0
    found: NDArray[np.float64] = means.reshape(len(maps), -1).T[tissue]
    return found


def _write(
    network: CompactNetwork,
    values: dict[str, NDArray[np.float64]],
    mean: torch.Tensor,
    spread: torch.Tensor,
) -> None:
    for marker, some in values.items():
        row = int(network.marker_ids((marker,))[0])
        if row and len(some):
            with torch.no_grad():
                mean[row] = float(np.mean(some))
                spread[row] = max(float(np.std(some)), _LEAST_SPREAD)
