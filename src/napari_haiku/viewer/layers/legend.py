"""What a legend says: title, colours, both ends and the unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_haiku.viewer.layers.colormaps import MARKER_COLORMAP, SHIFT_STOPS, rgb_of

EXPRESSION_UNIT = "mean stored intensity"
SHIFT_UNIT = "SD of the atlas"
STALE_SUFFIX = " (before the change)"
_VIRIDIS_STOPS = 9
_MOST_DECIMALS = 4

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Legend:
    """A colour bar in words and colours.

    Parameters
    ----------
    title : str
        What is shown, with its unit.
    stops : tuple of (position, colour)
        Positions rise from 0 to 1; colours are red, green, blue in 0..1.
    low, high : str
        Both ends.
    middle : str
        Text at the middle, empty for none.
    """

    title: str
    stops: tuple[tuple[float, Colour], ...]
    low: str
    high: str
    middle: str = ""


def number_text(value: float, *, signed: bool = False) -> str:
    """Write a number for reading: three figures, no exponent below a million.

    Parameters
    ----------
    value : float
        NaN becomes "no value".
    signed : bool
        Whether a plus sign is written.
    """
    if not math.isfinite(value):
        return "no value"
    size = abs(value)
    if size >= 1e6:
        text = f"{size:.2e}"
    elif size >= 100:
        text = f"{size:,.0f}"
    elif size >= 10:
        text = f"{size:.1f}"
    elif size >= 0.1 or size == 0:
        text = f"{size:.2f}" if signed or size < 1 else f"{size:.1f}"
    else:
        text = f"{size:.2g}"
    rounded_to_zero = not any(digit in text for digit in "123456789")
    if rounded_to_zero:
        return text
    # The minus sign proper is as wide as the plus, so that columns of numbers line up.
    return f"\N{MINUS SIGN}{text}" if value < 0 else f"+{text}" if signed else text


def shift_text(value: float, decimals: int = 2) -> str:
    """Write a shift in SD with its sign."""
    if not math.isfinite(value):
        return "no value"
    text = f"{abs(value):.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        return text
    return f"\N{MINUS SIGN}{text}" if value < 0 else f"+{text}"


def ends_text(limits: tuple[float, float]) -> tuple[str, str]:
    """Write both ends of a colour bar with as many decimals as their distance needs."""
    low, high = limits
    decimals = 2 - math.floor(math.log10(high - low)) if high > low else 2
    if not 0 <= decimals <= _MOST_DECIMALS:
        return number_text(low), number_text(high)
    low_text, high_text = (f"{value:,.{decimals}f}" for value in limits)
    return low_text.replace("-", "\N{MINUS SIGN}"), high_text.replace("-", "\N{MINUS SIGN}")


def limits_text(limits: tuple[float, float]) -> str:
    """Both ends of a colour bar: ``0.0 to 27.6``."""
    return " to ".join(ends_text(limits))


def marker_legend(marker: str, limits: tuple[float, float], *, stale: bool = False) -> Legend:
    """Legend of a marker map, in the atlas's units."""
    from napari.utils.colormaps import ensure_colormap

    positions = np.linspace(0, 1, _VIRIDIS_STOPS)
    colours = ensure_colormap(MARKER_COLORMAP).map(positions)
    return Legend(
        f"{marker}, {EXPRESSION_UNIT}{STALE_SUFFIX if stale else ''}",
        tuple(
            (float(position), (float(red), float(green), float(blue)))
            for position, (red, green, blue, _) in zip(positions, colours, strict=True)
        ),
        *ends_text(limits),
    )


def shift_legend(title: str, limit: float, *, stale: bool = False) -> Legend:
    """Legend of a symmetric map about zero."""
    return Legend(
        f"{title}{STALE_SUFFIX if stale else ''}",
        tuple(((position + 1) / 2, rgb_of(colour)) for position, colour in SHIFT_STOPS),
        number_text(-limit, signed=True),
        number_text(limit, signed=True),
        "0",
    )
