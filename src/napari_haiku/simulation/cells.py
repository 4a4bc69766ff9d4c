"""The cells: where they sit, what they are, how large their nuclei are, what they do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_haiku.simulation.architecture import STEP_UM, Architecture
from napari_haiku.simulation.effects import log_folds
from napari_haiku.simulation.fields import Float, smooth_field
from napari_haiku.simulation.randomness import stream
from napari_haiku.simulation.record import Patient
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    GLASS,
    NICHES,
    STATES,
    niche_index,
    state_index,
    type_index,
)

_PITCH_UM = 3.6

# Nuclear semi-axes in um (long, short), spread of their logarithm.
_NUCLEUS: dict[str, tuple[float, float, float]] = {
    "tumour epithelium": (6.0, 2.9, 0.13),
    "normal epithelium": (4.3, 2.7, 0.08),
    "fibroblast": (6.3, 1.5, 0.16),
    "myofibroblast": (6.8, 1.7, 0.16),
    "endothelium": (4.6, 1.4, 0.14),
    "CD8 T": (2.9, 2.6, 0.08),
    "CD4 T": (2.9, 2.6, 0.08),
    "Treg": (2.9, 2.6, 0.08),
    "B": (3.0, 2.7, 0.08),
    "plasma": (3.2, 2.9, 0.08),
    "macrophage M1": (4.1, 2.8, 0.14),
    "macrophage M2": (4.1, 2.8, 0.14),
    "neutrophil": (3.1, 2.6, 0.10),
    "dendritic": (4.0, 2.6, 0.14),
    "mast": (3.4, 3.0, 0.08),
    "nerve": (6.2, 1.6, 0.16),
}
NUCLEUS = np.array([_NUCLEUS[name] for name in CELL_TYPES])

_EPITHELIAL = np.isin(CELL_TYPES, ("tumour epithelium", "normal epithelium"))

# Cells per mm2 of open stroma in each niche, before neighbours push each other out.
_DENSITY: dict[str, float] = {
    "tumour": 3300,
    "tumour margin": 4100,
    "stroma": 1900,
    "immune aggregate": 28000,
    "vessel-rich stroma": 3000,
    "necrosis": 1100,
    "normal epithelium": 4200,
    "fat or lumen": 160,
}

# Share of each type among the cells that are not epithelium, by niche.
_MIX: dict[str, dict[str, float]] = {
    "tumour": {
        "fibroblast": 34, "myofibroblast": 16, "endothelium": 8, "CD8 T": 9, "CD4 T": 9,
        "Treg": 3.5, "B": 2, "plasma": 4, "macrophage M1": 10, "macrophage M2": 12,
        "neutrophil": 3, "dendritic": 3, "mast": 1.5, "nerve": 0.3,
    },
    "tumour margin": {
        "fibroblast": 30, "myofibroblast": 18, "endothelium": 7, "CD8 T": 9, "CD4 T": 9,
        "Treg": 3.5, "B": 3, "plasma": 5, "macrophage M1": 7, "macrophage M2": 8,
        "neutrophil": 3, "dendritic": 3, "mast": 1.5, "nerve": 0.5,
    },
    "stroma": {
        "fibroblast": 58, "myofibroblast": 12, "endothelium": 6, "CD8 T": 3, "CD4 T": 5,
        "Treg": 1, "B": 1, "plasma": 3, "macrophage M1": 3.5, "macrophage M2": 6,
        "neutrophil": 1, "dendritic": 1.5, "mast": 2, "nerve": 2.5,
    },
    "immune aggregate": {
        "fibroblast": 3, "myofibroblast": 1.5, "endothelium": 3.5, "CD8 T": 17, "CD4 T": 30,
        "Treg": 5, "B": 26, "plasma": 6, "macrophage M1": 5, "macrophage M2": 6,
        "neutrophil": 0.5, "dendritic": 4, "mast": 0.3, "nerve": 0.1,
    },
    "vessel-rich stroma": {
        "fibroblast": 38, "myofibroblast": 10, "endothelium": 22, "CD8 T": 4, "CD4 T": 6,
        "Treg": 1.2, "B": 1, "plasma": 4, "macrophage M1": 4, "macrophage M2": 6,
        "neutrophil": 4, "dendritic": 1.5, "mast": 3, "nerve": 2,
    },
    "necrosis": {
        "fibroblast": 8, "myofibroblast": 1, "endothelium": 2, "CD8 T": 4, "CD4 T": 4,
        "Treg": 1, "B": 0.5, "plasma": 1, "macrophage M1": 24, "macrophage M2": 16,
        "neutrophil": 38, "dendritic": 2, "mast": 0.3, "nerve": 0.1,
    },
    "normal epithelium": {
        "fibroblast": 30, "myofibroblast": 8, "endothelium": 8, "CD8 T": 8, "CD4 T": 12,
        "Treg": 2, "B": 4, "plasma": 18, "macrophage M1": 4, "macrophage M2": 5,
        "neutrophil": 1, "dendritic": 3, "mast": 2.5, "nerve": 0.5,
    },
    "fat or lumen": {
        "fibroblast": 40, "myofibroblast": 1, "endothelium": 30, "CD8 T": 3, "CD4 T": 5,
        "Treg": 0.5, "B": 0.5, "plasma": 1, "macrophage M1": 5, "macrophage M2": 10,
        "neutrophil": 1, "dendritic": 1, "mast": 2, "nerve": 1,
    },
}  # fmt: skip

# Lymphocytes between the cells of an epithelium.
_INTRAEPITHELIAL = {
    "CD8 T": 48, "CD4 T": 14, "neutrophil": 6, "macrophage M1": 18, "macrophage M2": 8,
    "dendritic": 6,
}  # fmt: skip

# Log odds of a state: for the types that can have it, by type.
_STATE_ODDS: dict[str, dict[str, float]] = {
    "proliferating": {
        "tumour epithelium": -1.6, "normal epithelium": -2.2, "B": -1.1, "CD8 T": -1.7,
        "CD4 T": -2.0, "Treg": -1.8, "fibroblast": -3.2, "myofibroblast": -3.0,
        "endothelium": -2.8, "macrophage M1": -2.6, "plasma": -3.0,
    },
    "cytotoxic": {"CD8 T": -0.8, "CD4 T": -3.8},
    "exhausted": {"CD8 T": -0.5, "CD4 T": -1.2, "Treg": -1.0},
    "antigen presenting": {
        "dendritic": 1.8, "macrophage M1": 0.7, "macrophage M2": -0.5, "B": 1.2,
        "tumour epithelium": -2.0, "endothelium": -1.0,
    },
    "apoptotic": {"tumour epithelium": -4.2, "normal epithelium": -5.0, "neutrophil": -3.0},
}  # fmt: skip


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
    x, y, lining = _positions(patient, plan, field_um)
    rows = np.clip((y / STEP_UM).astype(int), 0, plan.niche.shape[0] - 1)
    columns = np.clip((x / STEP_UM).astype(int), 0, plan.niche.shape[1] - 1)
    niche = plan.niche[rows, columns]
    kind = _types(patient, plan, niche, rows, columns, lining)
    states = _states(patient, plan, niche, kind, rows, columns)
    major, minor, angle = _shapes(patient, plan, kind, rows, columns, x, y)
    rng = stream(patient.seed, patient.index, "nuclear look")
    grade = int(patient.clinical["grade"][1])
    tumour = kind == type_index("tumour epithelium")
    dark = np.where(tumour, 0.12 + 0.06 * grade, 0.14)
    shade = np.exp(dark * rng.standard_normal(len(x)))
    immune = np.isin(kind, [type_index(name) for name in ("CD8 T", "CD4 T", "Treg", "B")])
    shade *= np.where(immune, 1.25, 1.0)
    apoptotic = states[:, state_index("apoptotic")]
    shade[apoptotic] *= 1.7
    goblets = rng.random(len(x)) < (0.22 if patient.clinical["tissue_type"] == "Colon/Rectum" else 0)
    goblet = goblets & (kind == type_index("normal epithelium"))
    goblet |= tumour & (rng.random(len(x)) < (0.05 if patient.glandular and grade < 3 else 0.0))
    return Cells(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        kind=kind.astype(np.int16),
        niche=niche,
        major=np.where(apoptotic, 2.4, major).astype(np.float32),
        minor=np.where(apoptotic, 2.1, minor).astype(np.float32),
        angle=angle.astype(np.float32),
        shade=shade.astype(np.float32),
        phase=rng.uniform(0, 2 * np.pi, len(x)).astype(np.float32),
        states=states,
        goblet=goblet,
    )


def _positions(
    patient: Patient, plan: Architecture, field_um: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Draw places by random sequential adsorption; the last answer marks vessel linings."""
    rng = stream(patient.seed, patient.index, "cells")
    counts = (int(field_um[1] / _PITCH_UM), int(field_um[0] / _PITCH_UM))
    jitter = rng.random((2, *counts))
    y = ((np.arange(counts[0])[:, None] + jitter[0]) * _PITCH_UM).ravel()
    x = ((np.arange(counts[1]) + jitter[1]) * _PITCH_UM).ravel()
    luck, rank = rng.random((2, len(x)))
    rows = np.minimum((y / STEP_UM).astype(int), plan.niche.shape[0] - 1)
    columns = np.minimum((x / STEP_UM).astype(int), plan.niche.shape[1] - 1)
    density, distance = _crowding(patient, plan)
    keep = luck < np.minimum(1, density[rows, columns] * _PITCH_UM**2 * 1e-6)
    x, y, rank = x[keep], y[keep], rank[keep]
    room = distance[rows[keep], columns[keep]]

    vx, vy = _linings(patient, plan)
    lining = np.r_[np.ones(len(vx), bool), np.zeros(len(x), bool)]
    x, y = np.r_[vx, x], np.r_[vy, y]
    rank, room = np.r_[np.zeros(len(vx)), rank], np.r_[np.full(len(vx), 5.5), room]
    chosen = _spaced(x, y, rank, room)
    inside = (x > 0) & (y > 0) & (x < field_um[0]) & (y < field_um[1])
    chosen &= inside
    rows = np.clip((y / STEP_UM).astype(int), 0, plan.niche.shape[0] - 1)
    columns = np.clip((x / STEP_UM).astype(int), 0, plan.niche.shape[1] - 1)
    # A vessel at the tissue's edge may reach over the glass.
    chosen &= plan.niche[rows, columns] != GLASS
    return x[chosen], y[chosen], lining[chosen]


