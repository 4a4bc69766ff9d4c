"""Pieces of tissue the truth is computed on: cells with the odds of everything they might be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.simulation.architecture import STEP_UM, Architecture, plan_tissue
from napari_haiku.simulation.cells import (
    Cells,
    lean_states,
    place_cells,
    settle_types,
    type_scores,
)
from napari_haiku.simulation.expression import PLACE, matrix_factor_under, place_factor
from napari_haiku.simulation.fields import Float, smooth_field
from napari_haiku.simulation.fluorescence import blurred, expected_brightness, matrix
from napari_haiku.simulation.niches_of_patches import majority
from napari_haiku.simulation.placement import find_places
from napari_haiku.simulation.randomness import Lots, stream
from napari_haiku.simulation.record import Patient, draw_patient
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    GLASS,
    MARKERS,
    NICHES,
    STATES,
    marker_index,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PATCH_UM = 100.0
FIELD_UM = (600.0, 600.0)
# Natural log of the factor on collagen IV at which its matrix was rendered.
MATRIX_FOLDS = np.linspace(-1.5, 1.5, 9)
# What H&E can show of a patch: visibly different cells, then what the plan shows.
VISIBLE: dict[str, tuple[str, ...]] = {
    "tumour cells": ("tumour epithelium",),
    "normal epithelial cells": ("normal epithelium",),
    "spindle cells": ("fibroblast", "nerve"),
    "myofibroblasts": ("myofibroblast",),
    "endothelial cells": ("endothelium",),
    "lymphocytes": ("CD8 T", "CD4 T", "Treg", "B"),
    "plasma cells": ("plasma",),
    "macrophages": ("macrophage M1", "macrophage M2", "dendritic"),
    "neutrophils": ("neutrophil",),
    "mast cells": ("mast",),
}
PLAN = ("epithelium", "lumen", "collagen", "vessel", "fat", "wall length")
APOPTOTIC, NUCLEAR_SIZE = "apoptotic cells", "tumour nuclear area"
SEEN = (*VISIBLE, APOPTOTIC, NUCLEAR_SIZE, *PLAN)


@dataclass(frozen=True)
class Tissue:
    """One field of tissue, patch by patch; cells outside every patch are left out.

    Parameters
    ----------
    patient : Patient
        Whose tissue.
    patch_niche : ndarray of int8, (patches,)
        Majority niche of each patch, -1 for glass.
    patch, niche : ndarray, (cells,)
        Patch and niche of each cell.
    score : ndarray of float32, (cells, types)
        Log odds of the types without any effect of the record.
    settled : ndarray of int, (cells,)
        Type where the place alone decides it, else -1.
    leaning : ndarray of float32, (cells, states)
        What the place adds to the log odds of the states.
    place : ndarray of float32, (cells, markers)
        Factor of the place on each marker.
    kind, states : ndarray
        What the cells became under the patient's own record.
    size : ndarray of float32, (cells,)
        Nuclear area in um2.
    plan : ndarray of float32, (patches, PLAN)
        What H&E shows of the plan.
    matrix : ndarray of float32, (patches, niches, MATRIX_FOLDS)
        Collagen IV of the matrix: part of the patch mean that stands in each niche.
    share : ndarray of float64, (niches,)
        Each niche's share of the tissue.
    """

    patient: Patient
    patch_niche: NDArray[np.int8]
    patch: NDArray[np.int16]
    niche: NDArray[np.uint8]
    score: Float
    settled: NDArray[np.int_]
    leaning: Float
    place: Float
    kind: NDArray[np.int16]
    states: NDArray[np.bool_]
    size: Float
    plan: Float
    matrix: Float
    share: NDArray[np.float64]


def make_tissue(
    seed: int,
    index: int,
    edits: Mapping[str, str] | None = None,
    field_um: tuple[float, float] = FIELD_UM,
) -> Tissue:
    """Make a patient's tissue with everything its cells might be.

    Parameters
    ----------
    seed, index : int
        Which patient.
    edits : mapping, optional
        Record fields to set.
    field_um : tuple of float
        Width and height in um.
    """
    patient = draw_patient(seed, index, edits=edits)
    plan = plan_tissue(patient, field_um)
    cells = place_cells(patient, plan, field_um)
    return tissue_of(patient, plan, cells, field_um)


def tissue_of(
    patient: Patient, plan: Architecture, cells: Cells, field_um: tuple[float, float]
) -> Tissue:
    """Read off a finished tissue everything its cells might have been."""
    lining = find_places(patient, plan, field_um).lining
    patch = patch_of(cells.x, cells.y, field_um)
    niches = majority(plan.niche, patch_boxes(field_um))
    kept = (patch >= 0) & (niches[np.maximum(patch, 0)] >= 0)
    rows = np.clip((cells.y / STEP_UM).astype(int), 0, plan.niche.shape[0] - 1)
    columns = np.clip((cells.x / STEP_UM).astype(int), 0, plan.niche.shape[1] - 1)
    lots = Lots(patient.seed, patient.index, cells.identity, cells.identities)
    nothing = np.zeros((len(NICHES), len(CELL_TYPES)))
    score = type_scores(patient, plan, cells.niche, rows, columns, nothing)
    settled = np.full(len(cells), -1)
    settle_types(plan, settled, rows, columns, lining, lots)
    leaning = np.zeros((len(cells), len(STATES)))
    lean_states(patient, plan, leaning, rows, columns)
    place = np.ones((len(cells), len(MARKERS)), np.float32)
    for marker, (spread, scale) in PLACE.items():
        factor = place_factor(patient, plan, marker, spread, scale)
        place[:, marker_index(marker)] = factor[rows, columns]
    return Tissue(
        patient=patient,
        patch_niche=niches,
        patch=patch[kept].astype(np.int16),
        niche=cells.niche[kept],
        score=score[kept].astype(np.float32),
        settled=settled[kept],
        leaning=leaning[kept].astype(np.float32),
        place=place[kept],
        kind=cells.kind[kept],
        states=cells.states[kept],
        size=(np.pi * cells.major * cells.minor)[kept],
        plan=_plan_shown(plan, field_um),
        matrix=_matrix(patient, plan, field_um),
        share=np.bincount(plan.niche[plan.niche != GLASS], minlength=len(NICHES))
        / max(1, int((plan.niche != GLASS).sum())),
    )


def patch_boxes(field_um: tuple[float, float]) -> NDArray[np.float64]:
    """Return x0, y0, x1, y1 of the patches of a field in um, row by row."""
    columns, rows = (int(side // PATCH_UM) for side in field_um)
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.column_stack((x, y, x + 1, y + 1)) * PATCH_UM


def patch_of(x: Float, y: Float, field_um: tuple[float, float]) -> NDArray[np.int_]:
    """Return the patch each place lies in, -1 outside all of them."""
    columns, rows = (int(side // PATCH_UM) for side in field_um)
    column, row = (x // PATCH_UM).astype(int), (y // PATCH_UM).astype(int)
    return np.where((column < columns) & (row < rows), row * columns + column, -1)


def patch_means(image: NDArray[np.generic], pixel_um: float) -> NDArray[np.float64]:
    """Average an image, (..., y, x), over the patches: (..., patches)."""
    side = round(PATCH_UM / pixel_um)
    rows, columns = (size // side for size in image.shape[-2:])
    part = image[..., : rows * side, : columns * side]
    blocks = part.reshape(*image.shape[:-2], rows, side, columns, side)
    return np.asarray(blocks.mean((-3, -1), dtype=float).reshape(*image.shape[:-2], -1))


def _plan_shown(plan: Architecture, field_um: tuple[float, float]) -> Float:
    wall = np.exp(-((plan.wall / 4) ** 2))
    maps = (
        plan.epithelium > 0,
        plan.lumen > 0,
        plan.collagen * ((plan.epithelium == 0) & (plan.niche != GLASS)),
        plan.vessel < 0,
        plan.fat > 0,
        wall,
    )
    shown = np.stack([patch_means(np.asarray(each, np.float32), STEP_UM) for each in maps], -1)
    return np.asarray(shown[: len(patch_boxes(field_um))], np.float32)


def _matrix(patient: Patient, plan: Architecture, field_um: tuple[float, float]) -> Float:
    shape = (round(field_um[1]), round(field_um[0]))
    # Fibres as grains: their direction does not matter for the mean of a patch.
    rng = stream(patient.seed, patient.index, "fibres of the truth")
    strength = matrix_factor_under(np.ones(len(NICHES)), patient, plan)
    light = blurred(matrix(plan, smooth_field(rng, shape, 1.0, 1.0), strength, shape))
    niche = plan.niche.repeat(2, 0).repeat(2, 1)
    result = np.zeros((len(patch_boxes(field_um)), len(NICHES), len(MATRIX_FOLDS)), np.float32)
    for number, fold in enumerate(MATRIX_FOLDS):
        bright = expected_brightness(light * np.float32(np.exp(fold)), "CollagenIV")
        for place in np.unique(plan.niche[plan.niche != GLASS]):
            result[:, place, number] = patch_means(bright * (niche == place), 1.0)
    return result
