"""What a patch of the mIF image would show if only cell types and positions were known."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy import special

from napari_haiku.simulation.architecture import plan_tissue
from napari_haiku.simulation.cells import place_cells, state_odds
from napari_haiku.simulation.expression import (
    CELL_SPREAD,
    PATTERN,
    PLACE,
    STATE_MARKER,
    matrix_factor_under,
    type_means,
)
from napari_haiku.simulation.fluorescence import (
    SPILL,
    autofluorescence,
    autofluorescence_share,
    expected_brightness,
    signals,
    window,
)
from napari_haiku.simulation.geometry import draw_geometry
from napari_haiku.simulation.histology import fibre_texture
from napari_haiku.simulation.niches_of_patches import patient_of_slide
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.registration import misregister
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    MARKERS,
    NICHES,
    marker_index,
    state_index,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_haiku.simulation.difficulty import Difficulty
    from napari_haiku.simulation.fields import Float

# Spread of a state's log odds from place to place and, by its cause, from patient to patient.
_STATE_SPREAD = 1.25
# Standard normal at four equally likely places, each the mean of its quarter.
_QUARTERS = (-1.2711, -0.3247, 0.3247, 1.2711)
# Entries of the table that brightness is read from: right to 0.04 of 255.
_STEPS = 8192


def expected_patch_means(
    cohort_folder: Path, slide_id: str, boxes_um: ArrayLike
) -> NDArray[np.float32]:
    """Return the mean of every marker over each box, given cell types and positions alone.

    States, levels of markers and their dependence on patient and place are
    averaged over the population; the optics, the spill-over and the window of
    the export are those of the image.

    Parameters
    ----------
    cohort_folder : Path
        Folder of a simulated cohort.
    slide_id : str
        Slide of its manifest.
    boxes_um : array_like, (n, 4)
        x0, y0, x1, y1 of each box in um; whole um are taken.

    Returns
    -------
    ndarray of float32, (n, markers)
        In the image's units, columns in the order of vocabulary.MARKERS.

    Raises
    ------
    HaikuError
        The folder is no simulated cohort or has no such slide.
    """
    patient, field_um = patient_of_slide(cohort_folder, slide_id)
    summed = _summed(patient.seed, patient.index, field_um, patient.difficulty)
    boxes = np.rint(np.asarray(boxes_um, float).reshape(-1, 4)).astype(int)
    left, right = (np.clip(boxes[:, side], 0, summed.shape[2] - 1) for side in (0, 2))
    top, bottom = (np.clip(boxes[:, side], 0, summed.shape[1] - 1) for side in (1, 3))
    total = (
        summed[:, bottom, right]
        - summed[:, top, right]
        - summed[:, bottom, left]
        + summed[:, top, left]
    )
    area = np.maximum((right - left) * (bottom - top), 1)
    return np.asarray((total / area).T, np.float32)


@lru_cache(maxsize=2)
def _summed(
    seed: int, index: int, field_um: tuple[float, float], difficulty: Difficulty
) -> NDArray[np.float64]:
    """Return running sums of the expected image, so that any box is read at once."""
    image = expected_image(seed, index, field_um, difficulty)
    summed = np.zeros((len(image), image.shape[1] + 1, image.shape[2] + 1))
    np.cumsum(np.cumsum(image, 1, dtype=float), 2, out=summed[:, 1:, 1:])
    return summed


def expected_image(
    seed: int, index: int, field_um: tuple[float, float], difficulty: Difficulty
) -> Float:
    """Return the expected mIF image, (markers, y, x) at 1.0 um per pixel.

    Parameters
    ----------
    seed, index : int
        Which patient.
    field_um : tuple of float
        Width and height in um.
    difficulty : Difficulty
        Knobs of the cohort.
    """
    patient = draw_patient(seed, index, difficulty=difficulty)
    plan = plan_tissue(patient, field_um)
    shown = replace(patient, section=1) if difficulty.serial_section else patient
    cells = place_cells(shown, plan, field_um)
    geometry = draw_geometry(plan, cells, field_um)
    fibres = fibre_texture(patient, plan, geometry.owner.shape)
    glow = autofluorescence(plan, fibres, geometry.owner.shape)
    collagen = matrix_factor_under(np.ones(len(NICHES)), patient, plan, place=False)

    def lit(value: NDArray[np.float64]) -> Float:
        return signals(
            shown, plan, cells, geometry, fibres, value.astype(np.float32), collagen=collagen
        )

    without = type_means()[cells.kind]
    within, chance = without.copy(), np.zeros((len(CELL_TYPES), len(MARKERS)), np.float32)
    for state, (marker, extra) in STATE_MARKER.items():
        number = marker_index(marker)
        likely = _mean_chance(state_odds()[:, state_index(state)])
        chance[:, number] = likely
        within[:, number] += extra * (likely > 0)[cells.kind]
    dark, bright = lit(without), lit(within)
    usual = without + chance[cells.kind] * (within - without)
    spilt = _spilt(lit(usual))
    kind = cells.kind[geometry.owner] if len(cells) else np.zeros(geometry.owner.shape, int)
    result = np.empty_like(dark)
    for number, marker in enumerate(MARKERS):
        added = glow * np.float32(autofluorescence_share(marker))
        if marker in spilt:
            added = added + spilt[marker]
        result[number] = _averaged(dark[number], added, marker)
        if chance[:, number].any():
            active = _averaged(bright[number], added, marker)
            result[number] += chance[kind, number] * (active - result[number])
    # It moves pictures of any kind of number.
    return np.asarray(misregister(cast("Any", result), patient, 1.0), np.float32)


def _mean_chance(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the chance of a state over places."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    mean = special.expit(odds[:, None] + _STATE_SPREAD * nodes) @ (weights / weights.sum())
    return np.where(odds > -20, mean, 0.0)


def _spilt(light: Float) -> dict[str, Float]:
    total: dict[str, Float] = {}
    for source, target, share in SPILL:
        total[target] = total.get(target, np.float32(0)) + share * light[marker_index(source)]
    return total


def _averaged(light: Float, extra: Float, marker: str) -> Float:
    """Average the brightness over how much of the marker cells and places happen to carry."""
    place = PLACE[marker][0] if marker in PLACE else 0.0
    if marker == "DAPI":
        factors = np.ones(1)
    elif PATTERN[marker] == "matrix":
        factors = np.exp(place * np.array(_QUARTERS))
    else:
        spread = np.hypot(CELL_SPREAD, place)
        # Cells differ about their mean, places about their median.
        factors = np.exp(spread * np.array(_QUARTERS) - CELL_SPREAD**2 / 2)
    total = np.zeros_like(light)
    for factor in factors:
        total += _brightness(light * np.float32(factor) + extra, marker)
    return total / np.float32(len(factors))


def _brightness(light: Float, marker: str) -> Float:
    """Look the mean brightness up; working it out anew for every pixel took most of the time."""
    table, per_step = _brightness_table(marker)
    step = light * np.float32(1 / per_step) + np.float32(0.5)
    return np.asarray(table[np.clip(step, 0, _STEPS).astype(np.int32)], np.float32)


@lru_cache(maxsize=len(MARKERS))
def _brightness_table(marker: str) -> tuple[Float, float]:
    top = 1.5 * window(marker)[1] + 0.5
    return expected_brightness(np.linspace(0, top, _STEPS + 1, dtype=np.float32), marker), (
        top / _STEPS
    )
