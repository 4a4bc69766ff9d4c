"""How bright a cell that carries so much of a marker makes the picture: measured on renderings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.simulation.architecture import plan_tissue
from napari_haiku.simulation.cells import place_cells
from napari_haiku.simulation.difficulty import STANDARD, Difficulty
from napari_haiku.simulation.expression import CELL_SPREAD, PATTERN, express
from napari_haiku.simulation.fluorescence import render_mif, window
from napari_haiku.simulation.geometry import draw_geometry
from napari_haiku.simulation.histology import fibre_texture
from napari_haiku.simulation.niches_of_patches import majority
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.truth_tissue import FIELD_UM, patch_boxes, patch_means
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    GLASS,
    MARKERS,
    NICHES,
    marker_index,
    type_index,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_haiku.simulation.fields import Float
    from napari_haiku.simulation.record import Patient

# Cells of like shape share a curve.
_SHAPES: tuple[tuple[str, ...], ...] = (
    ("tumour epithelium",),
    ("normal epithelium",),
    ("fibroblast", "myofibroblast", "endothelium", "nerve"),
    ("CD8 T", "CD4 T", "Treg", "B"),
    ("plasma", "macrophage M1", "macrophage M2", "neutrophil", "dendritic", "mast"),
)
SHAPE = np.zeros(len(CELL_TYPES), int)
for _number, _types in enumerate(_SHAPES):
    SHAPE[[type_index(name) for name in _types]] = _number
PARTS = ("nucleus", "membrane", "cell")
_PART_OF = {
    "nucleus": "nucleus", "membrane": "membrane", "cytoplasm": "cell", "granules": "cell",
    "matrix": "cell",
}  # fmt: skip
PART = np.array([PARTS.index(_PART_OF[PATTERN[marker]]) for marker in MARKERS])
# Natural log of the expression at which the curves are known.
LEVELS = np.linspace(np.log(0.004), np.log(14.0), 123)
_EDGES = np.linspace(LEVELS[0], LEVELS[-1], 42)
_FEWEST = 30
ARCHITECTURES = 6


def architecture_of(patient: Patient) -> int:
    """Return which of the six ways of growing: grade 1 to 3 as glands, then as nests."""
    return int(patient.clinical["grade"][1]) - 1 + (0 if patient.glandular else 3)


@dataclass(frozen=True)
class Curves:
    """What cells look like under the fluorescence microscope, on average.

    Parameters
    ----------
    area : ndarray of float32, (architectures, types, niches, PARTS)
        Mean pixels (1 um2) of each part of a cell.
    bright : ndarray of float32, (markers, shapes, LEVELS)
        Mean brightness of the marker's part of a cell by its mean expression,
        cells of one type differing from one another as they do; in the
        image's units, above what a cell without the marker shows.
    unit : ndarray of float64, (markers,)
        Standard deviation of the patch mean over all tissue patches.
    """

    area: Float
    bright: Float
    unit: NDArray[np.float64]


@dataclass
class _Tally:
    pixels: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros(
            (ARCHITECTURES, len(CELL_TYPES), len(NICHES), len(PARTS) + 1)
        )
    )
    light: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((len(MARKERS), len(_SHAPES), len(_EDGES) + 2, 3))
    )
    patches: list[NDArray[np.float64]] = field(default_factory=list)


def measure_curves(
    seed: int,
    patients: Iterable[int],
    difficulty: Difficulty = STANDARD,
    field_um: tuple[float, float] = FIELD_UM,
) -> Curves:
    """Render some patients and measure how bright their cells are.

    Parameters
    ----------
    seed : int
        Seed of these patients; no cohort's.
    patients : iterable of int
        Which of them.
    difficulty : Difficulty
        Knobs of the renderings.
    field_um : tuple of float
        Width and height of each in um.
    """
    tally = _Tally()
    for index in patients:
        _measure(tally, draw_patient(seed, index, difficulty=difficulty), field_um)
    counts = tally.pixels[..., -1:]
    pooled = tally.pixels.sum(2, keepdims=True)
    anywhere = pooled.sum(0, keepdims=True)
    area = np.where(
        counts >= _FEWEST,
        tally.pixels[..., :-1] / np.maximum(counts, 1),
        np.where(
            pooled[..., -1:] >= _FEWEST,
            pooled[..., :-1] / np.maximum(pooled[..., -1:], 1),
            anywhere[..., :-1] / np.maximum(anywhere[..., -1:], 1),
        ),
    )
    patches = np.concatenate(tally.patches)
    return Curves(area.astype(np.float32), _curves(tally.light), patches.std(0))


def _measure(tally: _Tally, patient: Patient, field_um: tuple[float, float]) -> None:
    plan = plan_tissue(patient, field_um)
    cells = place_cells(patient, plan, field_um)
    geometry = draw_geometry(plan, cells, field_um)
    fibres = fibre_texture(patient, plan, geometry.owner.shape)
    value = express(patient, plan, cells)
    picture = render_mif(patient, plan, cells, geometry, fibres)
    tissue = majority(plan.niche, patch_boxes(field_um)) >= 0
    tally.patches.append(patch_means(picture, 1.0)[:, tissue].T)
    if not len(cells):
        return
    owner = geometry.owner.ravel()
    glass = (plan.niche == GLASS).repeat(2, 0).repeat(2, 1).ravel()
    parts = (
        geometry.inner.ravel(),
        geometry.shell.ravel(),
        geometry.body.ravel() | geometry.inner.ravel(),
    )
    owned = np.bincount(owner[~glass], minlength=len(cells))
    areas = np.stack(
        [np.bincount(owner[part], minlength=len(cells)) for part in parts]
        + [np.ones(len(cells), int)],
        -1,
    )
    np.add.at(tally.pixels[architecture_of(patient)], (cells.kind, cells.niche), areas)
    shape = SHAPE[cells.kind]
    for number in range(len(MARKERS)):
        light = picture[number].ravel()
        total = np.bincount(owner[~glass], light[~glass], minlength=len(cells))
        level = np.log(np.maximum(value[:, number], 1e-9))
        place = np.where(value[:, number] > 0, np.searchsorted(_EDGES, level), -1)
        rows = np.column_stack((total, areas[:, PART[number]], owned))
        np.add.at(tally.light[number], (shape, place), rows)


def _curves(light: NDArray[np.float64]) -> Float:
    bright = np.zeros((len(MARKERS), len(_SHAPES), len(LEVELS)), np.float32)
    keys = [(PATTERN[marker], window(marker)) for marker in MARKERS]
    dark = light[:, :, -1].sum(1)
    base = dark[:, 0] / np.maximum(dark[:, 2], 1)
    base[marker_index("DAPI")] = 0
    above = light[:, :, :-1].copy()
    above[..., 0] -= base[:, None, None] * above[..., 2]
    for number, key in enumerate(keys):
        alike = [other for other, found in enumerate(keys) if found == key]
        for shape in range(len(_SHAPES)):
            sums = above[alike, shape].sum(0)
            if sums[:, 1].sum() < 1000:
                sums = above[alike].sum((0, 1))
            bright[number, shape] = _smoothed(sums, CELL_SPREAD if number else 0.16)
    return bright


def _smoothed(sums: NDArray[np.float64], spread: float) -> Float:
    """Turn sums by level into a rising curve, averaged over cells of one mean expression."""
    from sklearn.isotonic import IsotonicRegression

    middle = np.r_[_EDGES[0], (_EDGES[1:] + _EDGES[:-1]) / 2, _EDGES[-1]]
    known = sums[:, 1] > 50
    if known.sum() < 2:
        return np.zeros(len(LEVELS), np.float32)
    fitted = IsotonicRegression(y_min=0).fit(
        middle[known], (sums[known, 0] / sums[known, 1]), sums[known, 1]
    )
    # Beyond what was seen the curve stays as steep as its last known part.
    low, high = middle[known][0], middle[known][-1]
    nodes = np.array((-1.7321, 0.0, 1.7321))
    weights = np.array((1, 4, 1)) / 6
    result = np.zeros(len(LEVELS))
    x, y = fitted.X_thresholds_, fitted.y_thresholds_
    top = float(y[-1])
    for node, weight in zip(nodes, weights, strict=True):
        at = LEVELS + spread * node - spread**2 / 2
        value = np.interp(np.clip(at, low, high), x, y)
        beyond = np.minimum(top * np.exp(np.clip(at - high, 0, None)), 255.0)
        result += weight * np.where(at > high, np.maximum(beyond, top), value)
    dim = np.minimum(LEVELS - low, 0)
    result *= np.exp(dim)
    return result.astype(np.float32)
