"""TIFF pages as lazy arrays that close their file, travel to other processes and name damage."""

from __future__ import annotations

import struct
import threading
import weakref
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
import zarr

from napari_haiku.errors import HaikuError
from napari_haiku.images.lazy import lazy_array
from napari_haiku.images.tiff_directories import directories_complete
from napari_haiku.images.tiff_segments import TiffSegments

if TYPE_CHECKING:
    import dask.array as da
    from numpy.typing import NDArray

LARGEST_BLOCK_BYTES = 2**30
BLOCK_SIDE = 512

# What tifffile, its codecs and zarr raise on bytes that are not what they claim.
DAMAGE = (
    tifffile.TiffFileError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    OSError,
    EOFError,
    AssertionError,
    struct.error,
    zlib.error,
)


def open_tiff(path: Path) -> tifffile.TiffFile:
    """Open a TIFF.

    Raises
    ------
    HaikuError
        The file is absent, or its directory of images cannot be read.
    """
    try:
        tiff = tifffile.TiffFile(path)
    except FileNotFoundError as error:
        raise HaikuError(f"{path.name} does not exist: check the path.") from error
    except DAMAGE as error:
        raise damaged(path) from error
    try:
        if not tiff.series:
            raise HaikuError(f"{path.name} holds no image: give another file.")
    except DAMAGE as error:
        tiff.close()
        raise damaged(path) from error
    except HaikuError:
        tiff.close()
        raise
    return tiff


def damaged(path: Path) -> HaikuError:
    """Return the error for a file that is cut off or not what its name says."""
    return HaikuError(
        f"{path.name} is damaged or incomplete and cannot be read as TIFF: copy or export it again."
    )


def cut_off(path: Path) -> HaikuError:
    """Return the error for a file that ends too early."""
    return HaikuError(
        f"{path.name} ends before its last pixels, so it was cut off: copy or export it again."
    )


def check_complete(tiff: tifffile.TiffFile, series: Any, path: Path) -> None:
    """Make sure that every block a series refers to lies inside its file.

    Raises
    ------
    HaikuError
        The file ends before its last block, or refers to planes that are absent.
    """
    # Hamamatsu's files use 64-bit offsets in a way of their own.
    if not tiff.is_ndpi and not directories_complete(path):
        raise cut_off(path)
    sizes: dict[str, int] = {}
    try:
        for level in series.levels:
            for page in level.pages:
                if page is None:
                    raise HaikuError(
                        f"{path.name} refers to planes that are not there: put the other files of "
                        "its set beside it, or export it as one file."
                    )
                handle = page.parent.filehandle
                size = sizes.setdefault(handle.path, handle.size)
                ends = (a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=True))
                if max(ends, default=0) > size:
                    raise cut_off(path)
    except DAMAGE as error:
        raise damaged(path) from error


def tiff_level(source: TiffLevel, path: Path) -> da.Array:
    """Return one level of one series as a lazy array with the file's own axes.

    Parameters
    ----------
    source : TiffLevel
        The level.
    path : Path
        The file, for messages.

    Returns
    -------
    dask.array.Array
        Blocks follow the file's tiles, small strips joined to about 512 rows.

    Raises
    ------
    HaikuError
        One block is over 1 GiB, so that the image cannot be read piecemeal.
    """
    sides = source.blocks
    if source.mapped_at is not None:
        return lazy_array(source, tuple(min(s, BLOCK_SIDE) for s in source.shape))
    if int(np.prod(sides, dtype=np.int64)) * source.dtype.itemsize > LARGEST_BLOCK_BYTES:
        raise HaikuError(
            f"{path.name} stores its pixels in blocks of over 1 GiB, so it cannot be read piece by "
            "piece: save it as a tiled pyramid."
        )
    return lazy_array(source, _joined_blocks(source.shape, sides))


