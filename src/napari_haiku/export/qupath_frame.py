"""Between um of the slide's frame and the pixels that QuPath counts in."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading_openslide import OPENSLIDE_SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.encoding.store import Encoding

_WORDS = {"he": "H&E", "mif": "mIF"}


@dataclass(frozen=True)
class QuPathFrame:
    """Pixels of the full-resolution image as QuPath shows it, x right and y down.

    QuPath crops slides read through OpenSlide to their bounds, so that its
    pixel (0, 0) is not the file's.

    Parameters
    ----------
    pixel_size_um : float
        Side of a full-resolution pixel.
    origin_um : tuple of float
        (x, y) of the top-left corner of the file's pixel (0, 0), um.
    bounds_px : tuple of int
        (x, y) of QuPath's pixel (0, 0) among the file's.
    """

    pixel_size_um: float
    origin_um: tuple[float, float] = (0.0, 0.0)
    bounds_px: tuple[int, int] = (0, 0)

    def to_px(self, points_um: NDArray[Any]) -> NDArray[np.float64]:
        """Turn points (n, 2) of x, y in um into QuPath's pixels."""
        points = np.asarray(points_um, np.float64)
        return (points - self.origin_um) / self.pixel_size_um - self.bounds_px

    def to_um(self, points_px: NDArray[Any]) -> NDArray[np.float64]:
        """Turn points (n, 2) of x, y in QuPath's pixels into um."""
        points = np.asarray(points_px, np.float64)
        return (points + self.bounds_px) * self.pixel_size_um + self.origin_um


def qupath_frame(
    encoding: Encoding, *, image: Path | None = None, modality: str | None = None
) -> QuPathFrame:
    """Find the frame of a slide's image.

    Parameters
    ----------
    encoding : Encoding
        The slide.
    image : Path, optional
        The image's file; needed for formats that OpenSlide reads, whose bounds
        only the file knows. Looked for beside the encoding when left out.
    modality : {"he", "mif"}, optional
        Which image QuPath has open; the H&E where there is one.

    Raises
    ------
    HaikuError
        There is no such image, its place cannot be told, or its file is needed
        and not there.
    """
    images = encoding.images
    modality = modality or ("he" if "he" in images else "mif")
    if modality not in images:
        raise HaikuError(
            f"{encoding.path.name} has no {_WORDS.get(modality, modality)} image: "
            "choose the other one."
        )
    known = images[modality]
    if known.get("affine_um"):
        raise HaikuError(
            f"The {_WORDS[modality]} image was laid onto the other by an affine, so that its own "
            "pixels are not those of the patches: export for the other image."
        )
    if not known.get("pixel_size_um"):
        raise HaikuError(
            f"{encoding.path.name} does not say how large a pixel of the {_WORDS[modality]} image "
            "is: encode the slide again."
        )
    x, y = known.get("origin_um", (0.0, 0.0))
    name = str(known.get("name", ""))
    bounds = (0, 0)
    if any(name.casefold().endswith(suffix) for suffix in OPENSLIDE_SUFFIXES):
        file = image or encoding.path.parent / name
        if not file.exists():
            raise HaikuError(
                "QuPath crops slides of this format to what was scanned, and only the image file "
                "says where that begins: give the image too (--image)."
            )
        bounds = openslide_bounds(file)
    return QuPathFrame(float(known["pixel_size_um"]), (float(x), float(y)), bounds)


def openslide_bounds(path: Path) -> tuple[int, int]:
    """Read where the scanned part of a slide begins, in pixels; (0, 0) where it does not say.

    Raises
    ------
    HaikuError
        OpenSlide is missing or cannot read the file.
    """
    try:
        openslide = importlib.import_module("openslide")
    except ImportError as error:
        raise HaikuError(
            f"{path.name} needs OpenSlide to tell where its scanned part begins: install it with "
            'pip install "napari-haiku[wsi]".'
        ) from error
    try:
        with openslide.OpenSlide(path) as slide:
            x, y = (int(slide.properties.get(f"openslide.bounds-{axis}", 0)) for axis in "xy")
    except (openslide.OpenSlideError, OSError, ValueError) as error:
        raise HaikuError(
            f"{path.name} cannot be read by OpenSlide, so that QuPath's origin is not known: "
            "copy the image again."
        ) from error
    return x, y
