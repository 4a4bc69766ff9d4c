"""How well shifts recover what is true of virtual patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from napari_haiku.evaluation.counterfactual_bench import kinds, roles
from napari_haiku.evaluation.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.evaluation.counterfactual_bench import Bench, TrueEdit
    from napari_haiku.evaluation.counterfactual_tables import Tables
    from napari_haiku.evaluation.resampling import PatientResampling

HEADLINE = "conditional"
REAL, ZERO, TRAVELLING = "real", "zero", "travelling"
_VISIBLE = 0.2
_ROWS_A_NICHE = 5


@dataclass(frozen=True)
class Truth:
    """What is true of every edit, each array of shape (edits, niches, markers).

    Parameters
    ----------
    by_kind : dict of str to ndarray
        True effects.
    role : ndarray of str
        Role of each row.
    """

    by_kind: dict[str, NDArray[np.float64]]
    role: NDArray[np.str_]

    @classmethod
    def of(cls, edits: Sequence[TrueEdit], bench: Bench) -> Truth:
        """Lay the truth of several edits one over the other."""
        each = [dict(kinds(edit, bench)) for edit in edits]
        names = dict.fromkeys(name for found in each for name in found)
        nothing = np.full((len(bench.niches), len(bench.markers)), np.nan)
        return cls(
            {name: np.stack([found.get(name, nothing) for found in each]) for name in names},
            np.stack([roles(edit, bench) for edit in edits]),
        )

    @property
    def headline(self) -> NDArray[np.float64]:
        """The conditional effect."""
        return self.by_kind[HEADLINE]


def mean_shifts(
    tables: Tables, n_edits: int, patients: NDArray[np.int64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average each edit's shift over query patients drawn some number of times each.

    Parameters
    ----------
    tables : Tables
        The shifts.
    n_edits : int
        Real edits.
    patients : ndarray of int64, shape (patients,)
        The query patients in the order of `counts`.
    counts : ndarray, shape (draws, patients)
        How often each is drawn.

    Returns
    -------
    ndarray of float64, shape (draws, edits, niches, markers)
        NaN where no patient has the row.
    """
    shape = tables.shift.shape[1:]
    out = np.full((len(counts), n_edits, *shape), np.nan)
    place = {int(patient): number for number, patient in enumerate(patients)}
    for edit in range(n_edits):
        rows = np.flatnonzero(tables.edit == edit)
        if not len(rows):
            continue
        flat = tables.shift[rows].reshape(len(rows), -1)
        known = np.isfinite(flat)
        drawn = counts[:, [place[int(patient)] for patient in tables.patient[rows]]]
        weight = drawn @ known
        mean = (drawn @ np.where(known, flat, 0)) / np.where(weight > 0, weight, np.nan)
        out[:, edit] = mean.reshape(len(counts), *shape)
    return out


