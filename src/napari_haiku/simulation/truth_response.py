"""Mean of a patch of each niche, for every record and tone that tissue can answer to."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_haiku.simulation.record import GRADES, SMOKING, STAGES, TREATMENTS
from napari_haiku.simulation.truth_brightness import (
    CELL_LOOKS,
    Brightness,
    Shift,
    shift_of,
    shifts,
    table_of,
)
from napari_haiku.simulation.truth_curves import ARCHITECTURES, Curves, architecture_of
from napari_haiku.simulation.truth_tissue import MATRIX_FOLDS, PATCH_UM, PLAN, Tissue
from napari_haiku.simulation.vocabulary import MARKERS, NICHES, marker_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_haiku.simulation.fields import Float

# Between these tones a polynomial through them is exact to a thousandth of the unit.
TONES = 2.7 * np.cos(np.pi * (np.arange(6) + 0.5) / 6)[::-1]
GROUPS = 10
FEATURES = (*MARKERS, *CELL_LOOKS, *PLAN)
STATES_OF_RECORD = tuple(
    product(range(len(STAGES)), range(len(TREATMENTS)), range(len(SMOKING)), range(len(TONES)))
)
_COLLAGEN = marker_index("CollagenIV")
_PLAN = len(NICHES)


@dataclass(frozen=True)
class Part:
    """What the cells of one niche add to the patches of every niche, one architecture.

    Parameters
    ----------
    total : ndarray, (distinct shifts, GROUPS, niches, FEATURES)
        Sum over the tissues of a group of the mean over their patches.
    which : ndarray of int, (STATES_OF_RECORD,)
        Distinct shift under each state of the record.
    ageing : ndarray, (GROUPS, niches, FEATURES)
        The same, for what ten years of age change.
    """

    total: NDArray[np.float64]
    which: NDArray[np.int_]
    ageing: NDArray[np.float64]


@dataclass(frozen=True)
class Response:
    """Everything needed for the mean of any patch under any record.

    Parameters
    ----------
    parts : tuple of tuple of Part
        By architecture, then by the niche that the cells stand in (last: the plan).
    tissues : ndarray, (ARCHITECTURES, GROUPS, niches)
        Tissues of each group that have patches of each niche.
    """

    parts: tuple[tuple[Part, ...], ...]
    tissues: NDArray[np.float64]

    def groups(
        self, weight: NDArray[np.float64], years: NDArray[np.float64], *, own: bool = False
    ) -> NDArray[np.float64]:
        """Return weighted sums of patch means, not yet divided by the tissues.

        Parameters
        ----------
        weight : ndarray, (ARCHITECTURES, STATES_OF_RECORD)
            Weight of every state of the record.
        years : ndarray, (ARCHITECTURES,)
            Weighted decades over 60.
        own : bool
            Only what the cells of a patch's own majority niche add.

        Returns
        -------
        ndarray, (ARCHITECTURES, GROUPS, niches, FEATURES)
        """
        count = self.parts[0][0].total.shape[1]
        total = np.zeros((ARCHITECTURES, count, len(NICHES), len(FEATURES)))
        for architecture, parts in enumerate(self.parts):
            for niche, part in enumerate(parts):
                amount = np.bincount(part.which, weight[architecture], minlength=len(part.total))
                added = np.tensordot(amount, part.total, 1) + years[architecture] * part.ageing
                if own:
                    added *= (np.arange(len(NICHES)) == niche)[:, None]
                total[architecture] += added
        return total

    def mean(
        self, groups: NDArray[np.float64], kept: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Return the weighted sum of patch means, (niches, FEATURES).

        Parameters
        ----------
        groups : ndarray
            From :meth:`groups`.
        kept : ndarray of bool, (GROUPS,), optional
            Groups of tissues to use; all of them when left out.
        """
        kept = np.ones(groups.shape[1], bool) if kept is None else kept
        count = np.maximum(self.tissues[:, kept].sum(1), 1)
        return np.asarray((groups[:, kept].sum(1) / count[..., None]).sum(0))

    def pooled(self) -> Response:
        """Return the same with all tissues in one group, quicker to ask."""
        parts = tuple(
            tuple(
                Part(
                    part.total.sum(1, keepdims=True), part.which, part.ageing.sum(0, keepdims=True)
                )
                for part in parts
            )
            for parts in self.parts
        )
        return Response(parts, self.tissues.sum(1, keepdims=True))


