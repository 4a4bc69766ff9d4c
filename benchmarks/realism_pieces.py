"""Virtual and real slides cut into registered pieces at one pixel size."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from realism_measures import PATCH_PX, PIXEL_UM, Piece
from skimage.transform import resize_local_mean

from napari_haiku.images.reading import open_image
from napari_haiku.images.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage

# The real pictures were stored as JPEG at this pixel size; so are the virtual ones here.
_JPEG = 85
_PIECE_PX = 8 * PATCH_PX
# Real patches fitted on lie left of the first, those tested on right of the second (pixels).
_FIT_PX, _TEST_PX = 2560, 3072


def virtual_pieces(cohort: Path, patients: int, organ: str) -> Iterator[Piece]:
    """Read the first patients of an organ, one piece each, every other one to be tested on."""
    with (cohort / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["tissue_type"] == organ]
    for number, row in enumerate(rows[:patients]):
        he, mif = open_image(cohort / row["he"]), open_image(cohort / row["mif"])
        shape = tuple(round(side * he.known_pixel_size_um / PIXEL_UM) for side in he.shape)
        picture = _resized(np.asarray(he.levels[0]), (*shape, 3))
        picture = np.ascontiguousarray(np.clip(picture + 0.5, 0, 255), dtype=np.uint8)
        stored = imagecodecs.jpeg_encode(picture, level=_JPEG)
        light = np.asarray(mif.levels[0])
        markers = dict(zip(map(str, mif.markers), light, strict=True))
        fine = _tissue(he, light.shape[1:], mif.known_pixel_size_um)
        yield Piece(
            he=imagecodecs.jpeg_decode(stored),
            mif={name: _resized(plane, shape) for name, plane in markers.items()},
            tissue=_tissue(he, shape, PIXEL_UM),
            dark={name: float((plane[fine] == 0).mean()) for name, plane in markers.items()},
            group=f"virtual {row['slide_id']}",
            fit=number % 2 == 0,
        )


def real_pieces(he_file: Path, mif_file: Path) -> Iterator[Piece]:
    """Cut the real region into pieces of 0.8 mm."""
    he, mif = open_image(he_file), open_image(mif_file)
    tissue = _tissue(he, he.shape, he.known_pixel_size_um)
    channels = {str(mif.markers[i]): i for i in mif.used_channels}
    for top in range(0, he.shape[0] - PATCH_PX, _PIECE_PX):
        for left in range(0, he.shape[1] - PATCH_PX, _PIECE_PX):
            at = np.s_[top : top + _PIECE_PX, left : left + _PIECE_PX]
            light = np.asarray(mif.levels[0][(slice(None), *at)])
            here = tissue[at]
            if here.sum() < PATCH_PX**2:
                continue
            planes = {name: light[i] for name, i in channels.items()}
            right = left + here.shape[1]
            fit = True if right <= _FIT_PX else False if left >= _TEST_PX else None
            yield Piece(
                he=np.asarray(he.levels[0][at]),
                mif={name: plane.astype(np.float32) for name, plane in planes.items()},
                tissue=here,
                dark={name: float((plane[here] == 0).mean()) for name, plane in planes.items()},
                group=f"real {top} {left}",
                fit=fit,
            )


def _tissue(image: SlideImage, shape: tuple[int, ...], pixel_um: float) -> NDArray[np.bool_]:
    """Return the tissue of an image on another grid over the same area."""
    found = tissue_mask(image)
    rows, columns = (
        np.minimum(((np.arange(side) + 0.5) * pixel_um / found.pixel_size_um).astype(int), most - 1)
        for side, most in zip(shape, found.mask.shape, strict=True)
    )
    result: NDArray[np.bool_] = found.mask[rows][:, columns]
    return result


def _resized(image: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.float32]:
    grid = shape[:2]
    result: NDArray[np.float32] = resize_local_mean(
        image.astype(np.float32), grid, channel_axis=-1 if image.ndim == 3 else None
    )
    return result.astype(np.float32)


def open_he(cohort: Path, group: str) -> NDArray[np.uint8]:
    """Return the H&E of a virtual piece at its own pixel size."""
    name = f"{group.removeprefix('virtual ')}_he.ome.tif"
    return np.asarray(open_image(cohort / "images" / name).levels[0])