def _crowding(patient: Patient, plan: Architecture) -> tuple[Float, Float]:
    """Return attempted cells per mm2 and the distance kept between cells in um."""
    shape = plan.niche.shape
    table = np.array([_DENSITY[name] for name in NICHES] + [0.0])
    known = np.minimum(plan.niche, len(NICHES))
    clumps = np.exp(0.75 * crowding_field(patient, plan) - 0.28)
    density = table[known].astype(np.float32)
    density *= np.where(plan.niche == niche_index("immune aggregate"), 1.0, clumps)
    distance = np.full(shape, 6.0, np.float32)
    distance[plan.niche == niche_index("immune aggregate")] = 5.2
    density[plan.fat > 2.5] = 0
    density[plan.vessel < 3.5] = 0
    grade = int(patient.clinical["grade"][1])
    tumour = plan.epithelium == 1
    if patient.glandular:
        layer = np.exp(-(((plan.wall - 10) / (6.0 + 1.5 * grade)) ** 2))
        density[tumour] = (1500 + 32000 * layer)[tumour]
        distance[tumour] = 5.0
    else:
        density[tumour] = 15000
        distance[tumour] = 7.6
    normal = plan.epithelium == 2
    layer = np.exp(-(((plan.wall - 7) / 3.0) ** 2))
    density[normal] = (26000 * layer)[normal]
    distance[normal] = 5.4
    density[plan.lumen > 0] = 0
    debris = plan.lumen == 3
    density[debris] = 1200
    density[plan.niche == GLASS] = 0
    return density, distance


