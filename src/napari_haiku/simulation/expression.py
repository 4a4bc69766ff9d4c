"""How much of each marker each cell carries, and where in the cell it sits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.simulation.architecture import STEP_UM, Architecture
from napari_haiku.simulation.effects import log_folds
from napari_haiku.simulation.fields import Float, smooth_field
from napari_haiku.simulation.randomness import Lots, stream
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    MARKERS,
    marker_index,
    state_index,
    type_index,
)

if TYPE_CHECKING:
    from napari_haiku.simulation.cells import Cells
    from napari_haiku.simulation.record import Patient

# Part of the cell that carries the marker.
PATTERN: dict[str, str] = {
    "DAPI": "nucleus", "PanCK": "cytoplasm", "ECad": "membrane", "EpCAM": "membrane",
    "Ki67": "nucleus", "CD3e": "membrane", "CD4": "membrane", "CD8": "membrane",
    "FoxP3": "nucleus", "CD20": "membrane", "CD45": "membrane", "CD68": "granules",
    "CD163": "cytoplasm", "CD31": "membrane", "aSMA": "cytoplasm", "Vimentin": "cytoplasm",
    "CollagenIV": "matrix", "HLA-DR": "membrane", "PDL1": "membrane", "PD1": "membrane",
    "GranzymeB": "granules", "CD11c": "membrane", "MPO": "granules", "Podoplanin": "membrane",
}  # fmt: skip

_LYMPHOID = ("CD8 T", "CD4 T", "Treg", "B")
_MYELOID = ("macrophage M1", "macrophage M2", "neutrophil", "dendritic", "mast")

# Mean expression by type, 1 being a clearly positive cell.
_MEAN: dict[str, dict[str, float]] = {
    "DAPI": dict.fromkeys(CELL_TYPES, 1.0)
    | {"tumour epithelium": 0.9, "normal epithelium": 0.9}
    | dict.fromkeys(("CD8 T", "CD4 T", "Treg", "B"), 1.12),
    "PanCK": {"tumour epithelium": 0.85, "normal epithelium": 0.8},
    "ECad": {"tumour epithelium": 0.8, "normal epithelium": 0.95},
    "EpCAM": {"tumour epithelium": 0.85, "normal epithelium": 0.6},
    "CD3e": {"CD8 T": 0.9, "CD4 T": 0.85, "Treg": 0.85},
    "CD4": {"CD4 T": 0.85, "Treg": 0.8, "macrophage M1": 0.15, "macrophage M2": 0.2},
    "CD8": {"CD8 T": 0.95},
    "FoxP3": {"Treg": 0.85},
    "CD20": {"B": 0.9},
    "CD45": {
        **dict.fromkeys(_LYMPHOID, 0.9), **dict.fromkeys(_MYELOID, 0.75), "plasma": 0.6,
    },
    "CD68": {"macrophage M1": 0.9, "macrophage M2": 0.8, "dendritic": 0.15, "neutrophil": 0.1},
    "CD163": {"macrophage M2": 0.95, "macrophage M1": 0.1},
    "CD31": {"endothelium": 0.95, "macrophage M2": 0.06},
    "aSMA": {"myofibroblast": 0.95, "fibroblast": 0.08},
    "Vimentin": {
        "fibroblast": 0.8, "myofibroblast": 0.7, "endothelium": 0.6,
        **dict.fromkeys(_LYMPHOID, 0.4), **dict.fromkeys(_MYELOID, 0.5), "nerve": 0.6,
        "tumour epithelium": 0.06,
    },
    "CollagenIV": {"endothelium": 0.3, "myofibroblast": 0.1},
    "HLA-DR": {},
    "PDL1": {
        **dict.fromkeys(CELL_TYPES, 0.22), "macrophage M1": 0.4, "dendritic": 0.45,
    },
    "PD1": {"CD8 T": 0.08, "CD4 T": 0.1},
    "GranzymeB": {"CD8 T": 0.05, "mast": 0.1},
    "CD11c": {"dendritic": 0.95, "macrophage M1": 0.25},
    "MPO": {"neutrophil": 0.95, "macrophage M1": 0.04},
    "Podoplanin": {"fibroblast": 0.35, "endothelium": 0.25, "tumour epithelium": 0.05},
    "Ki67": {},
}  # fmt: skip

STATE_MARKER: dict[str, tuple[str, float]] = {
    "proliferating": ("Ki67", 0.9),
    "cytotoxic": ("GranzymeB", 0.9),
    "exhausted": ("PD1", 0.8),
    "antigen presenting": ("HLA-DR", 0.85),
}

# Spread of the natural log: from cell to cell, and from place to place with its scale in um.
CELL_SPREAD = 0.35
PLACE: dict[str, tuple[float, float]] = {
    "PDL1": (1.5, 40), "Podoplanin": (1.2, 45), "EpCAM": (0.45, 60), "PanCK": (0.5, 55),
    "ECad": (0.45, 60), "HLA-DR": (0.8, 50), "CollagenIV": (0.3, 50), "Vimentin": (0.35, 50),
    "CD45": (0.35, 55),
}  # fmt: skip


def express(patient: Patient, plan: Architecture, cells: Cells) -> Float:
    """Draw every cell's expression of every marker.

    Parameters
    ----------
    patient : Patient
        Whose cells.
    plan : Architecture
        Where they are.
    cells : Cells
        The cells.

    Returns
    -------
    ndarray, (cells, markers)
        Expression, 1 being a clearly positive cell.
    """
    mean = type_means()
    value = mean[cells.kind]
    for state, (marker, extra) in STATE_MARKER.items():
        value[:, marker_index(marker)] += extra * cells.states[:, state_index(state)]
    value *= np.exp(log_folds(patient.covariates, "marker"))[cells.niche]
    rows, columns = _grid_places(plan, cells)
    lots = Lots(patient.seed, patient.index, cells.identity, cells.identities)
    luck = lots.normal("expression", len(MARKERS))
    value *= np.exp(CELL_SPREAD * luck - CELL_SPREAD**2 / 2)
    for marker, (spread, scale) in PLACE.items():
        value[:, marker_index(marker)] *= place_factor(patient, plan, marker, spread, scale)[
            rows, columns
        ]
    dark = cells.shade ** np.float32(0.6)
    bright = mean[cells.kind, marker_index("DAPI")] * dark
    value[:, marker_index("DAPI")] = bright * np.exp(0.12 * luck[:, marker_index("DAPI")])
    return np.asarray(value, np.float32)


def type_means() -> np.ndarray:
    """Return the mean expression of a cell in none of the states, (types, markers)."""
    mean = np.zeros((len(CELL_TYPES), len(MARKERS)))
    for marker, types in _MEAN.items():
        for name, amount in types.items():
            mean[type_index(name), marker_index(marker)] = amount
    return mean


def place_factor(
    patient: Patient, plan: Architecture, marker: str, spread: float, scale_um: float
) -> Float:
    """Return how much more of a marker there is at each place, median 1; (rows, columns)."""
    rng = stream(patient.seed, patient.index, "marker field", marker_index(marker))
    field = smooth_field(rng, plan.niche.shape, STEP_UM, scale_um)
    return np.asarray(np.exp(spread * field), np.float32)


def matrix_factor(patient: Patient, plan: Architecture) -> Float:
    """Return the strength of collagen IV in the matrix at each place; (rows, columns)."""
    shift = np.exp(log_folds(patient.covariates, "marker")[:, marker_index("CollagenIV")])
    return matrix_factor_under(shift, patient, plan)


def matrix_factor_under(
    shift: np.ndarray, patient: Patient, plan: Architecture, *, place: bool = True
) -> Float:
    """Return the same under a factor of each niche, (niches,), in place of the patient's own."""
    known = np.minimum(plan.niche, len(shift) - 1)
    if not place:
        return shift[known].astype(np.float32)
    spread, scale = PLACE["CollagenIV"]
    factor = place_factor(patient, plan, "CollagenIV", spread, scale)
    return (factor * shift[known]).astype(np.float32)


def _grid_places(plan: Architecture, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    rows = np.clip((cells.y / STEP_UM).astype(int), 0, plan.niche.shape[0] - 1)
    columns = np.clip((cells.x / STEP_UM).astype(int), 0, plan.niche.shape[1] - 1)
    return rows, columns
