"""Read DICOM whole slides through wsidicom, where it is installed."""

from __future__ import annotations

import importlib
import threading
import warnings
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

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_BLOCK = 512


def dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM files of a folder."""
    return sorted(file for file in folder.iterdir() if file.suffix.casefold() in DICOM_SUFFIXES)


def read_dicom(path: Path, *, says_size: bool = True) -> RawImage:
    """Open a DICOM whole slide: one file, or the folder of all its levels.

    Raises
    ------
    HaikuError
        wsidicom is not installed, or the file is damaged, no whole slide, or
        does not say how large its pixels are or where its tiles lie.
    """
    files = dicom_files(path) if path.is_dir() else [path]
    for file in files:
        _check(file, path)
    first = _DicomLevel(path, files, 0)
    try:
        count = len(first.slide().levels)
        size = first.slide().levels[0].mpp
        across, down = float(size.width), float(size.height)
    except HaikuError:
        raise
    # wsidicom raises errors of many kinds on what it cannot read.
    except Exception as error:
        raise _damaged(path) from error
    levels = [first, *(_DicomLevel(path, files, level) for level in range(1, count))]
    return RawImage(
        name=path.name,
        levels=[lazy_array(level, (_BLOCK, _BLOCK, 3)) for level in levels],
        rgb=True,
        pixel_size_um=square_pixel_size(across, down, path.name) if says_size else None,
        path=path,
    )


def _check(file: Path, path: Path) -> None:
    """Refuse what lacks the facts without which its pixels cannot be placed."""
    try:
        pydicom = importlib.import_module("pydicom")
    except ImportError as error:
        raise _not_installed(path) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
            kind = str(header.get("SOPClassUID", ""))
            shared = (header.get("SharedFunctionalGroupsSequence") or [{}])[0]
            measured = "PixelMeasuresSequence" in shared
            placed = header.get("DimensionOrganizationType") == "TILED_FULL" or all(
                "PlanePositionSlideSequence" in frame
                for frame in header.get("PerFrameFunctionalGroupsSequence") or [{}]
            )
        # pydicom raises errors of many kinds on bytes that are no DICOM.
        except Exception as error:
            raise _damaged(path) from error
    if kind != _WHOLE_SLIDE:
        raise HaikuError(
            f"{file.name} is a DICOM file but no whole slide: give a whole slide, or convert it to "
            "OME-TIFF with its pixel size."
        )
    lacking = [
        what
        for what, there in (
            ("how large its pixels are", measured),
            ("where its tiles lie", placed),
        )
        if not there
    ]
    if lacking:
        raise HaikuError(
            f"{file.name} is a DICOM slide that does not say {' or '.join(lacking)}, so it cannot "
            "be trusted: export it again from the scanner, or convert it to OME-TIFF."
        )


class _DicomLevel:
    """Array-like over one level of a DICOM slide."""

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, path: Path, files: list[Path], level: int) -> None:
        self._path, self._files, self._level = path, files, level
        self._lock = threading.Lock()
        self._slide: Any = None
        size = self.slide().levels[level].size
        self.shape = (int(size.height), int(size.width), 3)

    def slide(self) -> Any:
        """Return the open slide."""
        with self._lock:
            if self._slide is None:
                try:
                    wsidicom = importlib.import_module("wsidicom")
                except ImportError as error:
                    raise _not_installed(self._path) from error
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        self._slide = wsidicom.WsiDicom.open(self._files)
                    except Exception as error:
                        raise _damaged(self._path) from error
                weakref.finalize(self, self._slide.close)
            return self._slide

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        rows, columns, samples = (
            range(*part.indices(size)) for part, size in zip(key, self.shape, strict=True)
        )
        level = self.slide().levels[self._level].level
        try:
            region = self.slide().read_region(
                (columns.start, rows.start), level, (len(columns), len(rows))
            )
            pixels: NDArray[np.uint8] = np.asarray(region.convert("RGB"))
        except Exception as error:
            raise _damaged(self._path) from error
        return pixels[..., samples.start : samples.stop]

    def __reduce__(self) -> tuple[type[_DicomLevel], tuple[Path, list[Path], int]]:
        return _DicomLevel, (self._path, self._files, self._level)


def _not_installed(path: Path) -> HaikuError:
    return HaikuError(
        f'{path.name} needs wsidicom: install it with pip install "napari-haiku[dicom]".'
    )


def _damaged(path: Path) -> HaikuError:
    return HaikuError(
        f"{path.name} is damaged or incomplete and cannot be read as a DICOM slide: copy or export "
        "it again."
    )
