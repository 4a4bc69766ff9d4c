"""Slides resampled once to the model's pixel size and kept on disk while training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_haiku.encoding.intensity import slide_scaling
from napari_haiku.errors import HaikuError
from napari_haiku.images.tissue import tissue_mask
from napari_haiku.model.compact.preprocessing import pool_cells
from napari_haiku.model.scaling import ChannelScaling, fit_scaling
from napari_haiku.storage import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_haiku.clinical import Record
    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.model.compact.config import CompactConfig
    from napari_haiku.training.config import Box

# Rows of the resampled slide worked on at a time; a multiple of any cell size.
BAND = 512
# Raised whenever what the cache holds changes.
FORM = 2
_DONE = "done.json"


@dataclass(frozen=True)
class CachedSlide:
    """One slide, ready to draw patches from.

    Attributes
    ----------
    slide_id, patient_id : str
    record : dict
    markers : tuple of str
        Channels of `cells`; empty without mIF.
    he : ndarray of uint8, shape (y, x, 3), or None
        H&E at the pixel size of the model's H&E tower.
    cells : ndarray of float16, shape (c, 3, y, x), or None
        mIF pooled into cells; see :func:`pool_cells`.
    tissue : ndarray of float32, shape (y + 1, x + 1)
        Summed-area table of the tissue share of each cell.
    scaling : ChannelScaling or None
        Intensity range of each channel, from the tissue of the training region.
    home : str
        Its folder in the cache.
    """

    slide_id: str
    patient_id: str
    record: Record
    markers: tuple[str, ...]
    he: NDArray[np.uint8] | None
    cells: NDArray[np.float16] | None
    tissue: NDArray[np.float32]
    scaling: ChannelScaling | None = None
    home: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """Cells along y and x."""
        return self.tissue.shape[0] - 1, self.tissue.shape[1] - 1

    def he_patch(self, row: int, column: int, side: int) -> NDArray[np.uint8]:
        """H&E of the square of `side` cells whose corner is given."""
        assert self.he is not None  # noqa: S101  asked by the caller
        cell = self.he.shape[0] // self.shape[0]
        y, x = row * cell, column * cell
        return self.he[y : y + side * cell, x : x + side * cell]

    def tissue_share(
        self, row: NDArray[np.int64], column: NDArray[np.int64], side: int
    ) -> NDArray[np.float32]:
        """Share of tissue in squares of `side` cells whose corner is given."""
        table = self.tissue
        area: NDArray[np.float32] = (
            table[row + side, column + side]
            - table[row, column + side]
            - table[row + side, column]
            + table[row, column]
        )
        return area / np.float32(side**2)


def cache_slide(
    he: SlideImage | None,
    mif: SlideImage | None,
    *,
    slide_id: str,
    patient_id: str,
    record: Record,
    config: CompactConfig,
    region_um: Box | None,
    folder: Path,
) -> CachedSlide:
    """Resample a slide to the model's pixel size, or open what an earlier run left.

    Raises
    ------
    HaikuError
        No pixel size, no overlap, or an mIF image without named markers.
    """
    images = [image for image in (he, mif) if image is not None]
    box = _common_box(images, region_um, slide_id)
    fingerprints = [image.fingerprint for image in images]
    content = [FORM, fingerprints, box, config.pixel_size_um, config.cell_px]
    if config.he_zoom > 1:
        content.append(config.he_zoom)
    home = folder / hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    if not (home / _DONE).is_file():
        home.mkdir(parents=True, exist_ok=True)
        _write(home, he, mif, box, config)
    return open_cached(home, slide_id=slide_id, patient_id=patient_id, record=record)


def open_cached(home: Path, *, slide_id: str, patient_id: str, record: Record) -> CachedSlide:
    """Open a slide that the cache holds whole."""
    done = json.loads((home / _DONE).read_text(encoding="utf-8"))
    he, cells = home / "he.npy", home / "cells.npy"
    ranges = tuple(done["low"]), tuple(done["high"])
    return CachedSlide(
        slide_id=slide_id,
        patient_id=patient_id,
        record=record,
        markers=tuple(done["markers"]),
        he=np.load(he, mmap_mode="r") if he.is_file() else None,
        cells=np.load(cells, mmap_mode="r") if cells.is_file() else None,
        tissue=np.load(home / "tissue.npy"),
        scaling=ChannelScaling(*ranges) if done["markers"] else None,
        home=home.name,
    )


def is_cached(home: Path) -> bool:
    """Whether the cache holds this slide whole."""
    return (home / _DONE).is_file()


def _common_box(images: list[SlideImage], region_um: Box | None, slide_id: str) -> Box:
    for image in images:
        if image.pixel_size_um is None:
            raise HaikuError(
                f"Slide {slide_id}: {image.name} does not say how large a pixel is; write it into "
                "the file before training."
            )
    boxes = [image.extent_um for image in images] + ([region_um] if region_um else [])
    x0, y0 = (max(box[i] for box in boxes) for i in (0, 1))
    x1, y1 = (min(box[i] for box in boxes) for i in (2, 3))
    if x1 <= x0 or y1 <= y0:
        raise HaikuError(
            f"Slide {slide_id}: its images and the training region do not overlap; "
            "check their positions."
        )
    return x0, y0, x1, y1


def _write(
    home: Path, he: SlideImage | None, mif: SlideImage | None, box: Box, config: CompactConfig
) -> None:
    pixel, cell, zoom = config.pixel_size_um, config.cell_px, config.he_zoom
    rows, columns = (
        int((box[end] - box[start]) / pixel) // cell * cell for start, end in ((1, 3), (0, 2))
    )
    if min(rows, columns) < config.patch_px:
        raise HaikuError("A training region is smaller than one patch: give a larger one.")
    markers: list[str] = []
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    mask = tissue_mask(he if he is not None else mif)  # type: ignore[arg-type]
    if he is not None:
        out = _memmap(home / "he.npy", np.uint8, (zoom * rows, zoom * columns, 3))
        for top, band in _bands(he, box, pixel / zoom, (zoom * rows, zoom * columns)):
            out[top : top + band.shape[0]] = np.rint(band).clip(0, 255).astype(np.uint8)
        out.flush()
    if mif is not None:
        keep = list(mif.used_channels)
        markers = [str(mif.markers[i]) for i in keep]
        scaling = slide_scaling(mif, mask, fit_scaling, box)
        low, high = scaling.low, scaling.high
        out16 = _memmap(
            home / "cells.npy", np.float16, (len(keep), 3, rows // cell, columns // cell)
        )
        for top, band in _bands(mif, box, pixel, (rows, columns)):
            scaled = scaling.apply(band[keep][None])
            pooled = pool_cells(torch.from_numpy(scaled), cell)[0].numpy()
            out16[:, :, top // cell : top // cell + pooled.shape[2]] = pooled
        out16.flush()
    y = box[1] + (np.arange(rows // cell) + 0.5) * pixel * cell
    x = box[0] + (np.arange(columns // cell) + 0.5) * pixel * cell
    at_y = (
        ((y - mask.origin_um[1]) / mask.pixel_size_um).astype(int).clip(0, mask.mask.shape[0] - 1)
    )
    at_x = (
        ((x - mask.origin_um[0]) / mask.pixel_size_um).astype(int).clip(0, mask.mask.shape[1] - 1)
    )
    table = np.zeros((len(y) + 1, len(x) + 1), np.float32)
    table[1:, 1:] = mask.mask[np.ix_(at_y, at_x)].astype(np.float64).cumsum(0).cumsum(1)
    np.save(home / "tissue.npy", table)
    write_json(home / _DONE, {"markers": markers, "low": low, "high": high})


def _memmap(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _bands(
    image: SlideImage, box: Box, pixel: float, shape: tuple[int, int]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield bands of rows, linearly resampled to `pixel` um, as float32."""
    level = image.level_for(pixel)
    own = float(image.pixel_size_um or 0) * image.level_scales[level]
    height, width = image.level_shape(level)
    axis = 0 if image.modality == "he" else 1
    x, fx = _positions(box[0] - image.origin_um[0], pixel, own, shape[1], width)
    y, fy = _positions(box[1] - image.origin_um[1], pixel, own, shape[0], height)
    for top in range(0, shape[0], BAND):
        stop = min(top + BAND, shape[0])
        first, last = int(y[top]), min(int(y[stop - 1]) + 2, height)
        left, right = int(x[0]), min(int(x[-1]) + 2, width)
        source = image.read_region(level, first, last, left, right).astype(np.float32)
        band = _linear(source, y[top:stop] - first, fy[top:stop], axis)
        yield top, _linear(band, x - left, fx, axis + 1)


def _positions(
    offset: float, pixel: float, own: float, n: int, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    at = ((offset + (np.arange(n) + 0.5) * pixel) / own - 0.5).clip(0, limit - 1)
    whole = np.floor(at).astype(np.int64)
    return whole, (at - whole).astype(np.float32)


def _linear(
    source: NDArray[np.float32], at: NDArray[np.int64], part: NDArray[np.float32], axis: int
) -> NDArray[np.float32]:
    after = np.minimum(at + 1, source.shape[axis] - 1)
    shape = [1] * source.ndim
    shape[axis] = -1
    weight = part.reshape(shape)
    out: NDArray[np.float32] = np.take(source, at, axis) * (1 - weight)
    out += np.take(source, after, axis) * weight
    return out
