"""What of a marker goes with what H&E shows: regression within each niche."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.simulation.randomness import stream
from napari_haiku.simulation.record import GRADES, SMOKING, STAGES, TREATMENTS
from napari_haiku.simulation.truth_brightness import (
    CELL_LOOKS,
    Brightness,
    shift_of,
    shifts,
    state_chance,
    table_of,
    type_odds,
)
from napari_haiku.simulation.truth_curves import Curves, architecture_of
from napari_haiku.simulation.truth_response import FEATURES, GROUPS, matrix_at
from napari_haiku.simulation.truth_tissue import PATCH_UM, PLAN, Tissue
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    MARKERS,
    NICHES,
    STATES,
    marker_index,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.simulation.record import Patient

_LOOKS = len(CELL_LOOKS) + len(PLAN)
_COLLAGEN = marker_index("CollagenIV")


def drawn_patches(tissue: Tissue, patient: Patient, curves: Curves) -> NDArray[np.float64]:
    """Draw what a patient's cells become and return the patches' means, (patches, FEATURES).

    Parameters
    ----------
    tissue : Tissue
        The tissue; places and odds.
    patient : Patient
        Whose record and tone act on it.
    curves : Curves
        How bright cells are.
    """
    rng = stream(patient.seed, patient.index, "drawn for the truth", architecture_of(patient))
    rows = shifts(patient.covariates)
    result = np.zeros((len(tissue.patch_niche), len(FEATURES)))
    cells = len(MARKERS) + len(CELL_LOOKS)
    for niche in range(len(NICHES)):
        chosen = tissue.niche == niche
        shift = shift_of(rows[niche])
        result[:, _COLLAGEN] += matrix_at(np.moveaxis(tissue.matrix[:, niche], -1, 0), shift)
        if not chosen.any():
            continue
        area = curves.area[architecture_of(patient), :, niche]
        table = table_of([(tissue, chosen)], area)
        odds = type_odds(table, shift)
        kind = (rng.random((len(odds), 1)) > np.cumsum(odds, 1)[:, :-1]).sum(1)
        states = np.zeros((len(odds), len(STATES)), bool)
        luck = rng.random(states.shape)
        for state in range(len(STATES)):
            chance = np.zeros(len(odds))
            for each in np.unique(kind):
                mine = kind == each
                chance[mine] = state_chance(table, shift, state, int(each))[mine]
            states[:, state] = luck[:, state] < chance
        light = Brightness(table, curves).of(
            shift, np.eye(len(CELL_TYPES), dtype=np.float32)[kind], states
        )
        np.add.at(result[:, :cells], tissue.patch[chosen], light)
    result[:, [number for number in range(len(MARKERS)) if number != _COLLAGEN]] /= PATCH_UM**2
    result[:, -len(PLAN) :] = tissue.plan
    return result


def slopes_on_looks(
    tissues: list[Tissue], patients: list[Patient], curves: Curves
) -> NDArray[np.float64]:
    """Regress each marker on what H&E shows and on the record, within each niche.

    Parameters
    ----------
    tissues, patients : list
        Tissues and whose record acts on each.
    curves : Curves
        How bright cells are.

    Returns
    -------
    ndarray, (2, niches, looks, markers)
        Slope of each marker's patch mean on each look; fitted on the even
        groups of tissues, then on the odd ones.
    """
    rows, codes, niches, halves = [], [], [], []
    for tissue, patient in zip(tissues, patients, strict=True):
        known = tissue.patch_niche >= 0
        rows.append(drawn_patches(tissue, patient, curves)[known])
        niches.append(tissue.patch_niche[known])
        codes.append(np.tile(_record(patient), (int(known.sum()), 1)))
        halves.append(np.full(int(known.sum()), (patient.index % GROUPS) % 2))
    values, record = np.concatenate(rows), np.concatenate(codes)
    niche, half = np.concatenate(niches), np.concatenate(halves)
    looks, markers = values[:, -_LOOKS:], values[:, : len(MARKERS)]
    result = np.zeros((2, len(NICHES), _LOOKS, len(MARKERS)))
    for fold in range(2):
        for place in range(len(NICHES)):
            chosen = (niche == place) & (half == fold)
            if chosen.sum() < 3 * (_LOOKS + record.shape[1]):
                continue
            design = np.column_stack((looks[chosen], record[chosen], np.ones(chosen.sum())))
            scale = np.maximum(design.std(0), 1e-9)
            scale[-1] = 1
            # A breath of ridge: a look that hardly varies in a niche must not run away.
            gram = (design / scale).T @ (design / scale)
            gram[np.diag_indices(_LOOKS)] += 1e-3 * chosen.sum()
            fitted = np.linalg.lstsq(gram, (design / scale).T @ markers[chosen], rcond=1e-8)[0]
            varies = design.std(0)[:_LOOKS] > 1e-6
            result[fold, place] = (fitted / scale[:, None])[:_LOOKS] * varies[:, None]
    return result


def _record(patient: Patient) -> NDArray[np.float64]:
    clinical = patient.clinical
    levels = {"stage": STAGES, "grade": GRADES, "treatment": TREATMENTS, "smoking": SMOKING}
    dummies = [
        float(clinical[name] == level) for name, known in levels.items() for level in known[1:]
    ]
    dead = float(clinical["survival_status"] == "Deceased")
    months = np.log(float(clinical["survival_months"]) + 3)
    return np.array(
        [
            *dummies,
            float(patient.glandular),
            float(clinical["age"]) / 10,
            dead,
            months,
            dead * months,
        ]
    )