def tone_weights(tone: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much each of TONES counts at a tone; (..., TONES)."""
    tone = np.clip(tone, TONES[0], TONES[-1])[..., None]
    others = TONES[None, :] - TONES[:, None]
    np.fill_diagonal(others, 1)
    result = np.ones((*tone.shape[:-1], len(TONES)))
    for node in range(len(TONES)):
        for other in range(len(TONES)):
            if other != node:
                result[..., node] *= (tone[..., 0] - TONES[other]) / (TONES[node] - TONES[other])
    return result


def covariates_of(
    stage: int, grade: int, treatment: int, smoking: int, tone: float, decades: float = 0.0
) -> dict[tuple[str, str], float]:
    """Return the causes that a record and a tone stand for."""
    return {
        ("tone", "per unit"): tone,
        ("age", "per decade over 60"): decades,
        ("stage", STAGES[stage]): 1.0,
        ("grade", GRADES[grade]): 1.0,
        ("treatment", TREATMENTS[treatment]): 1.0,
        ("smoking", SMOKING[smoking]): 1.0,
    }


def measure_response(
    tissues: list[Tissue],
    curves: Curves,
    effect: float = 1.0,
    told: Callable[[int], None] | None = None,
) -> Response:
    """Compute what every record would make of these tissues.

    Parameters
    ----------
    tissues : list of Tissue
        Tissues of all architectures; `patient.index` decides the group.
    curves : Curves
        How bright cells are.
    effect : float
        Factor on every effect.
    told : callable, optional
        Called with the number of architectures done.
    """
    parts, counts = [], np.zeros((ARCHITECTURES, GROUPS, len(NICHES)))
    for architecture in range(ARCHITECTURES):
        mine = [tissue for tissue in tissues if architecture_of(tissue.patient) == architecture]
        for tissue in mine:
            present = np.bincount(tissue.patch_niche[tissue.patch_niche >= 0], minlength=8) > 0
            counts[architecture, tissue.patient.index % GROUPS] += present
        parts.append(tuple(_parts(mine, architecture, curves, effect)))
        if told:
            told(architecture + 1)
    return Response(tuple(parts), counts)


def _parts(tissues: list[Tissue], architecture: int, curves: Curves, effect: float) -> list[Part]:
    grade = architecture % 3
    rows = np.stack(
        [
            effect * shifts(covariates_of(stage, grade, treatment, smoking, TONES[node]))
            for stage, treatment, smoking, node in STATES_OF_RECORD
        ]
    )
    young = effect * shifts(covariates_of(1, grade, 0, 0, 0.0))
    old = effect * shifts(covariates_of(1, grade, 0, 0, 0.0, 1.0))
    parts = []
    for niche in range(len(NICHES)):
        distinct, which = np.unique(rows[:, niche].round(9), axis=0, return_inverse=True)
        chosen = [(tissue, tissue.niche == niche) for tissue in tissues]
        total = np.zeros((len(distinct), GROUPS, len(NICHES), len(FEATURES)))
        ageing = np.zeros(total.shape[1:])
        if tissues:
            light = Brightness(table_of(chosen, curves.area[architecture, :, niche]), curves)
            gather = gathering(chosen)
            matrix = _matrix(tissues, niche)
            for number, row in enumerate(distinct):
                total[number] = _patches(light, gather, matrix, shift_of(row))
            if np.any(old[niche] != young[niche]):
                ageing = _patches(light, gather, matrix, shift_of(old[niche])) - _patches(
                    light, gather, matrix, shift_of(young[niche])
                )
        parts.append(Part(total, which.ravel(), ageing))
    plan = np.zeros((1, GROUPS, len(NICHES), len(FEATURES)))
    for tissue in tissues:
        for niche in np.unique(tissue.patch_niche[tissue.patch_niche >= 0]):
            shown = tissue.plan[tissue.patch_niche == niche].mean(0)
            plan[0, tissue.patient.index % GROUPS, niche, -len(PLAN) :] += shown
    parts.append(Part(plan, np.zeros(len(STATES_OF_RECORD), int), np.zeros(plan.shape[1:])))
    return parts


def gathering(chosen: list[tuple[Tissue, NDArray[np.bool_]]]) -> sparse.csr_matrix:
    """Return the matrix from cells to sums over groups of tissues and niches of patches."""
    rows, weights = [], []
    for tissue, cells in chosen:
        patches = np.bincount(tissue.patch_niche[tissue.patch_niche >= 0], minlength=len(NICHES))
        niche = tissue.patch_niche[tissue.patch[cells]]
        rows.append((tissue.patient.index % GROUPS) * len(NICHES) + niche.astype(int))
        weights.append(1 / np.maximum(patches, 1)[niche])
    row, weight = np.concatenate(rows), np.concatenate(weights)
    shape = (GROUPS * len(NICHES), len(row))
    return sparse.csr_matrix((weight, (row, np.arange(len(row)))), shape=shape)


def _matrix(tissues: list[Tissue], niche: int) -> NDArray[np.float64]:
    """Collagen IV that stands in one niche, (MATRIX_FOLDS, GROUPS, niches of the patch)."""
    total = np.zeros((len(MATRIX_FOLDS), GROUPS, len(NICHES)))
    for tissue in tissues:
        for place in np.unique(tissue.patch_niche[tissue.patch_niche >= 0]):
            mean = tissue.matrix[tissue.patch_niche == place, niche].mean(0)
            total[:, tissue.patient.index % GROUPS, place] += mean
    return total


def _patches(
    light: Brightness, gather: sparse.csr_matrix, matrix: NDArray[np.float64], shift: Shift
) -> NDArray[np.float64]:
    result = np.zeros((GROUPS, len(NICHES), len(FEATURES)))
    sums = gather @ light.of(shift).astype(np.float64)
    cells = len(MARKERS) + len(CELL_LOOKS)
    result[..., :cells] = sums.reshape(GROUPS, len(NICHES), cells)
    result[..., : len(MARKERS)] /= PATCH_UM**2
    result[..., _COLLAGEN] = matrix_at(matrix, shift)
    return result


def matrix_at(matrix: Float | NDArray[np.float64], shift: Shift) -> NDArray[np.float64]:
    """Read the collagen IV of the matrix, folds first, at a shift's own factor."""
    step = MATRIX_FOLDS[1] - MATRIX_FOLDS[0]
    place = np.clip(
        (shift.marker[_COLLAGEN] - MATRIX_FOLDS[0]) / step, 0, len(MATRIX_FOLDS) - 1.001
    )
    low = int(place)
    return np.asarray(matrix[low] * (1 - (place - low)) + matrix[low + 1] * (place - low), float)
