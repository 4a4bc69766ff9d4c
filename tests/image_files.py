"""Small images of every supported kind, written by the tests that read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import tifffile
import zarr

from napari_haiku.images.slide_image import Modality, SlideImage

MICRON = "\u00b5m"


def he_pixels(rows: int = 96, columns: int = 128, seed: int = 0) -> np.ndarray:
    """Glass with a stained left half."""
    rng = np.random.default_rng(seed)
    pixels = np.full((rows, columns, 3), 243.0)
    pixels[:, : columns // 2] = (190, 120, 180)
    return np.clip(pixels + rng.normal(0, 1.0, pixels.shape), 0, 255).astype(np.uint8)


def mif_pixels(channels: int = 3, rows: int = 96, columns: int = 128, dtype: Any = np.uint16):
    """Channels that differ, none of them dark."""
    rng = np.random.default_rng(channels)
    return (rng.random((channels, rows, columns)) * 200 + 5).astype(dtype)


def halved(pixels: np.ndarray, rgb: bool) -> np.ndarray:
    """Every other pixel."""
    return pixels[::2, ::2] if rgb else pixels[:, ::2, ::2]


def write_ome(
    path: Path,
    pixels: np.ndarray,
    *,
    rgb: bool = False,
    levels: int = 1,
    size: Any = 0.5,
    unit: str | None = MICRON,
    position: tuple[float, float] | None = None,
    names: list[str] | None = None,
    tile: tuple[int, int] | None = (32, 32),
    **options: Any,
) -> Path:
    """Write an OME-TIFF, with sub-resolutions where asked."""
    metadata: dict[str, Any] = {"axes": "YXS" if rgb else "CYX"}
    if size is not None:
        across, down = size if isinstance(size, tuple) else (size, size)
        metadata |= {"PhysicalSizeX": across, "PhysicalSizeY": down}
        if unit is not None:
            metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    if position is not None:
        count = 1 if rgb else len(pixels)
        metadata["Plane"] = {
            "PositionX": [position[0]] * count,
            "PositionY": [position[1]] * count,
            "PositionXUnit": [MICRON] * count,
            "PositionYUnit": [MICRON] * count,
        }
    if names is not None:
        metadata["Channel"] = {"Name": names}
    options = {"tile": tile, "photometric": "rgb" if rgb else "minisblack", **options}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(pixels, subifds=levels - 1, metadata=metadata, **options)
        for _ in range(levels - 1):
            pixels = halved(pixels, rgb)
            writer.write(pixels, subfiletype=1, metadata=None, **options)
    return path


def write_ngff(
    folder: Path,
    pixels: np.ndarray,
    *,
    version: str = "0.5",
    levels: int = 2,
    size: float | tuple[float, float] = 0.5,
    unit: str | None = "micrometer",
    translation: tuple[float, float] | None = None,
    labels: list[str] | None = None,
    axes: str = "cyx",
) -> Path:
    """Write an OME-Zarr of version 0.4 (zarr v2) or 0.5 (zarr v3)."""
    group = zarr.open_group(folder, mode="w", zarr_format=2 if version == "0.4" else 3)
    across, down = size if isinstance(size, tuple) else (size, size)
    datasets = []
    for level in range(levels):
        chunks = tuple(
            min(side, 32) if a in "yx" else 1 for a, side in zip(axes, pixels.shape, strict=True)
        )
        array = group.create_array(
            str(level), shape=pixels.shape, chunks=chunks, dtype=pixels.dtype
        )
        array[...] = pixels
        step = 2**level
        scale = [{"x": across * step, "y": down * step}.get(axis, 1.0) for axis in axes]
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if translation is not None:
            shift = [{"x": translation[0], "y": translation[1]}.get(axis, 0.0) for axis in axes]
            steps.append({"type": "translation", "translation": shift})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
        pixels = pixels[tuple(slice(None, None, 2 if a in "yx" else 1) for a in axes)]
    types = {"c": "channel", "t": "time"}
    described = [{"name": a, "type": types.get(a, "space")} for a in axes]
    for axis in described:
        if axis["type"] == "space" and unit is not None:
            axis["unit"] = unit
    content: dict[str, Any] = {"multiscales": [{"axes": described, "datasets": datasets}]}
    if labels is not None:
        content["omero"] = {"channels": [{"label": label} for label in labels]}
    group.attrs.update({"ome": {"version": "0.5", **content}} if version == "0.5" else content)
    return folder


def write_marker_folder(folder: Path, names: list[str], **options: Any) -> Path:
    """Write one single-channel TIFF per marker."""
    folder.mkdir()
    for number, name in enumerate(names, 1):
        tifffile.imwrite(folder / f"{name}.tif", np.full((40, 50), number, np.uint8), **options)
    return folder


def write_imagej(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    """Write an ImageJ hyperstack of channels."""
    metadata = {"axes": "CYX", **options.pop("metadata", {})}
    tifffile.imwrite(path, pixels, imagej=True, metadata=metadata, **options)
    return path


def slide(
    modality: Modality = "he",
    shape: tuple[int, int] = (100, 100),
    pixel_size_um: float | None = 1.0,
    origin_um: tuple[float, float] = (0.0, 0.0),
    *,
    levels: int = 1,
    chunk: int = 32,
    name: str = "image",
    channels: int = 2,
) -> SlideImage:
    """An image in memory whose every pixel says where it is: 1000 * row + column."""
    rows, columns = shape
    place = np.add.outer(np.arange(rows) * 1000, np.arange(columns)).astype(np.int64)
    pyramid = []
    for level in range(levels):
        plane = place[:: 2**level, :: 2**level]
        if modality == "he":
            pyramid.append(da.from_array(np.stack([plane] * 3, -1), chunks=(chunk, chunk, 3)))
        else:
            stack = np.stack([plane + 10**6 * c for c in range(channels)])
            pyramid.append(da.from_array(stack, chunks=(1, chunk, chunk)))
    names = () if modality == "he" else ("DAPI", "CD3e", "CD20", "CD8")[:channels]
    return SlideImage(
        name=name,
        modality=modality,
        levels=tuple(pyramid),
        pixel_size_um=pixel_size_um,
        origin_um=origin_um,
        channel_names=names,
        markers=names,
        fingerprint="f" * 64,
    )


def cut(path: Path, share: float) -> Path:
    """Cut a file off."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def rewrite_json(path: Path, change: Any) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
