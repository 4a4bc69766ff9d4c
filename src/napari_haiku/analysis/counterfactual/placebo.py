"""Placebo edits: what irrelevant text of equal effort does to the same tissue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from napari_haiku.clinical import Record, is_empty

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

MIN_DEGREES_OF_FREEDOM = 10
MAX_EDITS = 60
_DRAWN_EDITS = 50
_MIN_MATCHED = 20
_EFFORT_FACTOR = 1.5


@dataclass(frozen=True)
class PlaceboEdit:
    """Two records that differ in meaningless fields only.

    Parameters
    ----------
    before, after : dict of str to str
        The records.
    fields : tuple of str
        The fields that differ.
    """

    before: Record
    after: Record
    fields: tuple[str, ...]


@dataclass(frozen=True)
class PlaceboPlan:
    """The placebo edits to run beside an edit.

    Parameters
    ----------
    edits : tuple of PlaceboEdit
        Edits, at most 60.
    df : int
        Independent directions among them: sum over their fields of levels - 1.
    matched : bool
        Whether the number of patients per level could be matched to the edit's.
    """

    edits: tuple[PlaceboEdit, ...]
    df: int
    matched: bool

    @property
    def enough(self) -> bool:
        """Whether they span at least ten independent directions."""
        return self.df >= MIN_DEGREES_OF_FREEDOM


@dataclass(frozen=True)
class PlaceboVerdict:
    """How an edit compares with the placebo edits.

    Parameters
    ----------
    p : ndarray of float64, shape (niches, markers)
        Two-sided p of the shift against a t distribution scaled by the placebo
        shifts of the same niche and marker.
    rank_p : ndarray of float64, shape (niches, markers)
        Share of placebo edits (this one counted in) that shift as far.
        Descriptive: its resolution is too coarse for a multiple test.
    scale : ndarray of float64, shape (niches, markers)
        Root mean square of the placebo shifts.
    whole_edit_p : float
        The same rank for the edit as a whole.
    """

    p: NDArray[np.float64]
    rank_p: NDArray[np.float64]
    scale: NDArray[np.float64]
    whole_edit_p: float


def plan_placebo_edits(
    record: Mapping[str, str],
    placebo_fields: Mapping[str, Sequence[str]],
    *,
    n_fields: int,
    edited_fields: Collection[str],
    patients_per_level: Mapping[str, Mapping[str, int]],
    edit_patients: tuple[int, int],
    seed: int,
) -> PlaceboPlan:
    """Plan placebo edits that cost the text as much effort as the edit does.

    Effort is what matters, never how far retrieval moved: the number of fields
    edited and the number of patients behind each level (rare levels have larger
    chance directions).

    Parameters
    ----------
    record : mapping
        The baseline record.
    placebo_fields : mapping
        Meaningless fields that were in the training captions, with their levels.
    n_fields : int
        Fields that the edit changes; each placebo edit changes as many.
    edited_fields : collection of str
        Fields that the edit changes; they are no placebo for themselves.
    patients_per_level : mapping
        Patients by field and level, where the atlas records them.
    edit_patients : pair of int
        Patients with the baseline and with the edited value.
    seed : int
        Seed of the draws.
    """
    levels = {
        field: tuple(dict.fromkeys(level for level in values if not is_empty(level)))
        for field, values in placebo_fields.items()
        if field not in edited_fields
    }
    levels = {field: values for field, values in levels.items() if len(values) > 1}
    at_once = min(n_fields, len(levels))
    if at_once == 0:
        return PlaceboPlan((), 0, matched=False)
    rng = np.random.default_rng(seed)
    drawn = _all_pairs(levels) if at_once == 1 else _combined_pairs(levels, at_once, rng)
    close = [pairs for pairs in drawn if _same_effort(pairs, patients_per_level, edit_patients)]
    matched = len(close) >= _MIN_MATCHED and _directions(close) >= MIN_DEGREES_OF_FREEDOM
    chosen = close if matched else drawn
    if len(chosen) > MAX_EDITS:
        keep = np.sort(rng.choice(len(chosen), MAX_EDITS, replace=False))
        chosen = [chosen[i] for i in keep]
    edits = tuple(
        PlaceboEdit(
            before={**record, **{field: low for field, low, _ in pairs}},
            after={**record, **{field: high for field, _, high in pairs}},
            fields=tuple(field for field, _, _ in pairs),
        )
        for pairs in chosen
    )
    return PlaceboPlan(edits, _directions(chosen), matched)


def compare_with_placebo(
    shift: NDArray[np.float64], placebo: NDArray[np.float64], df: int
) -> PlaceboVerdict:
    """Compare an edit's shifts with those of placebo edits.

    Parameters
    ----------
    shift : ndarray, shape (niches, markers)
        Shifts of the edit.
    placebo : ndarray, shape (edits, niches, markers)
        Shifts of the placebo edits.
    df : int
        Independent directions among them; below ten nothing is estimable.

    Notes
    -----
    p = 2 P(t_df > |shift| / tau), tau the root mean square of the placebo
    shifts: empirical calibration with negative controls. The whole-edit p ranks
    the mean over rows of (shift / tau)^2 among the same figure of every placebo
    edit, with a tau that leaves out the edit ranked.
    """
    nothing = np.full(shift.shape, np.nan)
    if df < MIN_DEGREES_OF_FREEDOM:
        return PlaceboVerdict(nothing, nothing.copy(), nothing.copy(), float("nan"))
    ranked = rank_among_placebos(shift, placebo)
    known = np.isfinite(ranked.rank_p)
    p = nothing.copy()
    p[known] = 2 * stats.t.sf(np.abs(shift[known]) / ranked.scale[known], df)
    return replace(ranked, p=p)


def rank_among_placebos(shift: NDArray[np.float64], placebo: NDArray[np.float64]) -> PlaceboVerdict:
    """Rank an edit's shifts among those of placebo edits, without any p to correct.

    Parameters
    ----------
    shift : ndarray, shape (niches, markers)
        Shifts of the edit.
    placebo : ndarray, shape (edits, niches, markers)
        Shifts of the placebo edits; fewer than two estimate nothing.
    """
    nothing = np.full(shift.shape, np.nan)
    n_edits = len(placebo)
    if n_edits < 2:
        return PlaceboVerdict(nothing, nothing.copy(), nothing.copy(), float("nan"))
    squares = placebo**2
    scale = np.sqrt(squares.mean(axis=0))
    known = np.isfinite(shift) & (scale > 0)
    farther = (np.abs(placebo) >= np.abs(shift)).sum(axis=0)
    rank_p = np.where(known, (1 + farther) / (n_edits + 1), np.nan)
    return PlaceboVerdict(nothing, rank_p, scale, _whole_edit_p(shift, squares, known))


def _whole_edit_p(
    shift: NDArray[np.float64], squares: NDArray[np.float64], known: NDArray[np.bool_]
) -> float:
    n_edits = len(squares)
    rows = squares[:, known]
    others = (rows.sum(axis=0) - rows) / (n_edits - 1)
    usable = (others > 0).all(axis=0)
    if not usable.any():
        return float("nan")
    own = float((shift[known][usable] ** 2 / rows[:, usable].mean(axis=0)).mean())
    each = (rows[:, usable] / others[:, usable]).mean(axis=1)
    return float((1 + (each >= own).sum()) / (n_edits + 1))


_Pairs = tuple[tuple[str, str, str], ...]


def _all_pairs(levels: Mapping[str, Sequence[str]]) -> list[_Pairs]:
    return [
        ((field, low, high),)
        for field, values in levels.items()
        for low, high in combinations(values, 2)
    ]


def _combined_pairs(
    levels: Mapping[str, Sequence[str]], at_once: int, rng: np.random.Generator
) -> list[_Pairs]:
    """Draw edits of several fields; fields with more levels come up more often."""
    fields = list(levels)
    directions = np.array([len(levels[field]) - 1 for field in fields], np.float64)
    drawn: dict[_Pairs, None] = {}
    for _ in range(4 * _DRAWN_EDITS):
        chosen = rng.choice(len(fields), at_once, replace=False, p=directions / directions.sum())
        pairs = []
        for place in np.sort(chosen):
            values = levels[fields[place]]
            low, high = rng.choice(len(values), 2, replace=False)
            pairs.append((fields[place], values[low], values[high]))
        drawn[tuple(pairs)] = None
        if len(drawn) == _DRAWN_EDITS:
            break
    return list(drawn)


def _directions(edits: Sequence[_Pairs]) -> int:
    """Independent directions that the edits span.

    Within a field, levels that are linked by edits span one direction less
    than there are levels.
    """
    group: dict[tuple[str, str], tuple[str, str]] = {}

    def root(level: tuple[str, str]) -> tuple[str, str]:
        while group.setdefault(level, level) != level:
            level = group[level]
        return level

    for pairs in edits:
        for field, low, high in pairs:
            group[root((field, low))] = root((field, high))
    return min(len(edits), sum(root(level) != level for level in list(group)))


def _same_effort(
    pairs: _Pairs,
    patients_per_level: Mapping[str, Mapping[str, int]],
    edit_patients: tuple[int, int],
) -> bool:
    """Whether the levels are about as rare as those of the edit.

    The chance direction between two levels has a size of about
    sqrt(1/n + 1/m) for n and m patients.
    """
    if min(edit_patients) < 1:
        return False
    wanted = float(np.sqrt(sum(1 / count for count in edit_patients)))
    efforts = []
    for field, low, high in pairs:
        counts = [patients_per_level.get(field, {}).get(level, 0) for level in (low, high)]
        if min(counts) < 1:
            return False
        efforts.append(sum(1 / count for count in counts))
    effort = float(np.sqrt(np.mean(efforts)))
    return wanted / _EFFORT_FACTOR <= effort <= wanted * _EFFORT_FACTOR
