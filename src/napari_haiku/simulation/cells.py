"""The cells: what they are, how large their nuclei are, what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from napari_haiku.simulation.architecture import DEBRIS, STEP_UM, Architecture
from napari_haiku.simulation.census import (
    EPITHELIAL,
    INTRAEPITHELIAL,
    LEANINGS,
    MIX,
    NUCLEUS,
    STATE_ODDS,
)
from napari_haiku.simulation.effects import log_folds
from napari_haiku.simulation.fields import Float, smooth_field
from napari_haiku.simulation.placement import crowding_field, find_places
from napari_haiku.simulation.randomness import Lots, stream
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    NICHES,
    STATES,
    niche_index,
    state_index,
    type_index,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.simulation.record import Patient


@dataclass(frozen=True)
class Cells:
    """All cells of one field as columns of equal length (n,).

    Parameters
    ----------
    x, y : ndarray of float32
        Centre of the nucleus in um.
    kind : ndarray of int16
        Index into CELL_TYPES.
    niche : ndarray of uint8
        Index into NICHES.
    major, minor, angle : ndarray of float32
        Nuclear semi-axes in um and direction of the long one in radians.
    shade : ndarray of float32
        How dark the nucleus stains, mean 1.
    phase : ndarray of float32
        Angle of the nuclear outline's irregularity.
    states : ndarray of bool, (n, states)
        Which states the cell is in.
    goblet : ndarray of bool
        Epithelium with a mucin vacuole.
    identity : ndarray of int64
        The cell's own number, the same whatever other cells there are.
    identities : int
        Upper limit of these numbers.
    """

    x: Float
    y: Float
    kind: NDArray[np.int16]
    niche: NDArray[np.uint8]
    major: Float
    minor: Float
    angle: Float
    shade: Float
    phase: Float
    states: NDArray[np.bool_]
    goblet: NDArray[np.bool_]
    identity: NDArray[np.int64]
    identities: int

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.x)

    def table(self) -> pd.DataFrame:
        """Return x_um, y_um, type, niche and state, one row a cell."""
        names = np.array(STATES)
        words = [" + ".join(names[row]) or "resting" for row in self.states]
        return pd.DataFrame(
            {
                "x_um": self.x,
                "y_um": self.y,
                "type": np.array(CELL_TYPES)[self.kind],
                "niche": np.array(NICHES)[self.niche],
                "state": words,
            }
        )


def place_cells(patient: Patient, plan: Architecture, field_um: tuple[float, float]) -> Cells:
    """Put cells into the planned tissue.

    Parameters
    ----------
    patient : Patient
        Whose tissue.
    plan : Architecture
        Where everything is.
    field_um : tuple of float
        Width and height in um.
    """
    places = find_places(patient, plan, field_um)
    x, y = places.x, places.y
    rows = np.clip((y / STEP_UM).astype(int), 0, plan.niche.shape[0] - 1)
    columns = np.clip((x / STEP_UM).astype(int), 0, plan.niche.shape[1] - 1)
    niche = plan.niche[rows, columns]
    lots = Lots(patient.seed, patient.index, places.identity, places.identities)
    kind = _types(patient, plan, niche, rows, columns, places.lining, lots)
    states = _states(patient, plan, niche, kind, rows, columns, lots)
    major, minor, angle = _shapes(patient, plan, kind, rows, columns, x, y, lots)
    grade = int(patient.clinical["grade"][1])
    tumour = kind == type_index("tumour epithelium")
    dark = np.where(tumour, 0.12 + 0.06 * grade, 0.14)
    shade = np.exp(dark * lots.normal("nuclear shade", 1)[:, 0])
    immune = np.isin(kind, [type_index(name) for name in ("CD8 T", "CD4 T", "Treg", "B")])
    shade *= np.where(immune, 1.25, 1.0)
    apoptotic = states[:, state_index("apoptotic")]
    shade[apoptotic] *= 1.7
    share = 0.22 if patient.clinical["tissue_type"] == "Colon/Rectum" else 0.0
    luck = lots.uniform("goblet", 1)[:, 0]
    goblet = (kind == type_index("normal epithelium")) & (luck < share)
    goblet |= tumour & (luck < (0.05 if patient.glandular and grade < 3 else 0.0))
    return Cells(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        kind=kind.astype(np.int16),
        niche=niche,
        major=np.where(apoptotic, 2.4, major).astype(np.float32),
        minor=np.where(apoptotic, 2.1, minor).astype(np.float32),
        angle=angle.astype(np.float32),
        shade=shade.astype(np.float32),
        phase=(2 * np.pi * lots.uniform("phase", 1)[:, 0]).astype(np.float32),
        states=states,
        goblet=goblet,
        identity=places.identity,
        identities=places.identities,
    )


def _types(
    patient: Patient,
    plan: Architecture,
    niche: NDArray[np.uint8],
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    lining: NDArray[np.bool_],
    lots: Lots,
) -> NDArray[np.int_]:
    """Choose each cell's type by its highest score, so that an effect moves few cells."""
    shift = log_folds(patient.covariates, "cells")
    score = type_scores(patient, plan, niche, rows, columns, shift)
    luck = lots.uniform("cell types", len(CELL_TYPES))
    kind: NDArray[np.int_] = np.argmax(score - np.log(-np.log(luck)), axis=1)
    settle_types(plan, kind, rows, columns, lining, lots)
    return kind


