"""How wide each marker's intensity range is over the training slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.training.tissue_cache import CachedSlide

# Fewer slides than this do not say how wide a range usually is.
FEWEST_SLIDES = 20
_LEAST_SPREAD = 0.1


def set_marker_levels(network: CompactNetwork, slides: list[CachedSlide]) -> None:
    """Tell the mIF tower mean and spread of the logarithmic range of each marker.

    Markers of few slides get none: the tower then disregards how wide a range is.
    """
    found: dict[str, list[float]] = {}
    for slide in slides:
        if slide.scaling is not None:
            for marker, value in zip(slide.markers, slide.scaling.log_range, strict=True):
                if np.isfinite(value):
                    found.setdefault(marker, []).append(float(value))
    for marker, values in found.items():
        row = int(network.marker_ids((marker,))[0])
        if row and len(values) >= FEWEST_SLIDES:
            with torch.no_grad():
                network.mif.level_mean[row] = float(np.mean(values))
                network.mif.level_spread[row] = max(float(np.std(values)), _LEAST_SPREAD)
