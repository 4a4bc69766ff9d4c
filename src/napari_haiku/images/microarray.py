"""The cores of a tissue microarray: found on the image, or read from a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_haiku.errors import HaikuError
from napari_haiku.images.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.images.tissue import TissueMask

# What punches leave: the usual needles are 0.6 to 2 mm wide.
SMALLEST_UM, LARGEST_UM = 300.0, 3000.0
MOST_CORES = 1000
# Torn cores keep this share of their disc; two that touch have more than one.
_LEAST_FILLED, _MOST_FILLED = 0.25, 1.3


@dataclass(frozen=True)
class Core:
    """One core.

    Parameters
    ----------
    name : str
        Row letter and column number ("B3"), or the table's name.
    x_um, y_um : float
        Its centre in the physical frame, um.
    diameter_um : float
        Width of the square that holds it.
    patient_id : str
        Whose tissue it is; empty where the table does not say.
    record : tuple
        (field, value) of the table's other columns, in their order.
    """

    name: str
    x_um: float
    y_um: float
    diameter_um: float
    patient_id: str = ""
    record: tuple[tuple[str, str], ...] = ()

    @property
    def box_um(self) -> tuple[float, float, float, float]:
        """The square (x0, y0, x1, y1) around it, um."""
        half = self.diameter_um / 2
        return self.x_um - half, self.y_um - half, self.x_um + half, self.y_um + half


def find_cores(
    image: SlideImage, *, diameter_um: float | None = None, mask: TissueMask | None = None
) -> tuple[Core, ...]:
    """Find the cores on an image and name them by row and column.

    Parameters
    ----------
    image : SlideImage
        The array, H&E or mIF, its pixel size known.
    diameter_um : float, optional
        Width of a core; the median of the round pieces when left out.
    mask : TissueMask, optional
        Where tissue is; found when left out.

    Returns
    -------
    tuple of Core
        Row by row.

    Raises
    ------
    HaikuError
        Nothing on the image looks like an array.
    """
    if diameter_um is not None and not SMALLEST_UM <= diameter_um <= LARGEST_UM:
        raise HaikuError(
            f"A core of {diameter_um:g} um is not possible: give {SMALLEST_UM:g} to "
            f"{LARGEST_UM:g} um."
        )
    found = tissue_mask(image) if mask is None else mask
    size = found.pixel_size_um
    # Cracks inside a core are narrower than the glass between two.
    closed = ndimage.binary_closing(
        np.pad(found.mask, 8), iterations=max(1, min(8, round(40 / size)))
    )[8:-8, 8:-8]
    labels, count = ndimage.label(ndimage.binary_fill_holes(closed))
    pieces = [(i, box) for i, box in enumerate(ndimage.find_objects(labels), 1) if box is not None][
        : 100 * MOST_CORES
    ]
    widths = np.array([max(s.stop - s.start for s in box) * size for _, box in pieces])
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:] * size**2
    filled = areas / (np.pi / 4 * np.maximum(widths, 1e-9) ** 2) if count else areas
    likely = (widths >= SMALLEST_UM) & (widths <= LARGEST_UM) & (filled > 0.6)
    if diameter_um is None:
        if not likely.any():
            raise _no_cores(image.name)
        diameter_um = float(np.median(widths[likely]))
    share = areas / (np.pi / 4 * diameter_um**2)
    fits = (share >= _LEAST_FILLED) & (share <= _MOST_FILLED) & (widths <= 1.5 * diameter_um)
    chosen = [i for i, good in enumerate(fits) if good]
    if not chosen or len(chosen) > MOST_CORES:
        raise _no_cores(image.name)
    centres = np.array([[(s.start + s.stop) / 2 * size for s in pieces[i][1]] for i in chosen])[
        :, ::-1
    ] + np.asarray(image.origin_um if mask is None else found.origin_um)
    names = _grid_names(centres, diameter_um)
    side = diameter_um * 1.1
    cores = [
        Core(name, float(x), float(y), side) for name, (x, y) in zip(names, centres, strict=True)
    ]
    return tuple(sorted(cores, key=lambda core: _order(core.name)))


def _no_cores(name: str) -> HaikuError:
    return HaikuError(
        f"No cores were found on {name}: give their diameter, or a table with their positions."
    )


def _order(name: str) -> tuple[int, str, int]:
    letters = name.rstrip("0123456789")
    return len(letters), letters, int(name[len(letters) :])


def _grid_names(centres: NDArray[np.float64], diameter_um: float) -> list[str]:
    """Name cores by lines of their y and of their x; rows from A, columns from 1."""
    columns, rows = (_lines(centres[:, axis], diameter_um) for axis in (0, 1))
    names: list[str] = []
    for row, column in zip(rows, columns, strict=True):
        # Two pieces in one place are one torn core; both keep a name of their own.
        name = f"{_letters(row)}{column + 1}"
        while name in names:
            column += 1000
            name = f"{_letters(row)}{column + 1}"
        names.append(name)
    return names


def _lines(places: NDArray[np.float64], diameter_um: float) -> list[int]:
    """Tell on which line each place lies; a gap of over half a core begins another one."""
    order = np.argsort(places, kind="stable")
    steps = np.diff(places[order]) > 0.5 * diameter_um
    lines = np.empty(len(places), int)
    lines[order] = np.concatenate([[0], np.cumsum(steps)])
    return [int(line) for line in lines]


def _letters(row: int) -> str:
    return chr(65 + row) if row < 26 else _letters(row // 26 - 1) + chr(65 + row % 26)


def read_cores(path: Path, *, diameter_um: float | None = None) -> tuple[Core, ...]:
    """Read cores from a table.

    Parameters
    ----------
    path : Path
        CSV with ``core``, ``x_um``, ``y_um``; optionally ``diameter_um`` and
        ``patient_id``. Every other column is a clinical field.
    diameter_um : float, optional
        For a table without that column.

    Raises
    ------
    HaikuError
        The table cannot be read, lacks a column, repeats a core or has a
        position that is no number.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise HaikuError(f"{path.name} cannot be read as a table of cores: check it.") from error
    for column in ("core", "x_um", "y_um"):
        if column not in table:
            raise HaikuError(f"{path.name} has no column {column}: cores need core, x_um, y_um.")
    if "diameter_um" not in table:
        if diameter_um is None:
            raise HaikuError(f"{path.name} has no column diameter_um: add it, or give a diameter.")
        table["diameter_um"] = str(diameter_um)
    numbers = table[["x_um", "y_um", "diameter_um"]].apply(pd.to_numeric, errors="coerce")
    values = numbers.to_numpy(float)
    if not len(table) or not np.isfinite(values).all() or (values[:, 2] <= 0).any():
        raise HaikuError(f"{path.name} has a core whose position or diameter is no number.")
    if table["core"].duplicated().any():
        raise HaikuError(f"{path.name} names a core twice: give every core its own name.")
    own = {"core", "x_um", "y_um", "diameter_um", "patient_id"}
    fields = [str(column) for column in table if column not in own]
    return tuple(
        Core(
            name=row["core"],
            x_um=float(x),
            y_um=float(y),
            diameter_um=float(width),
            patient_id=row.get("patient_id", ""),
            record=tuple((field, row[field]) for field in fields),
        )
        for row, (x, y, width) in zip(table.to_dict("records"), values, strict=True)
    )


def one_patient_each(cores: Sequence[Core]) -> tuple[Core, ...]:
    """Give every core without a patient one of its own, so that no split ever mixes cores."""
    return tuple(
        core if core.patient_id else replace(core, patient_id=f"core-{core.name}") for core in cores
    )
