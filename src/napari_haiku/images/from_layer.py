"""Take the arrays of an open layer as a slide image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.images.assembling import RawImage, assemble
from napari_haiku.images.lazy import lazy_array
from napari_haiku.images.pixel_size import square_pixel_size

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import Modality, SlideImage


def image_from_array(
    data: Any,
    *,
    rgb: bool,
    channel_axis: int | None = None,
    scale_um: float | Sequence[float] | None = None,
    translate: Sequence[float] = (0.0, 0.0),
    channel_names: Sequence[str] | None = None,
    name: str = "image",
    modality: Modality | None = None,
) -> SlideImage:
    """Make a slide image of arrays that are already open.

    Parameters
    ----------
    data : array or list
        One array (NumPy, dask or zarr), or the levels of a pyramid, finest
        first. A list of separate layers goes to :func:`image_from_channels`.
    rgb : bool
        Whether the last axis is colour.
    channel_axis : int, optional
        Which axis holds the channels; axis 0 of a 3-D array when left out.
    scale_um : float or sequence, optional
        Side of a pixel, or (y, x), um; None when not known.
    translate : sequence of float, default (0, 0)
        (y, x) of the top-left corner of pixel (0, 0), um.
    channel_names : sequence of str, optional
        One per channel.
    name : str, default "image"
        What to call it.
    modality : {"he", "mif"}, optional
        Told from colour when left out.

    Raises
    ------
    HaikuError
        The array has too many axes, is no image, or its pixels are not square.
    """
    levels = [_lazy(level, name) for level in _levels(data)]
    levels = [_arranged(level, rgb, channel_axis, name) for level in levels]
    return assemble(
        RawImage(
            name=name,
            levels=levels,
            rgb=rgb,
            pixel_size_um=_pixel_size(scale_um, name),
            origin_um=_corner(translate),
            channel_names=list(channel_names or ()),
        ),
        modality=modality,
    )


def image_from_channels(
    channels: Sequence[Any],
    *,
    channel_names: Sequence[str],
    scale_um: float | Sequence[float] | None = None,
    translate: Sequence[float] = (0.0, 0.0),
    name: str = "mIF",
) -> SlideImage:
    """Make an mIF of one array, or one pyramid, per channel.

    Parameters
    ----------
    channels : sequence
        Per channel a 2-D array, or a list of 2-D levels, finest first.
    channel_names : sequence of str
        One per channel.
    scale_um, translate, name
        As for :func:`image_from_array`.

    Raises
    ------
    HaikuError
        The channels differ in size, or in number from their names.
    """
    if len(channels) != len(channel_names):
        raise HaikuError(
            f"{name} has {len(channels)} channels but {len(channel_names)} names: give one each."
        )
    if not channels:
        raise HaikuError(f"{name} has no channels: choose at least one layer.")
    pyramids = [[_lazy(level, name) for level in _levels(channel)] for channel in channels]
    for pyramid, channel_name in zip(pyramids, channel_names, strict=True):
        if pyramid[0].ndim != 2 or pyramid[0].shape != pyramids[0][0].shape:
            raise HaikuError(
                f"{channel_name} is {_sides(pyramid[0])} pixels but {channel_names[0]} is "
                f"{_sides(pyramids[0][0])}: all channels must have one size."
            )
    count = min(len(pyramid) for pyramid in pyramids)
    dtype = np.result_type(*(pyramid[0].dtype for pyramid in pyramids))
    levels = [
        da.stack([pyramid[level].astype(dtype) for pyramid in pyramids]) for level in range(count)
    ]
    return assemble(
        RawImage(
            name=name,
            levels=levels,
            rgb=False,
            pixel_size_um=_pixel_size(scale_um, name),
            origin_um=_corner(translate),
            channel_names=list(channel_names),
        ),
        modality="mif",
    )


def _levels(data: Any) -> list[Any]:
    """Return the levels of a pyramid; napari hands them over as a list or its own sequence."""
    return list(data) if isinstance(data, Sequence) else [data]


def _lazy(level: Any, name: str) -> da.Array:
    if isinstance(level, da.Array):
        return level
    if not hasattr(level, "shape") or not hasattr(level, "dtype"):
        raise HaikuError(f"{name} is no array of pixels: choose an image layer.")
    chunks = tuple(int(side) for side in getattr(level, "chunks", ())) or "auto"
    return lazy_array(level, chunks)


def _arranged(level: da.Array, rgb: bool, channel_axis: int | None, name: str) -> da.Array:
    """Bring a level to (y, x, samples) or (c, y, x)."""
    if level.ndim == 2 and not rgb:
        plane: da.Array = level[None]
        return plane
    if channel_axis is not None and not rgb:
        # After all other leading axes, so that those can be taken away from the front.
        level = da.moveaxis(level, channel_axis, level.ndim - 3 if level.ndim >= 3 else 0)
    while level.ndim > 3:
        if level.shape[0] != 1:
            raise HaikuError(
                f"{name} has {level.shape[0]} planes in time or depth: choose a single one."
            )
        level = level[0]
    return level


def _pixel_size(scale_um: float | Sequence[float] | None, name: str) -> float | None:
    if scale_um is None:
        return None
    if isinstance(scale_um, int | float):
        return square_pixel_size(float(scale_um), float(scale_um), name)
    y, x = (float(value) for value in list(scale_um)[-2:])
    return square_pixel_size(x, y, name)


def _corner(translate: Sequence[float]) -> tuple[float, float]:
    y, x = (float(value) for value in list(translate)[-2:])
    return x, y


def _sides(level: da.Array) -> str:
    return " x ".join(str(side) for side in reversed(level.shape))