def type_scores(
    patient: Patient,
    plan: Architecture,
    niche: NDArray[np.uint8],
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    shift: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the log odds of each type for cells whose type is left to chance; (cells, types)."""
    base = np.full((len(NICHES), len(CELL_TYPES)), -30.0)
    for place, mix in MIX.items():
        for name, share in mix.items():
            base[niche_index(place), type_index(name)] = np.log(share)
    score = (base + shift)[niche]
    score += _neighbourhood(patient, plan, rows, columns)
    inside = plan.epithelium[rows, columns]
    within = np.full(len(CELL_TYPES), -30.0)
    for name, share in INTRAEPITHELIAL.items():
        within[type_index(name)] = np.log(share)
    score[inside > 0] = (within + shift)[niche[inside > 0]]
    return score


def settle_types(
    plan: Architecture,
    kind: NDArray[np.int_],
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    lining: NDArray[np.bool_],
    lots: Lots,
) -> None:
    """Set, in place, the types that the place alone decides."""
    inside = plan.epithelium[rows, columns]
    guest = lots.uniform("guest", 1)[:, 0] < 0.06
    kind[(inside == 1) & ~guest] = type_index("tumour epithelium")
    kind[(inside == 2) & ~guest] = type_index("normal epithelium")
    kind[plan.lumen[rows, columns] == DEBRIS] = type_index("neutrophil")
    kind[lining] = type_index("endothelium")
    thick = plan.muscle[rows, columns] > 5
    around = (plan.vessel[rows, columns] > 2.5) & (
        plan.vessel[rows, columns] < plan.muscle[rows, columns] + 2
    )
    kind[around & thick & ~lining & (inside == 0)] = type_index("myofibroblast")


def _neighbourhood(
    patient: Patient, plan: Architecture, rows: NDArray[np.int_], columns: NDArray[np.int_]
) -> NDArray[np.float64]:
    score = np.zeros((len(rows), len(CELL_TYPES)))
    crowd = crowding_field(patient, plan)[rows, columns]
    for number, (what, more, less, size, scale) in enumerate(LEANINGS):
        rng = stream(patient.seed, patient.index, "leaning", number)
        value = size * smooth_field(rng, plan.niche.shape, STEP_UM, scale)[rows, columns]
        if what in ("inflamed", "reacting"):
            # Where reaction is strong there are more cells, and more of these.
            value += 0.6 * crowd
        for name in more:
            score[:, type_index(name)] += value
        for name in less:
            score[:, type_index(name)] -= value
    core = np.clip(plan.core[rows, columns] / 25 - 1.6, -1.5, 2.0)
    core[plan.core[rows, columns] == 0] = 0
    score[:, type_index("B")] += 1.3 * core
    score[:, type_index("CD8 T")] -= 0.6 * core
    return score


def _states(
    patient: Patient,
    plan: Architecture,
    niche: NDArray[np.uint8],
    kind: NDArray[np.int_],
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    lots: Lots,
) -> NDArray[np.bool_]:
    shift = log_folds(patient.covariates, "state")
    logit = state_odds()[kind] + shift[niche]
    lean_states(patient, plan, logit, rows, columns)
    luck = lots.uniform("states", len(STATES))
    return np.asarray(luck < 1 / (1 + np.exp(-logit)))


def state_odds() -> NDArray[np.float64]:
    """Return the log odds of each state by type, (types, states)."""
    odds = np.full((len(CELL_TYPES), len(STATES)), -30.0)
    for state, values in STATE_ODDS.items():
        for name, value in values.items():
            odds[type_index(name), state_index(state)] = value
    return odds


def lean_states(
    patient: Patient,
    plan: Architecture,
    logit: NDArray[np.float64],
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
) -> None:
    """Add, in place, what the place does to the log odds of the states; (cells, states)."""
    for number in range(len(STATES)):
        rng = stream(patient.seed, patient.index, "state field", number)
        logit[:, number] += 1.25 * smooth_field(rng, plan.niche.shape, STEP_UM, 50)[rows, columns]
    basal = (plan.epithelium[rows, columns] == 2) & (plan.wall[rows, columns] < 8)
    logit[basal, state_index("proliferating")] += 0.4


def _shapes(
    patient: Patient,
    plan: Architecture,
    kind: NDArray[np.int_],
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    lots: Lots,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    size, ratio, turn = lots.normal("nuclei", 3).T
    anywhere = np.pi * lots.uniform("nuclear angle", 1)[:, 0]
    grade = int(patient.clinical["grade"][1])
    major, minor, spread = NUCLEUS[kind].T
    tumour = kind == type_index("tumour epithelium")
    major, minor, spread = major.copy(), minor.copy(), spread.copy()
    spread[tumour] += 0.06 * (grade - 1)
    if not patient.glandular:
        major[tumour], minor[tumour] = 4.9, 3.9
    else:
        major[tumour] += 0.5 - 0.25 * grade
        minor[tumour] += 0.25 * (grade - 1)
    scale = np.exp(spread * size)
    stretch = np.exp(0.10 * ratio)
    angle = plan.flow[rows, columns] + 0.25 * turn
    epithelial = EPITHELIAL[kind]
    inward = plan.across[rows, columns] + (0.14 + 0.07 * grade) * turn
    angle = np.where(epithelial, inward, angle)
    if not patient.glandular:
        angle = np.where(tumour, anywhere, angle)
    roundish = major / minor < 1.6
    angle = np.where(roundish & ~epithelial, anywhere, angle)
    near = (plan.vessel[rows, columns] < 6) & ~epithelial
    if near.any():
        angle = np.where(near, _tangent(plan, x, y, angle), angle)
    return major * scale * stretch, minor * scale / stretch, angle


def _tangent(
    plan: Architecture,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    angle: NDArray[np.float64],
) -> NDArray[np.float64]:
    if not plan.vessels:
        return angle
    centres = np.array([(vessel.x, vessel.y) for vessel in plan.vessels])
    nearest = cKDTree(centres).query(np.column_stack((x, y)))[1]
    turn = np.array([vessel.angle for vessel in plan.vessels])[nearest]
    major = np.array([vessel.major for vessel in plan.vessels])[nearest]
    minor = np.array([vessel.minor for vessel in plan.vessels])[nearest]
    dx, dy = x - centres[nearest, 0], y - centres[nearest, 1]
    u = dx * np.cos(turn) + dy * np.sin(turn)
    v = -dx * np.sin(turn) + dy * np.cos(turn)
    normal = np.arctan2(v / minor**2, u / major**2) + turn
    return np.asarray(normal + np.pi / 2)
