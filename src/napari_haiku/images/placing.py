"""Lay an image into another physical frame by an affine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_haiku.images.lazy import lazy_array, read
from napari_haiku.images.pixel_size import checked_pixel_size

if TYPE_CHECKING:
    import dask.array as da
    from numpy.typing import NDArray

    from napari_haiku.images.affine import Affine
    from napari_haiku.images.slide_image import SlideImage

_BLOCK = 512
_GLASS = 255


def placed(image: SlideImage, affine: Affine) -> SlideImage:
    """Return an image as it lies in another frame.

    An affine that only moves and scales changes the position and the pixel
    size and touches no pixel. Any other one resamples block by block, when
    asked for, between the four nearest pixels; what the image does not show is
    glass or dark there, and no patch is laid over it.

    Parameters
    ----------
    image : SlideImage
        An image whose pixel size is known.
    affine : Affine
        From the image's frame to the other one, um.

    Raises
    ------
    HaikuError
        The pixel size is unknown, or cannot be right after scaling.
    """
    size = checked_pixel_size(image.known_pixel_size_um * affine.scale, image.name)
    matrix = (*affine.rows[0], *affine.rows[1])
    if affine.is_plain:
        x, y = affine.apply([image.origin_um])[0]
        return image.changed(pixel_size_um=size, origin_um=(float(x), float(y)), affine_um=matrix)
    x0, y0, x1, y1 = image.extent_um
    outline = affine.apply([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    corner, far = outline.min(axis=0), outline.max(axis=0)
    columns, rows = (max(int(side), 1) for side in np.ceil((far - corner) / size))
    levels = []
    for number, scale in enumerate(image.level_scales):
        shape = (-(-rows // scale), -(-columns // scale))
        levels.append(
            _warped(
                image.levels[number],
                (max(int(shape[0]), 1), max(int(shape[1]), 1)),
                _to_source(image, affine, corner, size * scale, image.level_pixel_size_um(number)),
                rgb=image.modality == "he",
            )
        )
    return image.changed(
        levels=tuple(levels),
        pixel_size_um=size,
        origin_um=(float(corner[0]), float(corner[1])),
        outline_um=tuple((float(x), float(y)) for x, y in outline),
        affine_um=matrix,
    )


def _to_source(
    image: SlideImage, affine: Affine, corner: NDArray[Any], step: float, source_step: float
) -> NDArray[np.float64]:
    """Return the matrix from (row, column) of the new level to (row, column) of the stored one."""
    back = affine.inverse()
    # A pixel's index counts from its centre, a position from its corner.
    linear = back.linear * (step / source_step)
    start = back.apply([corner])[0] - np.asarray(image.origin_um)
    offset = start / source_step + linear @ np.array([0.5, 0.5]) - 0.5
    swapped = linear[::-1, ::-1]
    return np.column_stack([swapped, offset[::-1]])


def _warped(
    level: da.Array, shape: tuple[int, int], to_source: NDArray[np.float64], *, rgb: bool
) -> da.Array:
    source = _WarpedLevel(level, shape, to_source, rgb=rgb)
    chunks = (_BLOCK, _BLOCK, 3) if rgb else (1, _BLOCK, _BLOCK)
    return lazy_array(source, chunks)


class _WarpedLevel:
    """Array-like over one level that is resampled where it is looked at."""

    ndim = 3

    def __init__(
        self,
        level: da.Array,
        shape: tuple[int, int],
        to_source: NDArray[np.float64],
        *,
        rgb: bool,
    ) -> None:
        self._level, self._to_source, self._rgb = level, to_source, rgb
        self.dtype: np.dtype[Any] = np.dtype(level.dtype)
        self.shape = (*shape, level.shape[2]) if rgb else (level.shape[0], *shape)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[Any]:
        spans = [range(*part.indices(size)) for part, size in zip(key, self.shape, strict=True)]
        rows, columns = spans[:2] if self._rgb else spans[1:]
        planes = spans[2] if self._rgb else spans[0]
        out = np.full(
            (len(planes), len(rows), len(columns)), _GLASS if self._rgb else 0, self.dtype
        )
        linear = self._to_source[:, :2]
        offset = self._to_source[:, 2] + linear @ np.array([rows.start, columns.start])
        last = np.array([len(rows) - 1, len(columns) - 1])
        corners = np.array([(0, 0), (last[0], 0), (0, last[1]), tuple(last)]) @ linear.T + offset
        sides = self._level.shape[:2] if self._rgb else self._level.shape[1:]
        low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, sides)
        high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, 0, sides)
        if (high <= low).any() or not out.size:
            return self._ordered(out)
        window = (slice(low[0], high[0]), slice(low[1], high[1]))
        chosen = slice(planes.start, planes.stop)
        if self._rgb:
            stored = np.moveaxis(read(self._level[(*window, chosen)]), -1, 0)
        else:
            stored = read(self._level[(chosen, *window)])
        for plane, pixels in zip(out, stored, strict=True):
            resampled = ndimage.affine_transform(
                pixels.astype(np.float64),
                linear,
                offset - low,
                output_shape=plane.shape,
                order=1,
                mode="grid-constant",
                cval=float(_GLASS if self._rgb else 0),
            )
            plane[...] = np.rint(resampled) if self.dtype.kind in "ui" else resampled
        return self._ordered(out)

    def _ordered(self, planes: NDArray[Any]) -> NDArray[Any]:
        return np.moveaxis(planes, 0, -1) if self._rgb else planes

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self._level, self.shape, self._to_source, self._rgb)


def _rebuilt(
    level: da.Array, shape: tuple[int, ...], to_source: NDArray[np.float64], rgb: bool
) -> _WarpedLevel:
    sides = shape[:2] if rgb else shape[1:]
    return _WarpedLevel(level, (sides[0], sides[1]), to_source, rgb=rgb)