def crowding_field(patient: Patient, plan: Architecture) -> Float:
    """Return where stroma reacts: mean 0, variance 1; (rows, columns)."""
    rng = stream(patient.seed, patient.index, "crowding")
    return smooth_field(rng, plan.niche.shape, STEP_UM, 42)


def _linings(
    patient: Patient, plan: Architecture
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = stream(patient.seed, patient.index, "linings")
    xs, ys = [], []
    for vessel in plan.vessels:
        around = np.pi * (vessel.major + vessel.minor)
        count = max(3, int(around / 10.5))
        turn = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / count
        u = (vessel.major + 0.8) * np.cos(turn)
        v = (vessel.minor + 0.8) * np.sin(turn)
        cos, sin = np.cos(vessel.angle), np.sin(vessel.angle)
        xs.append(vessel.x + u * cos - v * sin)
        ys.append(vessel.y + u * sin + v * cos)
    if not xs:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(xs), np.concatenate(ys)


def _spaced(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rank: NDArray[np.float64],
    room: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Keep the places that no better-ranked kept place crowds out."""
    if not len(x):
        return np.zeros(0, bool)
    tree = cKDTree(np.column_stack((x, y)))
    pairs = tree.query_pairs(float(room.max()), output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]
    apart = np.hypot(x[first] - x[second], y[first] - y[second])
    pairs = pairs[apart < np.minimum(room[first], room[second])]
    better = rank[pairs[:, 0]] <= rank[pairs[:, 1]]
    winner = np.where(better, pairs[:, 0], pairs[:, 1])
    loser = np.where(better, pairs[:, 1], pairs[:, 0])
    alive = np.ones(len(x), bool)
    settled = np.zeros(len(x), bool)
    while len(winner):
        beaten = np.zeros(len(x), bool)
        beaten[loser] = True
        settled |= alive & ~beaten
        alive[loser[settled[winner]]] = False
        still = alive[winner] & alive[loser]
        winner, loser = winner[still], loser[still]
    return alive


def _types(
    patient: Patient,
    plan: Architecture,
    niche: NDArray[np.uint8],
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    lining: NDArray[np.bool_],
) -> NDArray[np.int_]:
    """Choose each cell's type by its highest score, so that an effect moves few cells."""
    shift = log_folds(patient.covariates, "cells")
    base = np.full((len(NICHES), len(CELL_TYPES)), -30.0)
    for name, mix in _MIX.items():
        for kind, share in mix.items():
            base[niche_index(name), type_index(kind)] = np.log(share)
    score = (base + shift)[niche]
    score += _neighbourhood(patient, plan, rows, columns)
    inside = plan.epithelium[rows, columns]
    own = stream(patient.seed, patient.index, "epithelial")
    guest = own.random(len(niche)) < 0.06
    within = np.full(len(CELL_TYPES), -30.0)
    for kind, share in _INTRAEPITHELIAL.items():
        within[type_index(kind)] = np.log(share)
    score[inside > 0] = (within + shift)[niche[inside > 0]]
    luck = stream(patient.seed, patient.index, "cell types").random(score.shape)
    kind = np.argmax(score - np.log(-np.log(luck)), axis=1)
    kind[(inside == 1) & ~guest] = type_index("tumour epithelium")
    kind[(inside == 2) & ~guest] = type_index("normal epithelium")
    kind[plan.lumen[rows, columns] == 3] = type_index("neutrophil")
    kind[lining] = type_index("endothelium")
    thick = plan.muscle[rows, columns] > 5
    around = (plan.vessel[rows, columns] > 2.5) & (
        plan.vessel[rows, columns] < plan.muscle[rows, columns] + 2
    )
    kind[around & thick & ~lining & (inside == 0)] = type_index("myofibroblast")
    return kind


_LEANINGS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], float, float], ...] = (
    # what, more of these, less of those, size, scale in um
    ("cytotoxic side", ("CD8 T",), ("CD4 T", "Treg"), 0.8, 45),
    ("macrophage side", ("macrophage M1",), ("macrophage M2",), 1.2, 50),
    ("regulatory side", ("Treg",), (), 0.4, 45),
    ("inflamed", ("CD8 T", "CD4 T", "B", "Treg"), ("fibroblast",), 0.55, 42),
    ("reacting", ("macrophage M1", "macrophage M2"), ("fibroblast",), 0.4, 42),
    ("B side", ("B",), ("CD4 T",), 0.5, 50),
    ("dendritic side", ("dendritic",), (), 1.0, 45),
    ("plasma side", ("plasma",), ("B",), 0.6, 50),
    ("granulocytes", ("neutrophil",), (), 1.0, 40),
    ("contractile", ("myofibroblast",), ("fibroblast",), 1.3, 60),
)


