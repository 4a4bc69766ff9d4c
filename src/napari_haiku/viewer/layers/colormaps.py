"""Colours that mean something: niches in a fixed order, shifts in a diverging map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from napari.utils.colormaps import Colormap, DirectLabelColormap
    from numpy.typing import NDArray

MARKER_COLORMAP = "viridis"
SHIFT_COLORMAP = "haiku shift"
BLEND_COLOURS: tuple[str, ...] = ("yellow", "cyan", "magenta")

# Tested against each other for protan, deutan and tritan sight over H&E; purple comes late
# because it is close to the stain itself.
_EIGHT = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#F0E442",
    "#56B4E9",
    "#D55E00",
    "#CC79A7",
    "#999999",
)
NICHE_COLOURS: tuple[str, ...] = _EIGHT + _EIGHT[:4]
FIRST_HATCHED_NICHE = len(_EIGHT) + 1

SHIFT_STOPS: tuple[tuple[float, str], ...] = (
    (-1.0, "#0B4FA0"),
    (-0.5, "#4F9BD9"),
    (0.0, "#F5F5F5"),
    (0.5, "#F0A04B"),
    (1.0, "#B34700"),
)
SHIFT_OPACITY = 0.85
_SHIFT_ALPHA_POWER = 0.75
_SHIFT_STEPS = 257


def rgb_of(colour: str) -> tuple[float, float, float]:
    """Red, green and blue in 0..1 of ``#RRGGBB``."""
    return (
        int(colour[1:3], 16) / 255.0,
        int(colour[3:5], 16) / 255.0,
        int(colour[5:7], 16) / 255.0,
    )


_SHIFT_RGB = tuple((stop, rgb_of(colour)) for stop, colour in SHIFT_STOPS)


def niche_colour(niche: int) -> str:
    """Colour of a niche as ``#RRGGBB``.

    Parameters
    ----------
    niche : int
        Number of the niche, from 1. Beyond 12 the colours begin again.
    """
    return NICHE_COLOURS[(niche - 1) % len(NICHE_COLOURS)]


def shift_colour(value: float) -> tuple[float, float, float, float]:
    """Colour of a relative shift, transparent at zero.

    Parameters
    ----------
    value : float
        Shift divided by the upper limit; clipped to -1..1.

    Returns
    -------
    tuple of float
        Red, green, blue, alpha in 0..1; alpha is ``|value| ** 0.75 * 0.85``.
    """
    clipped = min(1.0, max(-1.0, float(value)))
    # Tables of shifts ask this a thousand times a painting: plain numbers are quickest.
    upper = next(place for place, (stop, _) in enumerate(_SHIFT_RGB) if clipped <= stop)
    lower = max(upper - 1, 0)
    (low, under), (high, over) = _SHIFT_RGB[lower], _SHIFT_RGB[upper]
    share = (clipped - low) / (high - low) if high > low else 0.0
    red, green, blue = (one + share * (other - one) for one, other in zip(under, over, strict=True))
    return red, green, blue, abs(clipped) ** _SHIFT_ALPHA_POWER * SHIFT_OPACITY


def shift_colormap() -> Colormap:
    """Give the diverging map ``haiku shift``: blue is less, orange more, zero transparent."""
    from napari.utils.colormaps import Colormap

    values = np.linspace(-1.0, 1.0, _SHIFT_STEPS)
    colours = np.array([shift_colour(float(value)) for value in values], dtype=np.float32)
    return Colormap(colours, name=SHIFT_COLORMAP)


def niche_colormap(
    niches: Iterable[int],
    *,
    selected: Collection[int] = (),
    raised: float = 1.0,
    lowered: float = 1.0,
) -> DirectLabelColormap:
    """Give the colours of niches; 0 (no tissue) stays clear.

    Parameters
    ----------
    niches : iterable of int
        Niche numbers, from 1.
    selected : collection of int
        Niches to raise; empty: none is raised or lowered.
    raised, lowered : float
        Alpha of the selected and of the other niches.
    """
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[int | None, NDArray[np.float32]] = {
        None: np.zeros(4, dtype=np.float32),
        0: np.zeros(4, dtype=np.float32),
    }
    for niche in niches:
        alpha = 1.0 if not selected else raised if niche in selected else lowered
        colours[int(niche)] = np.array([*rgb_of(niche_colour(niche)), alpha], dtype=np.float32)
    return DirectLabelColormap(color_dict=colours)
