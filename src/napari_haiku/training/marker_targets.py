"""What an image tower should be able to tell of each marker: its mean over patch and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.training.marker_levels import patch_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.model.scaling import ChannelScaling
    from napari_haiku.training.sampler import Batch
    from napari_haiku.training.tissue_cache import CachedSlide

Groups = dict[tuple[str, tuple[str, ...]], "list[CachedSlide]"]
# Slides looked at for mean and spread of a marker.
_SLIDES = 300
# Intensities are compared on a logarithm that is linear below this share of the range.
_FLOOR = 0.02
_LIMIT = 5.0
# Of the places of a slide, every so many'th along each side is looked at.
_PLACE_STEP = 5


@dataclass(frozen=True)
class _Spread:
    """Mean and spread of each target, shape (2, c)."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def over(cls, values: NDArray[np.float64]) -> _Spread:
        """Of rows of targets, shape (n, 2, c)."""
        spread = values.std(0)
        return cls(values.mean(0), np.where(spread > 0, spread, 1.0))

    def standardise(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring rows of targets to mean 0 and spread 1; outliers are held back."""
        z: NDArray[np.float64] = ((values - self.mean) / self.spread).clip(-_LIMIT, _LIMIT)
        return z


@dataclass(frozen=True)
class _Panel:
    """What is usual of patches and of single places, in one cohort and panel."""

    floor: NDArray[np.float64]
    patch: _Spread
    place: _Spread


class MarkerTargets:
    """Standardised marker means of patches and of their places, plain and logarithmic.

    Parameters
    ----------
    groups : dict
        Slides by cohort and panel; targets are standardised within each, since
        units differ from cohort to cohort.
    markers : sequence of str
        All markers of the model, M.
    side : int
        Side of a patch in cells.
    """

    def __init__(self, groups: Groups, markers: Sequence[str], side: int) -> None:
        self._column = {name: i for i, name in enumerate(markers)}
        self.width = 2 * len(markers)
        self._panels = {
            key: _describe(slides, side)
            for key, slides in groups.items()
            if slides[0].cells is not None
        }

    def of(self, batch: Batch) -> NDArray[np.float32]:
        """Targets of a batch before augmentation, shape (n, 2 M); NaN where not measured."""
        if batch.cells is None:
            return np.full((len(batch.slides), self.width), np.nan, np.float32)
        panel = self._panels[(batch.cohort, batch.markers)]
        means = np.stack(
            [
                _stored(cells[:, 0].mean((1, 2), dtype=np.float64), slide.scaling)
                for cells, slide in zip(batch.cells, batch.slides, strict=True)
            ]
        )
        return self._in_columns(panel.patch.standardise(_both(means, panel.floor)), batch.markers)

    def of_places(self, batch: Batch) -> NDArray[np.float32]:
        """Targets of the cells of the grid, row by row, shape (n, y x, 2 M); NaN likewise."""
        if batch.cells is None:
            return np.full((len(batch.slides), 1, self.width), np.nan, np.float32)
        panel = self._panels[(batch.cohort, batch.markers)]
        means = np.stack(
            [
                _stored(cells[:, 0].reshape(len(cells), -1).T.astype(np.float64), slide.scaling)
                for cells, slide in zip(batch.cells, batch.slides, strict=True)
            ]
        )
        return self._in_columns(panel.place.standardise(_both(means, panel.floor)), batch.markers)

    def _in_columns(
        self, values: NDArray[np.float64], markers: tuple[str, ...]
    ) -> NDArray[np.float32]:
        """Put targets (..., 2, c) of a panel where the model has its markers."""
        out = np.full((*values.shape[:-2], self.width), np.nan, np.float32)
        for channel, name in enumerate(markers):
            column = self._column.get(name)
            if column is not None:
                out[..., 2 * column : 2 * column + 2] = values[..., channel]
        return out


def _describe(slides: list[CachedSlide], side: int) -> _Panel:
    some = slides[:: max(1, len(slides) // _SLIDES)]
    spans = np.stack([np.exp(s.scaling.log_range) for s in some if s.scaling is not None])
    floor = _FLOOR * np.nanmedian(np.where(np.isfinite(spans), spans, np.nan), 0)
    floor = np.where(np.isfinite(floor) & (floor > 0), floor, 1.0)
    patches = np.concatenate([_stored(patch_means(slide, side), slide.scaling) for slide in some])
    places = np.concatenate([_stored(_place_means(slide), slide.scaling) for slide in some])
    return _Panel(floor, _Spread.over(_both(patches, floor)), _Spread.over(_both(places, floor)))


def _place_means(slide: CachedSlide) -> NDArray[np.float64]:
    """Means of some cells of the grid as shares of each channel's range, glass left out, (n, c)."""
    assert slide.cells is not None  # noqa: S101  asked by the caller
    tissue = np.diff(np.diff(slide.tissue, axis=0), axis=1) > 0
    rows, columns = np.nonzero(tissue[::_PLACE_STEP, ::_PLACE_STEP])
    maps = np.asarray(slide.cells[:, 0, ::_PLACE_STEP, ::_PLACE_STEP], np.float64)
    found: NDArray[np.float64] = maps[:, rows, columns].T
    return found


def _stored(scaled: NDArray[np.float64], scaling: ChannelScaling | None) -> NDArray[np.float64]:
    """Turn scaled means back into stored units."""
    if scaling is None:
        return scaled
    low = np.asarray(scaling.low, np.float64)
    stored: NDArray[np.float64] = low + scaled * (np.asarray(scaling.high, np.float64) - low)
    return stored


def _both(means: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plain and logarithmic means, shape (..., 2, c)."""
    return np.stack([means, np.log(np.maximum(means, 0) + floor)], -2)
