"""What all charts of the reports are drawn with: colours, scales and pieces of SVG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.export.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

LESS, MORE, NEUTRAL, INK, FAINT = "#0B4FA0", "#B34700", "#F5F5F5", "#222222", "#8A8F98"


def svg(width: float, height: float, title: str) -> Element:
    """Begin a picture with a title that screen readers tell."""
    return element(
        "svg",
        element("title", title),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        font_family="system-ui, sans-serif",
        font_size=12,
        fill=INK,
    )


def write_at(text: str, x: float, y: float, **attributes: object) -> Element:
    """Write text at a place."""
    return element("text", text, x=float(x), y=float(y), **attributes)


def stroke(x0: float, y0: float, x1: float, y1: float, colour: str) -> Element:
    """Draw a line."""
    ends = {"x1": float(x0), "y1": float(y0), "x2": float(x1), "y2": float(y1)}
    return element("line", stroke=colour, stroke_width=1.5, **ends)


def shift_colour(value: float, limit: float) -> str:
    """Return the colour of a shift: blue for less, orange for more, pale at zero."""
    share = max(-1.0, min(1.0, value / limit))
    ends = [int(NEUTRAL[i : i + 2], 16) for i in (1, 3, 5)]
    target = [int((MORE if share > 0 else LESS)[i : i + 2], 16) for i in (1, 3, 5)]
    mixed = [round(a + (b - a) * abs(share)) for a, b in zip(ends, target, strict=True)]
    return "#" + "".join(f"{part:02X}" for part in mixed)


def limit_of(values: Sequence[float] | pd.Series) -> float:
    """Return the symmetric limit of a scale: the 98th percentile of the sizes, rounded up."""
    sizes = np.abs(np.asarray(values, float))
    sizes = sizes[np.isfinite(sizes)]
    return rounded_up(float(np.percentile(sizes, 98)) if sizes.size else 1.0)


def rounded_up(value: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def signed(value: float) -> str:
    """Write a number with its sign."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}") if value else "0"


def shortened(text: str, most: int = 26) -> str:
    """Cut a long name and say so by an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