def layout_of(
    level: Any,
) -> tuple[tuple[int, ...], np.dtype[Any], tuple[int, ...], tuple[int, str] | None]:
    """Return shape, type, sides of the stored blocks and place of one open level of a series.

    The place (offset and stored type) is given where the level lies in the file
    as one plain run of pixels in blocks too large to decode: such a giant is
    mapped, so that any part of it can be read.
    """
    shape = tuple(int(side) for side in level.shape)
    blocks = [int(side) for side in level.keyframe.chunks]
    while len(blocks) > len(shape):
        # A page counts its depth and samples, a series only axes longer than one.
        blocks.pop(0 if blocks[0] == 1 else -1)
    blocks = [1] * (len(shape) - len(blocks)) + blocks
    stored = np.dtype(level.dtype)
    place = None
    if int(np.prod(blocks, dtype=np.int64)) * stored.itemsize > LARGEST_BLOCK_BYTES:
        offset = level.dataoffset
        if offset is not None and level.keyframe.is_memmappable:
            place = (int(offset), stored.newbyteorder(level.keyframe.parent.byteorder).str)
    return shape, stored.newbyteorder("="), tuple(blocks), place


def _joined_blocks(shape: tuple[int, ...], sides: tuple[int, ...]) -> tuple[int, ...]:
    joined = []
    for axis, (size, side) in enumerate(zip(shape, sides, strict=True)):
        spatial = size > 4 and axis >= len(shape) - 3 and side < BLOCK_SIDE
        is_channel = spatial and side == 1 and len(shape) == 3 and axis == 0
        if spatial and not is_channel:
            side = min(size, side * max(1, BLOCK_SIDE // side))
        joined.append(side)
    return tuple(joined)


class TiffLevel:
    """Array-like over one level of a TIFF; opens its file at need and closes it when dropped.

    Parameters
    ----------
    path : Path
        The file.
    series, level : int
        Which image of the file, and which level of it.
    shape, dtype, blocks, mapped_at
        What :func:`layout_of` says of it, so that making one opens nothing.
    """

    def __init__(
        self,
        path: Path,
        series: int,
        level: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        blocks: tuple[int, ...],
        mapped_at: tuple[int, str] | None = None,
    ) -> None:
        self._path, self._series, self._level = path, series, level
        self._lock = threading.Lock()
        self._array: Any = None
        self.shape, self.dtype, self.blocks, self.mapped_at = shape, dtype, blocks, mapped_at
        self.ndim = len(self.shape)

    def whole(self) -> NDArray[Any]:
        """Decode the whole level at one go."""
        with open_tiff(self._path) as tiff:
            try:
                pixels = tiff.series[self._series].levels[self._level].asarray(maxworkers=1)
                return np.asarray(pixels, dtype=self.dtype).reshape(self.shape)
            except DAMAGE as error:
                raise damaged(self._path) from error

    def __getitem__(self, key: Any) -> NDArray[Any]:
        try:
            return np.asarray(self._opened()[key], dtype=self.dtype)
        except DAMAGE as error:
            raise damaged(self._path) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return TiffLevel, (
            *(self._path, self._series, self._level),
            *(self.shape, self.dtype, self.blocks, self.mapped_at),
        )

    def _opened(self) -> Any:
        with self._lock:
            if self._array is None and self.mapped_at is not None:
                offset, stored = self.mapped_at
                try:
                    self._array = np.memmap(self._path, stored, "r", offset, self.shape)
                except DAMAGE as error:
                    raise damaged(self._path) from error
            if self._array is None:
                tiff = open_tiff(self._path)
                weakref.finalize(self, tiff.close)
                try:
                    level = tiff.series[self._series].levels[self._level]
                    self._array = TiffSegments.of(tiff, level, self.dtype)
                    if self._array is None:
                        store = tiff.series[self._series].aszarr(level=self._level)
                        self._array = zarr.open_array(store, mode="r")
                except DAMAGE as error:
                    raise damaged(self._path) from error
            return self._array
