"""Read vendors' whole-slide formats through OpenSlide, where it is installed."""

from __future__ import annotations

import importlib
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.images.assembling import RawImage
from napari_haiku.images.lazy import lazy_array
from napari_haiku.images.pixel_size import square_pixel_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OPENSLIDE_SUFFIXES = frozenset({".mrxs", ".vms", ".vmu", ".scn", ".bif", ".svslide"})
_BLOCK = 512


def read_with_openslide(path: Path, *, says_size: bool = True) -> RawImage:
    """Open a slide that OpenSlide knows.

    Raises
    ------
    HaikuError
        OpenSlide is not installed, or cannot read the file.
    """
    source = _OpenSlideLevel(path, 0)
    slide = source.slide()
    levels = [
        lazy_array(_OpenSlideLevel(path, level), (_BLOCK, _BLOCK, 3))
        for level in range(slide.level_count)
    ]
    size: float | None = None
    across, down = (slide.properties.get(f"openslide.mpp-{axis}") for axis in "xy")
    if says_size and across and down:
        size = square_pixel_size(float(across), float(down), path.name)
    return RawImage(name=path.name, levels=levels, rgb=True, pixel_size_um=size, path=path)


class _OpenSlideLevel:
    """Array-like over one level of a slide; what was not scanned is white."""

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, path: Path, level: int) -> None:
        self._path, self._level = path, level
        self._lock = threading.Lock()
        self._slide: Any = None
        columns, rows = self.slide().level_dimensions[level]
        self._step = float(self.slide().level_downsamples[level])
        self.shape = (int(rows), int(columns), 3)

    def slide(self) -> Any:
        """Return the open slide."""
        with self._lock:
            if self._slide is None:
                try:
                    openslide = importlib.import_module("openslide")
                except ImportError as error:
                    raise HaikuError(
                        f"{self._path.name} needs OpenSlide: install it with "
                        'pip install "napari-haiku[wsi]".'
                    ) from error
                try:
                    self._slide = openslide.OpenSlide(self._path)
                except (openslide.OpenSlideError, OSError) as error:
                    raise self._unreadable() from error
                weakref.finalize(self, self._slide.close)
            return self._slide

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        rows, columns, samples = (
            range(*part.indices(size)) for part, size in zip(key, self.shape, strict=True)
        )
        slide = self.slide()
        start = (round(columns.start * self._step), round(rows.start * self._step))
        try:
            region = slide.read_region(start, self._level, (len(columns), len(rows)))
        except OSError as error:
            raise self._unreadable() from error
        seen = np.asarray(region)
        pixels = np.where(seen[..., 3:] == 0, np.uint8(255), seen[..., :3])
        return pixels[..., samples.start : samples.stop]

    def __reduce__(self) -> tuple[type[_OpenSlideLevel], tuple[Path, int]]:
        return _OpenSlideLevel, (self._path, self._level)

    def _unreadable(self) -> HaikuError:
        return HaikuError(
            f"{self._path.name} cannot be read by OpenSlide, being damaged or of an unknown kind: "
            "copy it again or convert it to OME-TIFF."
        )
