"""Mean brightness and looks of cells that are each type only with some probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from napari_haiku.simulation.cells import state_odds
from napari_haiku.simulation.effects import log_folds
from napari_haiku.simulation.expression import PLACE, STATE_MARKER, type_means
from napari_haiku.simulation.truth_curves import LEVELS, PART, SHAPE, Curves
from napari_haiku.simulation.truth_tissue import APOPTOTIC, NUCLEAR_SIZE, VISIBLE
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    MARKERS,
    marker_index,
    state_index,
    type_index,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.simulation.fields import Float
    from napari_haiku.simulation.truth_tissue import Tissue

MEANS = type_means()
ODDS = state_odds()
# Above this log odds a type can be in a state at all.
_POSSIBLE = -20.0
CELL_LOOKS = (*VISIBLE, APOPTOTIC, NUCLEAR_SIZE)
_STATE_OF = {
    marker_index(marker): (state_index(state), extra)
    for state, (marker, extra) in STATE_MARKER.items()
}
_DAPI, _COLLAGEN = marker_index("DAPI"), marker_index("CollagenIV")
_LYMPHOID = [type_index(name) for name in ("CD8 T", "CD4 T", "Treg", "B")]


@dataclass(frozen=True)
class Shift:
    """What a record and a tone do in one niche: natural logs of factors.

    Parameters
    ----------
    cells, state, marker : ndarray
        (types,), (states,) and (markers,).
    """

    cells: NDArray[np.float64]
    state: NDArray[np.float64]
    marker: NDArray[np.float64]


def shifts(covariates: Mapping[tuple[str, str], float]) -> NDArray[np.float64]:
    """Return all three shifts of every niche in one row each: (niches, types+states+markers)."""
    return np.concatenate(
        [log_folds(covariates, kind) for kind in ("cells", "state", "marker")], axis=1
    )


def shift_of(row: NDArray[np.float64]) -> Shift:
    """Return a row of :func:`shifts` as a :class:`Shift`."""
    types = len(CELL_TYPES)
    return Shift(row[:types], row[types : -len(MARKERS)], row[-len(MARKERS) :])


@dataclass(frozen=True)
class CellTable:
    """Cells of one niche and one architecture.

    Parameters
    ----------
    score, settled, leaning, size
        As in :class:`truth_tissue.Tissue`.
    log_place : ndarray of float32, (cells, markers)
        Natural log of the place's factor.
    area : ndarray of float32, (types, markers)
        Pixels of the part of a cell that carries each marker.
    """

    score: Float
    settled: NDArray[np.int_]
    leaning: Float
    size: Float
    log_place: Float
    area: Float


def table_of(tissues: list[tuple[Tissue, NDArray[np.bool_]]], area: Float) -> CellTable:
    """Put the chosen cells of some tissues into one table; `area` is (types, PARTS)."""
    return CellTable(
        score=np.concatenate([tissue.score[chosen] for tissue, chosen in tissues]),
        settled=np.concatenate([tissue.settled[chosen] for tissue, chosen in tissues]),
        leaning=np.concatenate([tissue.leaning[chosen] for tissue, chosen in tissues]),
        size=np.concatenate([tissue.size[chosen] for tissue, chosen in tissues]),
        log_place=np.log(np.concatenate([tissue.place[chosen] for tissue, chosen in tissues])),
        area=area[:, PART],
    )


def type_odds(table: CellTable, shift: Shift) -> Float:
    """Return the probability of each type, (cells, types)."""
    score = table.score + shift.cells.astype(np.float32)
    odds = np.asarray(special.softmax(score, axis=1), np.float32)
    fixed = np.flatnonzero(table.settled >= 0)
    odds[fixed] = 0
    odds[fixed, table.settled[fixed]] = 1
    return odds


def state_chance(table: CellTable, shift: Shift, state: int, kind: int) -> Float:
    """Return the probability that cells, were they of a type, are in a state; (cells,)."""
    logit = table.leaning[:, state] + np.float32(ODDS[kind, state] + shift.state[state])
    return np.asarray(special.expit(logit), np.float32)


class Brightness:
    """Adds up light and looks; remembers what does not change from one record to the next.

    Parameters
    ----------
    table : CellTable
        The cells.
    curves : Curves
        How bright cells are.
    """

    def __init__(self, table: CellTable, curves: Curves) -> None:
        self.table = table
        self.curves = curves
        self._known: dict[tuple[int, int, float], Float] = {}
        self._placed = {marker_index(name) for name in PLACE} - {_COLLAGEN}

    def of(
        self,
        shift: Shift,
        odds: Float | None = None,
        states: NDArray[np.bool_] | None = None,
    ) -> Float:
        """Return each cell's share, (cells, markers + CELL_LOOKS).

        Parameters
        ----------
        shift : Shift
            What acts on these cells.
        odds : ndarray, (cells, types), optional
            Which types the cells are, in place of their probability.
        states : ndarray, (cells, states), optional
            Which states they are in, likewise.
        """
        table = self.table
        if odds is None:
            odds = type_odds(table, shift)
        result = np.zeros((len(table.size), len(MARKERS) + len(CELL_LOOKS)), np.float32)
        for marker in range(len(MARKERS)):
            if marker == _COLLAGEN:
                continue
            state, extra = _STATE_OF.get(marker, (0, 0.0))
            for kind in range(len(CELL_TYPES)):
                base = float(MEANS[kind, marker])
                active = extra > 0 and ODDS[kind, state] > _POSSIBLE
                if base == 0 and not active:
                    continue
                light = self._light(marker, kind, base, shift)
                if active:
                    chance = (
                        state_chance(table, shift, state, kind)
                        if states is None
                        else states[:, state]
                    )
                    light = light + chance * (
                        self._light(marker, kind, base + extra, shift) - light
                    )
                result[:, marker] += odds[:, kind] * light
        result[:, len(MARKERS) :] = self._looks(shift, odds, states)
        return result

    def _light(self, marker: int, kind: int, mean: float, shift: Shift) -> Float | np.float32:
        if mean == 0:
            return np.float32(0)
        fold = float(shift.marker[marker])
        level = np.log(mean) + fold
        if marker == _DAPI:
            # Lymphocytes stain darker, and DAPI follows; its amount has no other cause.
            level = np.log(mean) + (0.6 * np.log(1.25) if kind in _LYMPHOID else 0.0)
        area = self.table.area[kind, marker]
        if marker not in self._placed:
            height = self.curves.bright[marker, SHAPE[kind]]
            return np.float32(area * np.interp(level, LEVELS, height))
        key = (marker, kind, round(level, 6))
        if key not in self._known:
            self._known[key] = area * interpolate(
                self.curves.bright[marker, SHAPE[kind]], level + self.table.log_place[:, marker]
            )
        return self._known[key]

    def _looks(self, shift: Shift, odds: Float, states: NDArray[np.bool_] | None) -> Float:
        members = np.zeros((len(CELL_TYPES), len(VISIBLE)), np.float32)
        for number, types in enumerate(VISIBLE.values()):
            members[[type_index(name) for name in types], number] = 1
        dying = state_index("apoptotic")
        dead = np.zeros(len(odds), np.float32)
        for kind in np.flatnonzero(ODDS[:, dying] > _POSSIBLE):
            chance = (
                state_chance(self.table, shift, dying, int(kind))
                if states is None
                else states[:, dying]
            )
            dead += odds[:, kind] * chance
        size = self.table.size * odds[:, type_index("tumour epithelium")]
        return np.column_stack((odds @ members, dead, size)).astype(np.float32)


def interpolate(curve: Float, at: Float) -> Float:
    """Read a curve given at LEVELS, which are evenly spaced."""
    step = LEVELS[1] - LEVELS[0]
    place = np.clip((at - LEVELS[0]) / step, 0, len(LEVELS) - 1.001)
    low = place.astype(int)
    share = (place - low).astype(np.float32)
    return np.asarray(curve[low] * (1 - share) + curve[low + 1] * share, np.float32)
