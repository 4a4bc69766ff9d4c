"""A slide with every result, for the tests of files that carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.niches.niches import NicheLabels
from napari_haiku.export.patch_data import PatchData, Predictions

if TYPE_CHECKING:
    from napari_haiku.encoding.store import Encoding

SECRETS = ("SECRET-17", "query")
PIXEL_UM = 0.5


def place_images(encoding: Encoding) -> None:
    """The toy slide has no images; say where they would lie."""
    for modality, image in encoding._attributes["images"].items():
        image |= {
            "fingerprint": f"f-{modality}",
            "pixel_size_um": PIXEL_UM,
            "origin_um": [5000.0, 3000.0],
        }


def full_data(case) -> PatchData:
    """Predictions (two patches outside the atlas), niches and a map of patches."""
    encoding = case.encoding
    place_images(encoding)
    predictions = Predictions.of_result(case.biomarkers, encoding.n_patches)
    predictions.outside_atlas[:2] = True
    predictions.values[:2] = np.nan
    labels = encoding.grid.cols.astype(np.int64) // 4 + 1
    niches = NicheLabels(labels, {1: "Tumour", 2: "T cells / B cells", 3: "Stroma"})
    projection = np.random.default_rng(0).normal(size=(encoding.n_patches, 2))
    return PatchData(encoding, predictions, niches, {"clusters": 3, "seed": 0}, projection)
