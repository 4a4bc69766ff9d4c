"""Read PNG and JPEG pictures, which have no pixel size that could be trusted."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from napari_haiku.errors import HaikuError
from napari_haiku.images.assembling import RawImage
from napari_haiku.images.lazy import lazy_array

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
LARGEST_PIXELS = 400_000_000
_GREY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_BLOCK = 1024


def read_picture(path: Path) -> RawImage:
    """Open a PNG or JPEG.

    Such files cannot be read piece by piece: the pixels are decoded at the
    first look and kept. Resolution tags are printing habits and are not read.

    Raises
    ------
    HaikuError
        The file is damaged, or larger than 400 million pixels.
    """
    with _opened(path) as picture:
        columns, rows = picture.size
        grey = picture.mode in _GREY
        notes = ["The alpha channel is left out."] if "A" in picture.getbands() else []
        if picture.format == "PNG" and not grey and _png_bit_depth(path) == 16:
            notes.append("The 16-bit colours are scaled to 8 bits.")
    source = _Picture(path, grey=grey)
    dtype = source[0:1, 0:1].dtype
    shape = (rows, columns) if grey else (rows, columns, 3)
    chunks = (min(rows, _BLOCK), min(columns, _BLOCK), 3)[: len(shape)]
    level = lazy_array(_Shaped(source, shape, dtype), chunks)
    return RawImage(
        name=path.name,
        levels=[level[None] if grey else level],
        rgb=not grey,
        path=path,
        notes=notes,
    )


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # The limit below is ours; Pillow's own would come first as a warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise _damaged(path) from error
    if picture.size[0] * picture.size[1] > LARGEST_PIXELS:
        picture.close()
        raise _too_large(path)
    return picture


def _too_large(path: Path) -> HaikuError:
    return HaikuError(
        f"{path.name} is too large for a picture file, which cannot be read piece by piece: "
        "save it as a tiled pyramid."
    )


def _damaged(path: Path) -> HaikuError:
    return HaikuError(f"{path.name} is damaged or no picture: copy or export it again.")


def _png_bit_depth(path: Path) -> int:
    with path.open("rb") as stream:
        return stream.read(25)[24]


class _Picture:
    """Pixels of one picture file, decoded once."""

    def __init__(self, path: Path, *, grey: bool) -> None:
        self._path, self._grey = path, grey
        self._lock = threading.Lock()
        self._pixels: NDArray[Any] | None = None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with self._lock:
            if self._pixels is None:
                self._pixels = self._decoded()
            pixels = self._pixels
        part: NDArray[Any] = pixels[key]
        return part

    def __reduce__(self) -> tuple[Any, ...]:
        return _picture, (self._path, self._grey)

    def _decoded(self) -> NDArray[Any]:
        try:
            with _opened(self._path) as picture:
                if self._grey:
                    return np.asarray(picture.convert("L") if picture.mode == "1" else picture)
                return np.asarray(_without_alpha(picture))
        except (OSError, SyntaxError, ValueError) as error:
            raise _damaged(self._path) from error


def _picture(path: Path, grey: bool) -> _Picture:
    return _Picture(path, grey=grey)


def _without_alpha(picture: Image.Image) -> Image.Image:
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert("RGB")


class _Shaped:
    """The array interface that dask asks for."""

    def __init__(self, source: _Picture, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._source, self.shape, self.dtype, self.ndim = source, shape, dtype, len(shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self._source[key]
