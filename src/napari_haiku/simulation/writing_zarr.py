"""Writing virtual slides as OME-Zarr 0.5 pyramids whose bytes depend on the pixels alone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.simulation.writing import pyramid
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_CHUNK = 512
_COLOURS = (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF"))


def write_he_zarr(path: Path, picture: NDArray[np.uint8], pixel_um: float) -> None:
    """Write an H&E picture, (y, x, 3), losslessly; it appears whole or not at all.

    Raises
    ------
    HaikuError
        It cannot be written.
    """
    channels = [_channel(name, colour) for name, colour in _COLOURS]
    _write(path, np.moveaxis(picture, -1, 0), channels, pixel_um, "color")


def write_mif_zarr(
    path: Path, picture: NDArray[np.uint8], markers: tuple[str, ...], pixel_um: float
) -> None:
    """Write an mIF picture, (c, y, x), with its channel names; whole or not at all.

    Raises
    ------
    HaikuError
        It cannot be written.
    """
    channels = [_channel(name, "FFFFFF") for name in markers]
    _write(path, picture, channels, pixel_um, "greyscale")


def _write(
    path: Path,
    picture: NDArray[np.uint8],
    channels: list[dict[str, Any]],
    pixel_um: float,
    colours: str,
) -> None:
    import zarr

    fresh = path.parent / f".{path.name}.new"
    with speaking(path):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        group = zarr.open_group(str(fresh), mode="w", zarr_format=3)
        levels = [pyramid(channel) for channel in picture]
        count = len(levels[0])
        for number in range(count):
            stack = np.stack([channel[number] for channel in levels])
            array = group.create_array(
                str(number),
                shape=stack.shape,
                chunks=(1, *(min(side, _CHUNK) for side in stack.shape[1:])),
                dtype=stack.dtype,
                dimension_names=("c", "y", "x"),
            )
            array[:] = stack
        group.attrs["ome"] = {
            "version": "0.5",
            "multiscales": [_multiscale(path.name.split(".")[0], count, pixel_um)],
            "omero": {"channels": channels, "rdefs": {"model": colours}},
        }
        fresh.rename(path)


def _multiscale(name: str, levels: int, pixel_um: float) -> dict[str, Any]:
    datasets = []
    for number in range(levels):
        size = pixel_um * 2**number
        datasets.append(
            {
                "path": str(number),
                "coordinateTransformations": [{"type": "scale", "scale": [1.0, size, size]}],
            }
        )
    space = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    return {
        "name": name,
        "axes": [{"name": "c", "type": "channel"}, *space],
        "datasets": datasets,
    }


def _channel(label: str, colour: str) -> dict[str, Any]:
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    return {"label": label, "color": colour, "active": True, "window": window}