def _neighbourhood(
    patient: Patient, plan: Architecture, rows: NDArray[np.int_], columns: NDArray[np.int_]
) -> NDArray[np.float64]:
    score = np.zeros((len(rows), len(CELL_TYPES)))
    crowd = crowding_field(patient, plan)[rows, columns]
    for number, (what, more, less, size, scale) in enumerate(_LEANINGS):
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
) -> NDArray[np.bool_]:
    shift = log_folds(patient.covariates, "state")
    odds = np.full((len(CELL_TYPES), len(STATES)), -30.0)
    for state, values in _STATE_ODDS.items():
        for name, value in values.items():
            odds[type_index(name), state_index(state)] = value
    logit = odds[kind] + shift[niche]
    for number in range(len(STATES)):
        rng = stream(patient.seed, patient.index, "state field", number)
        logit[:, number] += 1.25 * smooth_field(rng, plan.niche.shape, STEP_UM, 50)[rows, columns]
    basal = (plan.epithelium[rows, columns] == 2) & (plan.wall[rows, columns] < 8)
    logit[basal, state_index("proliferating")] += 0.4
    luck = stream(patient.seed, patient.index, "states").random(logit.shape)
    return np.asarray(luck < 1 / (1 + np.exp(-logit)))


def _shapes(
    patient: Patient,
    plan: Architecture,
    kind: NDArray[np.int_],
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rng = stream(patient.seed, patient.index, "nuclei")
    size, ratio, turn = rng.standard_normal((3, len(kind)))
    anywhere = rng.uniform(0, np.pi, len(kind))
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
    epithelial = _EPITHELIAL[kind]
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
