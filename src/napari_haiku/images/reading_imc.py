"""Read imaging mass cytometry: Fluidigm text exports and MCD files."""

from __future__ import annotations

import csv
import importlib
import io
import re
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_haiku.errors import HaikuError
from napari_haiku.images.assembling import RawImage
from napari_haiku.images.lazy import lazy_array
from napari_haiku.images.pixel_size import square_pixel_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

LARGEST_SIDE = 50_000
LARGEST_VALUES = 2**31
_PUSHES = ("Start_push", "End_push", "Pushes_duration", "X", "Y", "Z")
_CHANNEL = re.compile(r"(?P<label>.*)\((?P<metal>[A-Za-z]+\d+)(Di)?\)")
_ISOTOPE = re.compile(r"(\d{2,3}[A-Z][a-z]?|[A-Z][a-z]?\d{2,3})(Di)?([_\-\s]+|$)")


def is_imc_text(start: bytes) -> bool:
    """Tell from its first bytes whether a text file is an IMC export."""
    return start.startswith(b"Start_push\t")


def read_imc_text(path: Path) -> RawImage:
    """Open a Fluidigm text export: one row per laser shot, one column per channel.

    Raises
    ------
    HaikuError
        Rows are missing or hold no numbers, or positions do not fill a rectangle.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        header = next(csv.reader(io.StringIO(stream.readline()), delimiter="\t"), [])
    columns = [name for name in header if name not in _PUSHES and name.strip()]
    if "X" not in header or "Y" not in header or not columns:
        raise HaikuError(f"{path.name} has no columns X, Y and channels: export it again.")
    places = _table(path, ["X", "Y"]).to_numpy(float)
    if not len(places) or not np.isfinite(places).all() or places.min() < 0:
        raise _damaged(path)
    last = places.max(axis=0).astype(np.int64)
    if last.max() >= LARGEST_SIDE:
        raise _damaged(path)
    width, height = (int(side) + 1 for side in last)
    # A region is shot row by row to its end; a file cut off lacks shots.
    if len(places) != width * height:
        raise HaikuError(
            f"{path.name} holds {len(places)} of the {width * height} shots of its region: copy or "
            "export it again."
        )

    def decoded() -> NDArray[np.float32]:
        values = _table(path, columns).to_numpy(np.float32)
        image = np.zeros((len(columns), height, width), np.float32)
        x, y = places.astype(np.int64).T
        image[:, y, x] = values.T
        return image

    return RawImage(
        name=path.name,
        levels=[_read_once(decoded, (len(columns), height, width))],
        rgb=False,
        channel_names=[_name(column) for column in columns],
        path=path,
        notes=["The file does not say its pixel size; IMC is mostly ablated at 1 um."],
    )


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path, sep="\t", usecols=columns, dtype=np.float64, encoding_errors="replace"
        )[columns]
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise _damaged(path) from error


def read_mcd(path: Path, *, says_size: bool = True) -> RawImage:
    """Open the largest acquisition of an MCD file.

    Raises
    ------
    HaikuError
        readimc is not installed, or the file is damaged or empty.
    """
    try:
        mcd_file = importlib.import_module("readimc").MCDFile
    except ImportError as error:
        raise HaikuError(
            f'{path.name} needs readimc: install it with pip install "napari-haiku[imc]".'
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _opened(mcd_file(path)) as mcd:
                found = [a for slide in mcd.slides for a in slide.acquisitions]
                sides = [(int(a.height_px), int(a.width_px)) for a in found]
                labels = [
                    [_name(label or name) for label, name in zip(*_names(a), strict=True)]
                    for a in found
                ]
                sizes = [(float(a.pixel_size_x_um), float(a.pixel_size_y_um)) for a in found]
        # The library raises what its parts raise; all of it means the same here.
        except Exception as error:
            raise _damaged(path) from error
    if not found:
        raise HaikuError(f"{path.name} holds no acquisition: give another file.")
    chosen = max(range(len(found)), key=lambda i: sides[i][0] * sides[i][1])
    shape = (len(labels[chosen]), *sides[chosen])
    if min(shape) < 1 or max(sides[chosen]) > LARGEST_SIDE or np.prod(shape) > LARGEST_VALUES:
        raise _damaged(path)

    def decoded() -> NDArray[np.float32]:
        try:
            with warnings.catch_warnings(), _opened(mcd_file(path)) as mcd:
                warnings.simplefilter("ignore")
                every = [a for slide in mcd.slides for a in slide.acquisitions]
                pixels: NDArray[np.float32] = mcd.read_acquisition(every[chosen])
        except Exception as error:
            raise _damaged(path) from error
        if pixels.shape != shape:
            raise _damaged(path)
        return pixels

    notes = []
    if len(found) > 1:
        notes.append(f"The file holds {len(found)} acquisitions; the largest one is used.")
    return RawImage(
        name=path.name,
        levels=[_read_once(decoded, shape)],
        rgb=False,
        pixel_size_um=square_pixel_size(*sizes[chosen], path.name) if says_size else None,
        channel_names=labels[chosen],
        path=path,
        notes=notes,
    )


@contextmanager
def _opened(mcd: Any) -> Iterator[Any]:
    """Open an MCD file and close it even where opening fails, which the library forgets."""
    try:
        mcd.open()
        yield mcd
    finally:
        mcd.close()


def _names(acquisition: Any) -> tuple[list[str], list[str]]:
    return list(acquisition.channel_labels), list(acquisition.channel_names)


def _name(column: str) -> str:
    """Return a channel's own name: its label without the isotope, else the metal."""
    found = _CHANNEL.fullmatch(column.strip())
    label = (found["label"] if found else column).strip()
    own = _ISOTOPE.sub("", label, count=1) if _ISOTOPE.match(label) else label
    return own or label or (found["metal"] if found else column)


def _damaged(path: Path) -> HaikuError:
    return HaikuError(
        f"{path.name} is damaged or incomplete and cannot be read as IMC: copy or export it again."
    )


def _read_once(decoded: Callable[[], NDArray[np.float32]], shape: tuple[int, ...]) -> Any:
    chunks = (1, *(min(side, 1024) for side in shape[1:]))
    return lazy_array(_Decoded(decoded, shape), chunks)


class _Decoded:
    """Pixels that can only be read all at once: decoded at the first look and kept."""

    dtype = np.dtype(np.float32)

    def __init__(self, decoded: Callable[[], NDArray[np.float32]], shape: tuple[int, ...]) -> None:
        self._decoded, self.shape, self.ndim = decoded, shape, len(shape)
        self._lock = threading.Lock()
        self._pixels: NDArray[np.float32] | None = None

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        with self._lock:
            if self._pixels is None:
                self._pixels = self._decoded()
            part: NDArray[np.float32] = self._pixels[key]
            return part

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process gets the pixels: they are small, and a closure does not travel.
        return _kept, (self[...],)


def _kept(pixels: NDArray[np.float32]) -> _Decoded:
    return _Decoded(lambda: pixels, pixels.shape)
