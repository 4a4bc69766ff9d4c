"""Where cells sit: as dense as the niche asks, as close as nuclei can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_haiku.simulation.architecture import DEBRIS, STEP_UM, Architecture
from napari_haiku.simulation.census import DENSITY
from napari_haiku.simulation.fields import Float, smooth_field
from napari_haiku.simulation.randomness import stream
from napari_haiku.simulation.vocabulary import GLASS, NICHES, niche_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.simulation.record import Patient

_PITCH_UM = 3.6
_MOST_LINING = 64


@dataclass(frozen=True)
class Places:
    """Places of cells, columns of equal length.

    Parameters
    ----------
    x, y : ndarray of float64
        Centres in um.
    identity : ndarray of int64
        Each cell's own number, the same whatever other cells there are.
    identities : int
        Upper limit of these numbers.
    lining : ndarray of bool
        Cells that line a vessel.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    identity: NDArray[np.int64]
    identities: int
    lining: NDArray[np.bool_]


def find_places(patient: Patient, plan: Architecture, field_um: tuple[float, float]) -> Places:
    """Draw places by random sequential adsorption.

    Parameters
    ----------
    patient : Patient
        Whose tissue.
    plan : Architecture
        Where everything is.
    field_um : tuple of float
        Width and height in um.
    """
    # The first section has no key of its own.
    section = (patient.section,) if patient.section else ()
    rng = stream(patient.seed, patient.index, "cells", *section)
    counts = (int(field_um[1] / _PITCH_UM), int(field_um[0] / _PITCH_UM))
    jitter = rng.random((2, *counts))
    y = ((np.arange(counts[0])[:, None] + jitter[0]) * _PITCH_UM).ravel()
    x = ((np.arange(counts[1]) + jitter[1]) * _PITCH_UM).ravel()
    luck, rank = rng.random((2, len(x)))
    rows = np.minimum((y / STEP_UM).astype(int), plan.niche.shape[0] - 1)
    columns = np.minimum((x / STEP_UM).astype(int), plan.niche.shape[1] - 1)
    density, distance = _crowding(patient, plan)
    keep = luck < np.minimum(1, density[rows, columns] * _PITCH_UM**2 * 1e-6)
    candidates = len(x)
    x, y, rank, identity = x[keep], y[keep], rank[keep], np.flatnonzero(keep)
    room = distance[rows[keep], columns[keep]]

    vx, vy, own = _linings(patient, plan)
    identity = np.r_[candidates + own, identity]
    identities = candidates + plan.vessels_tried * _MOST_LINING
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
    # Cells of the next section are numbered onwards: their luck is their own.
    identity += patient.section * identities
    identities *= 1 + patient.section
    return Places(x[chosen], y[chosen], identity[chosen], identities, lining[chosen])


def _crowding(patient: Patient, plan: Architecture) -> tuple[Float, Float]:
    """Return attempted cells per mm2 and the distance kept between cells in um."""
    shape = plan.niche.shape
    table = np.array([DENSITY[name] for name in NICHES] + [0.0])
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
    debris = plan.lumen == DEBRIS
    density[debris] = 1200
    density[plan.niche == GLASS] = 0
    return density, distance


def crowding_field(patient: Patient, plan: Architecture) -> Float:
    """Return where stroma reacts: mean 0, variance 1; (rows, columns)."""
    rng = stream(patient.seed, patient.index, "crowding")
    return smooth_field(rng, plan.niche.shape, STEP_UM, 42)


def _linings(
    patient: Patient, plan: Architecture
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    start = stream(patient.seed, patient.index, "linings").uniform(0, 2 * np.pi, plan.vessels_tried)
    xs, ys, own = [], [], []
    for vessel in plan.vessels:
        around = np.pi * (vessel.major + vessel.minor)
        count = min(_MOST_LINING, max(3, int(around / 10.5)))
        turn = start[vessel.number] + np.arange(count) * 2 * np.pi / count
        own.append(vessel.number * _MOST_LINING + np.arange(count))
        u = (vessel.major + 0.8) * np.cos(turn)
        v = (vessel.minor + 0.8) * np.sin(turn)
        cos, sin = np.cos(vessel.angle), np.sin(vessel.angle)
        xs.append(vessel.x + u * cos - v * sin)
        ys.append(vessel.y + u * sin + v * cos)
    if not xs:
        return np.zeros(0), np.zeros(0), np.zeros(0, np.int64)
    return np.concatenate(xs), np.concatenate(ys), np.concatenate(own)


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
