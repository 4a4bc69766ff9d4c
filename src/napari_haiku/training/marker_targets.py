"""What an image tower should be able to tell of each marker: its mean over the patch."""

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


@dataclass(frozen=True)
class _Panel:
    """Mean and spread of each target of one cohort and panel, shape (2, c)."""

    floor: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


class MarkerTargets:
    """Standardised marker means of patches, plain and logarithmic.

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
        out = np.full((len(batch.slides), self.width), np.nan, np.float32)
        if batch.cells is None:
            return out
        panel = self._panels[(batch.cohort, batch.markers)]
        means = np.stack(
            [
                _stored(cells[:, 0].mean((1, 2), dtype=np.float64), slide.scaling)
                for cells, slide in zip(batch.cells, batch.slides, strict=True)
            ]
        )
        both = _both(means, panel.floor)
        z = ((both - panel.mean) / panel.spread).clip(-_LIMIT, _LIMIT)
        for channel, name in enumerate(batch.markers):
            column = self._column.get(name)
            if column is not None:
                out[:, 2 * column : 2 * column + 2] = z[:, :, channel]
        return out


def _describe(slides: list[CachedSlide], side: int) -> _Panel:
    step = max(1, len(slides) // _SLIDES)
    means = np.concatenate(
        [_stored(patch_means(slide, side), slide.scaling) for slide in slides[::step]]
    )
    spans = np.stack([np.exp(s.scaling.log_range) for s in slides[::step] if s.scaling is not None])
    floor = _FLOOR * np.nanmedian(np.where(np.isfinite(spans), spans, np.nan), 0)
    floor = np.where(np.isfinite(floor) & (floor > 0), floor, 1.0)
    both = _both(means, floor)
    spread = both.std(0)
    return _Panel(floor, both.mean(0), np.where(spread > 0, spread, 1.0))


def _stored(scaled: NDArray[np.float64], scaling: ChannelScaling | None) -> NDArray[np.float64]:
    """Turn scaled means back into stored units."""
    if scaling is None:
        return scaled
    low = np.asarray(scaling.low, np.float64)
    stored: NDArray[np.float64] = low + scaled * (np.asarray(scaling.high, np.float64) - low)
    return stored


def _both(means: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plain and logarithmic means, shape (n, 2, c)."""
    return np.stack([means, np.log(np.maximum(means, 0) + floor)], -2)
