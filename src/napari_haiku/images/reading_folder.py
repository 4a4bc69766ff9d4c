"""Read a folder with one single-channel TIFF per marker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da

from napari_haiku.errors import HaikuError
from napari_haiku.images.assembling import RawImage
from napari_haiku.images.reading_tiff import read_tiff

if TYPE_CHECKING:
    from pathlib import Path

_NOT_MARKERS = ("tissue", "segmentation", "hande")


def holds_marker_tiffs(folder: Path) -> bool:
    """Tell whether a folder holds any TIFF that can be a marker."""
    return bool(_marker_files(folder))


def read_folder(folder: Path, *, says_size: bool = True) -> RawImage:
    """Open a folder of TIFFs as one mIF; each file's name is its marker.

    Files are taken in the order of their names. Those that start with tissue,
    segmentation or HandE are left aside, as in the published layout.

    Parameters
    ----------
    folder : Path
        The folder.
    says_size : bool, default True
        Whether to read the files' pixel size.

    Raises
    ------
    HaikuError
        A file is no single channel, or the files differ in size, type or pixel
        size.
    """
    files = _marker_files(folder)
    parts = [read_tiff(file, says_size=says_size) for file in files]
    for part, file in zip(parts, files, strict=True):
        if part.rgb or part.levels[0].shape[0] != 1:
            raise HaikuError(
                f"{file.name} in {folder.name} is not a single channel: keep one channel per file."
            )
        if part.levels[0].shape != parts[0].levels[0].shape:
            raise HaikuError(
                f"{file.name} is {_sides(part)} pixels but {files[0].name} is {_sides(parts[0])}: "
                f"all markers in {folder.name} must have one size."
            )
        if part.levels[0].dtype != parts[0].levels[0].dtype:
            raise HaikuError(
                f"{file.name} stores {part.levels[0].dtype} but {files[0].name} "
                f"{parts[0].levels[0].dtype}: all markers in {folder.name} must have one type."
            )
    sizes = sorted({part.pixel_size_um for part in parts if part.pixel_size_um is not None})
    if sizes and sizes[-1] > sizes[0] * 1.01:
        raise HaikuError(
            f"The markers in {folder.name} contradict each other about the pixel size, "
            f"{sizes[0]:g} um and {sizes[-1]:g} um: give the right one in um with --pixel-size."
        )
    count = min(len(part.levels) for part in parts)
    left_out = [
        file.name for file in _tiffs(folder) if file.stem.casefold().startswith(_NOT_MARKERS)
    ]
    return RawImage(
        name=folder.name,
        levels=[da.concatenate([part.levels[i] for part in parts], axis=0) for i in range(count)],
        rgb=False,
        pixel_size_um=sizes[0] if sizes else None,
        origin_um=parts[0].origin_um,
        channel_names=[
            file.name.split(".")[0] if file.name.endswith(".ome.tif") else file.stem
            for file in files
        ],
        path=folder,
        notes=[f"Left aside, being no markers: {', '.join(left_out)}."] if left_out else [],
    )


def _tiffs(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file()
        and file.suffix.casefold() in (".tif", ".tiff")
        and not file.name.startswith(".")
    )


def _marker_files(folder: Path) -> list[Path]:
    return [file for file in _tiffs(folder) if not file.stem.casefold().startswith(_NOT_MARKERS)]


def _sides(part: RawImage) -> str:
    _, rows, columns = part.levels[0].shape
    return f"{columns} x {rows}"
