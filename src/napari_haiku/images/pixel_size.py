"""Pixel sizes as files state them: units, plausibility, contradictions."""

from __future__ import annotations

import math

from napari_haiku.errors import HaikuError

SMALLEST_UM, LARGEST_UM = 0.01, 100.0

_UM_PER_UNIT = {
    "pm": 1e-6,
    "picometer": 1e-6,
    "å": 1e-4,
    "a": 1e-4,
    "angstrom": 1e-4,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "in": 25400.0,
    "inch": 25400.0,
    "m": 1e6,
    "meter": 1e6,
}


class ContradictoryPixelSizeError(HaikuError):
    """A file states two pixel sizes.

    Parameters
    ----------
    sentence : str
        What the user reads on the command line.
    name : str
        Name of the file.
    sizes_um : tuple of float
        The sizes stated.
    """

    def __init__(self, sentence: str, name: str, sizes_um: tuple[float, float]) -> None:
        super().__init__(sentence)
        self.name = name
        self.sizes_um = sizes_um


def um_per_unit(unit: str) -> float | None:
    """Return how many um one `unit` is, or None for a unit that is no length ("pixel")."""
    text = unit.strip().replace("\\u00b5", "u").replace("\\u00B5", "u")
    text = text.replace("\u00b5", "u").replace("\u03bc", "u").casefold()
    if text.endswith("metre"):
        text = text.removesuffix("metre") + "meter"
    return _UM_PER_UNIT.get(text) or _UM_PER_UNIT.get(text.removesuffix("s"))


def checked_pixel_size(size_um: float, name: str) -> float:
    """Return a pixel size in um that can be true of microscopy.

    Raises
    ------
    HaikuError
        Not a number, not positive, below 0.01 um or above 100 um.
    """
    if not math.isfinite(size_um) or not SMALLEST_UM <= size_um <= LARGEST_UM:
        raise HaikuError(
            f"A pixel size of {size_um:g} um for {name} cannot be right: "
            f"give one between {SMALLEST_UM:g} and {LARGEST_UM:g} um with --pixel-size."
        )
    return float(size_um)


def square_pixel_size(x_um: float, y_um: float, name: str) -> float:
    """Return the one side of pixels that are as wide as high.

    Raises
    ------
    HaikuError
        The sides differ by more than 1 %, or cannot be right.
    """
    if math.isfinite(x_um) and math.isfinite(y_um) and x_um > 0 and y_um > 0:
        if abs(x_um - y_um) > 0.01 * max(x_um, y_um):
            raise ContradictoryPixelSizeError(
                f"{name} contradicts itself about its pixel size, {x_um:g} um across and {y_um:g} "
                "um down: give the right one in um with --pixel-size.",
                name,
                (x_um, y_um),
            )
        return checked_pixel_size(x_um, name)
    return checked_pixel_size(min(x_um, y_um) if math.isfinite(min(x_um, y_um)) else math.nan, name)


def agreed_pixel_size(metadata_um: float | None, tags_um: float | None, name: str) -> float | None:
    """Return the pixel size on which a file's metadata and its resolution tags agree.

    Raises
    ------
    HaikuError
        Both are given and differ by more than 5 %.
    """
    if metadata_um is None or tags_um is None:
        return tags_um if metadata_um is None else metadata_um
    if abs(metadata_um - tags_um) > 0.05 * max(metadata_um, tags_um):
        raise ContradictoryPixelSizeError(
            f"{name} contradicts itself about its pixel size, {metadata_um:g} um in its metadata "
            f"and {tags_um:g} um in its resolution tags: give the right one in um with "
            "--pixel-size.",
            name,
            (metadata_um, tags_um),
        )
    return metadata_um


def size_from_resolution(pixels_per_unit: float, um_in_unit: float) -> float | None:
    """Turn a resolution tag into um, or None where it is a printing habit rather than optics.

    72, 96 or 300 dots per inch say how a page is printed. Whole dots per inch
    up to 2400 are taken as such a habit, in inches or centimetres alike.
    """
    if not math.isfinite(pixels_per_unit) or pixels_per_unit <= 0:
        return None
    size = um_in_unit / pixels_per_unit
    dots_per_inch = 25400.0 / size
    habit = dots_per_inch <= 2401 and min(dots_per_inch % 10, -dots_per_inch % 10) < 0.5
    dots_per_cm = dots_per_inch / 2.54
    habit = habit or dots_per_cm <= 40
    return None if habit or not SMALLEST_UM <= size <= LARGEST_UM else size