def sign_accuracy(
    shift: NDArray[np.float64], truth: NDArray[np.float64], use: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Share of rows with the true sign, averaged over edits; one value a draw."""
    known = use & np.isfinite(shift)
    right = (np.sign(shift) == np.sign(truth)) & known
    rows = known.sum(axis=(-2, -1))
    per_edit = _ratio(right.sum(axis=(-2, -1)), rows)
    return _nanmean(per_edit)


def spearman(
    shift: NDArray[np.float64], truth: NDArray[np.float64], real: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Rank correlation over markers, averaged over niches with five real-effect rows or more."""
    out = np.full(shift.shape[:-1], np.nan)
    for edit, niche in zip(*np.nonzero(real.sum(axis=-1) >= _ROWS_A_NICHE), strict=True):
        for draw in range(len(shift)):
            values = shift[draw, edit, niche]
            both = np.isfinite(values) & np.isfinite(truth[edit, niche])
            if both.sum() >= _ROWS_A_NICHE and np.ptp(values[both]) > 0:
                ranks = (stats.rankdata(v[both]) for v in (values, truth[edit, niche]))
                out[draw, edit, niche] = np.corrcoef(*ranks)[0, 1]
    return _nanmean(out.reshape(len(shift), -1))


def gain(
    shift: NDArray[np.float64], truth: NDArray[np.float64], real: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Slope of the shifts on the truth over real-effect rows, through nothing."""
    known = real & np.isfinite(shift)
    told = np.where(known, truth, 0)
    size = (told**2).sum(axis=(1, 2, 3))
    return _ratio((np.where(known, shift, 0) * told).sum(axis=(1, 2, 3)), size)


def spill_over(
    shift: NDArray[np.float64], real: NDArray[np.bool_], zero: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Size of the shifts where nothing is true over their size where something is."""
    return _rms(shift, zero) / _rms(shift, real)


def travelling(
    shift: NDArray[np.float64], marginal: NDArray[np.float64], use: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Share of travelling rows that shift the way of the fields that travel along."""
    known = use & np.isfinite(shift)
    right = ((np.sign(shift) == np.sign(marginal)) & known).sum(axis=(1, 2, 3))
    rows = known.sum(axis=(1, 2, 3))
    return _ratio(right, rows)


def recovery(
    tables: Tables,
    truth: Truth,
    contrast: NDArray[np.float64],
    resampling: PatientResampling,
    patients: NDArray[np.int64],
    names: Sequence[str],
    note: str,
) -> dict[str, Any]:
    """Score the mean shift of the query patients against the truth.

    Parameters
    ----------
    tables : Tables
        Shifts.
    truth : Truth
        What is true.
    contrast : ndarray, shape (edits, niches, markers)
        The atlas contrast of the same rows.
    resampling : PatientResampling
        Resamples of the query patients.
    patients : ndarray of int64
        The query patients, in the order of the resampling.
    names : sequence of str
        Names of the edits.
    note : str
        What the size of shifts hangs on.
    """
    n_edits = len(truth.role)
    drawn = np.vstack([np.ones(len(patients)), resampling.counts])
    shift = mean_shifts(tables, n_edits, patients, drawn.astype(np.float64))
    real, zero = truth.role == REAL, truth.role == ZERO
    headline = truth.headline
    rows = int((real & np.isfinite(shift[0])).sum())

    def figure(values: NDArray[np.float64], n: int, chance: float | None, said: str) -> Figure:
        value = float(values[0]) if np.isfinite(values[0]) else None
        return Figure(
            value, None if value is None else resampling.limits(values[1:]), n, chance, said
        )

    out: dict[str, Any] = {
        "sign_accuracy": figure(
            sign_accuracy(shift, headline, real),
            rows,
            0.5,
            "Sign of the mean shift on real-effect rows, averaged over edits; truth conditional.",
        ),
        "spearman": figure(
            spearman(shift, headline, real),
            rows,
            0.0,
            "Within niche over markers; truth conditional.",
        ),
        "gain": figure(gain(shift, headline, real), rows, None, note),
        "spill_over": figure(
            spill_over(shift, real, zero),
            int(zero.sum()),
            None,
            "RMS shift on rows without effect over that on real-effect rows.",
        ),
        "atlas_contrast_sign_accuracy": Figure(
            _number(sign_accuracy(contrast[None], headline, real)[0]),
            None,
            int((real & np.isfinite(contrast)).sum()),
            0.5,
            "The same rows, patients with either value compared without any text.",
        ),
        "atlas_contrast_spearman": Figure(
            _number(spearman(contrast[None], headline, real)[0]),
            None,
            int((real & np.isfinite(contrast)).sum()),
            0.0,
            "Within niche over markers, of the atlas contrast.",
        ),
    }
    if "marginal" in truth.by_kind:
        use = truth.role == TRAVELLING
        out["travelling"] = figure(
            travelling(shift, truth.by_kind["marginal"], use),
            int(use.sum()),
            0.5,
            "Share with the sign of the fields that travel with the edit; 0.5 is none of it.",
        )
    out["by_truth"] = {
        kind: {
            "sign_accuracy": figure(
                sign_accuracy(shift, effect, np.abs(effect) >= _VISIBLE),
                int((np.abs(effect) >= _VISIBLE).sum()),
                0.5,
                f"Rows of at least {_VISIBLE} SD.",
            ),
            "spearman": figure(spearman(shift, effect, real), rows, 0.0, ""),
        }
        for kind, effect in truth.by_kind.items()
    }
    out["by_edit"] = dict(zip(names, _by_edit(shift, truth, contrast, tables), strict=True))
    return out


def _by_edit(
    shift: NDArray[np.float64], truth: Truth, contrast: NDArray[np.float64], tables: Tables
) -> list[dict[str, Figure]]:
    out = []
    for edit in range(len(truth.role)):
        part = slice(edit, edit + 1)
        real = truth.role[part] == REAL
        rows = int((real & np.isfinite(shift[0, part])).sum())
        told, mean, other = truth.headline[part], shift[:1, part], contrast[None, part]
        scores = {
            "sign_accuracy": sign_accuracy(mean, told, real),
            "spearman": spearman(mean, told, real),
            "gain": gain(mean, told, real),
            "atlas_contrast_sign_accuracy": sign_accuracy(other, told, real),
        }
        patients = int((tables.edit == edit).sum())
        out.append(
            {
                name: Figure(_number(score[0]), None, rows, None, f"{patients} query patients")
                for name, score in scores.items()
            }
        )
    return out


def _rms(shift: NDArray[np.float64], use: NDArray[np.bool_]) -> NDArray[np.float64]:
    known = use & np.isfinite(shift)
    rows = known.sum(axis=(1, 2, 3))
    squares = (np.where(known, shift, 0) ** 2).sum(axis=(1, 2, 3))
    return np.sqrt(_ratio(squares, rows))


def _nanmean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    return _ratio(np.where(known, values, 0).sum(axis=-1), count)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = part / np.where(whole > 0, whole, np.nan)
    return ratio


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
