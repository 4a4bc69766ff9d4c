"""Slide images and grids made of arrays, for tests that need no files."""

from __future__ import annotations

import dask.array as da
import numpy as np

from napari_haiku.images.grid import PatchGrid
from napari_haiku.images.slide_image import SlideImage


def he_image(*, side=400, pixel=0.5, origin=(0.0, 0.0), name="slide.ome.tif", levels=2):
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    pyramid = tuple(da.from_array(pixels[:: 2**n, :: 2**n].copy()) for n in range(levels))
    return SlideImage(name, "he", pyramid, pixel, origin, fingerprint=f"he-{name}-{pixel}")


def mif_image(
    *,
    side=200,
    pixel=1.0,
    origin=(0.0, 0.0),
    channels=("DAPI", "CD8", "Autofluorescence", "Mystery"),
    markers=("DAPI", "CD8", None, "Mystery"),
    name="slide_mif.ome.tif",
    notes=(),
):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 200, (len(channels), side, side)).astype(np.uint16)
    pyramid = (da.from_array(pixels), da.from_array(pixels[:, ::2, ::2].copy()))
    return SlideImage(
        name,
        "mif",
        pyramid,
        pixel,
        origin,
        tuple(channels),
        tuple(markers),
        fingerprint=f"mif-{name}-{pixel}",
        notes=tuple(notes),
    )


def patch_grid(shape=(3, 4), *, patch=100.0, stride=100.0, origin=(0.0, 0.0), without=((0, 0),)):
    keep = np.ones(shape, bool)
    for place in without:
        keep[place] = False
    rows, cols = np.nonzero(keep)
    return PatchGrid(patch, stride, origin, shape, rows, cols, np.ones(len(rows)))
