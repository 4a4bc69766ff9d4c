"""Tables of shifts of virtual patients, under real and placebo edits, with every test of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from napari_haiku.analysis.biomarkers.readout import niche_means
from napari_haiku.analysis.counterfactual.placebo import compare_with_placebo, plan_placebo_edits
from napari_haiku.analysis.counterfactual.published_test import wilcoxon_over_patches
from napari_haiku.analysis.retrieval.text_heads import enough_heads
from napari_haiku.analysis.retrieval.text_reranking import (
    Gallery,
    candidates_under_captions,
    mean_of_chosen,
    rank_under_captions,
)
from napari_haiku.analysis.statistics.intervals import Candidates, bootstrap_patients
from napari_haiku.clinical import caption
from napari_haiku.evaluation.counterfactual_heads import heads_tables
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_haiku.clinical import Record
    from napari_haiku.evaluation.counterfactual_bench import Bench, TrueEdit
    from napari_haiku.model.base import TissueModel

# BOTH: the larger p of the two, from which q is made.
HEADS, PLACEBO_T, BOTH = "refitted_heads", "placebo_t", "heads_and_placebo"
# Heads and atlas bootstrap simply added up, which counts twice what they share.
SUMMED = "heads_plus_atlas"
ATLAS, BLOCKS, NAIVE = "atlas_bootstrap", "tissue_blocks", "wilcoxon_over_patches"
MIN_PATCHES = 5
_CANDIDATES = 6
_BLOCK_UM = 200.0
_FLIPS = 499


@dataclass(frozen=True)
class TableSettings:
    """How the tables are made.

    Parameters
    ----------
    weights : dict
        Weights of H&E and text.
    k : int
        Neighbours.
    query_patients : int
        Patients asked about, at most.
    patches_a_niche : int
        Patches of each niche of a patient, at most.
    placebo_tables : int
        Tables under a placebo edit, at least.
    resamples, interval_resamples : int
        Resampled atlases behind each error, and behind each interval.
    seed : int
        Seed of everything drawn.
    """

    weights: dict[str, float] = field(default_factory=lambda: {"he": 0.6, "text": 0.4})
    k: int = 50
    query_patients: int = 60
    patches_a_niche: int = 20
    placebo_tables: int = 200
    resamples: int = 200
    interval_resamples: int = 500
    seed: int = 0


@dataclass(frozen=True)
class Tables:
    """One table an edit and patient, laid one over the other.

    Parameters
    ----------
    shift : ndarray of float64, shape (tables, niches, markers)
        In SD, turned so that every edit reads from its first end to its second.
    p : dict of str to ndarray, the same shape
        By test; NaN where not estimable.
    edit : ndarray of int64, shape (tables,)
        Which real edit, -1 for a placebo edit.
    patient : ndarray of int64, shape (tables,)
        Who was asked about.
    """

    shift: NDArray[np.float64]
    p: dict[str, NDArray[np.float64]]
    edit: NDArray[np.int64]
    patient: NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """One edit put to one patient."""

    edit: int
    before: str
    after: str
    sign: int


def make_tables(
    bench: Bench, model: TissueModel, edits: Sequence[TrueEdit], settings: TableSettings
) -> Job[Tables]:
    """Shift every real edit, and enough placebo edits, on the tissue of virtual patients.

    A patient is asked about the real edits of which the record carries one end,
    and about a few placebo edits of the same number of fields. The patient's own
    tissue never answers.

    Parameters
    ----------
    bench : Bench
        The cohort.
    model : TissueModel
        Reads the captions; its card names the fields without meaning.
    edits : sequence of TrueEdit
        The real edits.
    settings : TableSettings
        How.
    """
    rng = np.random.default_rng([settings.seed, 11])
    there = np.unique(bench.patient[bench.niche >= 0])
    asked_about = np.sort(rng.permutation(there)[: settings.query_patients])
    each = ceil(settings.placebo_tables / max(1, len(asked_about)))
    made = []
    for done, patient in enumerate(asked_about):
        yield Progress(done, len(asked_about), "Asking about virtual patients", "patients")
        one = yield from _tables_of(bench, model, edits, settings, int(patient), each)
        if one is not None:
            made.append(one)
    names = list(made[0].p) if made else []
    return Tables(
        np.concatenate([one.shift for one in made]),
        {name: np.concatenate([one.p[name] for one in made]) for name in names},
        np.concatenate([one.edit for one in made]),
        np.concatenate([one.patient for one in made]),
    )


def _tables_of(
    bench: Bench,
    model: TissueModel,
    edits: Sequence[TrueEdit],
    settings: TableSettings,
    patient: int,
    placebo_tables: int,
) -> Job[Tables | None]:
    rows = bench.patches(patient, settings.patches_a_niche)
    record = bench.record(patient)
    asked = _real(edits, record)
    fields = {len(edit.before) for edit in edits} or {1}
    placebos, df = _placebos(bench, model, record, sorted(fields), [settings.seed, patient])
    asked += placebos[:placebo_tables]
    if not len(rows) or not asked:
        return None
    gallery, numbers = bench.gallery(without=patient), tuple(range(len(bench.niches)))
    he, niches = bench.he[rows], bench.niche[rows]
    words = list(dict.fromkeys(w for one in (*asked, *placebos) for w in (one.before, one.after)))
    place = {caption_: number for number, caption_ in enumerate(words)}
    pairs = np.array([[place[one.before], place[one.after]] for one in asked])
    texts = model.encode_text(words)
    reads = np.stack(
        [
            mean_of_chosen(found, bench.values)
            for found in rank_under_captions(he, gallery, settings.weights, texts, settings.k)
        ]
    )
    change = reads[:, pairs[:, 1]] - reads[:, pairs[:, 0]]
    shift = np.stack([_means(change[:, edit], niches, numbers) for edit in range(len(asked))])
    null = np.stack(
        [
            _means(reads[:, place[one.after]] - reads[:, place[one.before]], niches, numbers)
            for one in placebos
        ]
        or [np.empty((0,))]
    )
    error = yield from atlas_errors(
        bench, rows, gallery.rows, texts, pairs, settings, numbers=numbers
    )
    p = {
        NAIVE: _stack(
            wilcoxon_over_patches(c, niches, numbers, MIN_PATCHES) for c in _each(change)
        ),
        BLOCKS: _stack(
            _blocks_p(c, bench.positions_um[rows], niches, numbers, settings.seed)
            for c in _each(change)
        ),
        # An edit that exchanges no neighbour has neither shift nor error.
        ATLAS: 2 * stats.norm.sf(np.abs(shift) / np.where(error > 0, error, np.nan)),
        PLACEBO_T: _placebo_t(shift, null, asked, placebos, df),
    }
    p[HEADS] = p[SUMMED] = np.full(shift.shape, np.nan)
    if enough_heads(model):
        p[HEADS], p[SUMMED] = yield from heads_tables(
            he,
            gallery,
            settings.weights,
            # Words of the edits asked about come first.
            model.encode_text_heads(words[: int(pairs.max()) + 1]),
            pairs,
            settings.k,
            niches,
            _numbered(bench, gallery.rows),
            shift,
            error,
            niche_numbers=numbers,
            least=MIN_PATCHES,
        )
    p[BOTH] = np.where(np.isfinite(p[HEADS]), np.fmax(p[HEADS], p[PLACEBO_T]), np.nan)
    sign = np.array([one.sign for one in asked])
    return Tables(
        shift * sign[:, None, None],
        p,
        np.array([one.edit for one in asked]),
        np.full(len(asked), patient),
    )


def _real(edits: Sequence[TrueEdit], record: Record) -> list[Asked]:
    asked = []
    for number, edit in enumerate(edits):
        found = edit.asked_of(record)
        if found is not None:
            before, after, sign = found
            asked.append(Asked(number, caption(before), caption(after), sign))
    return asked


def _placebos(
    bench: Bench,
    model: TissueModel,
    record: Record,
    fields: Sequence[int],
    seed: Sequence[int],
) -> tuple[list[Asked], int]:
    """Placebo edits in random order, of as many fields as the real ones, and their directions."""
    known = model.card.get("placebo_fields") or {}
    rng = np.random.default_rng([*seed, 5])
    counts = {
        name: bench.records.values[name].value_counts().to_dict()
        for name in known
        if name in bench.records.values
    }
    half = max(1, bench.n_patients // 2)
    found: list[Asked] = []
    df = 0
    for n_fields in fields:
        plan = plan_placebo_edits(
            record,
            known,
            n_fields=n_fields,
            edited_fields=(),
            patients_per_level=counts,
            edit_patients=(half, half),
            seed=int(rng.integers(2**31)),
        )
        df = max(df, plan.df)
        found += [Asked(-1, caption(one.before), caption(one.after), 1) for one in plan.edits]
    return [found[place] for place in rng.permutation(len(found))], df


def _placebo_t(
    shift: NDArray[np.float64],
    null: NDArray[np.float64],
    asked: Sequence[Asked],
    placebos: Sequence[Asked],
    df: int,
) -> NDArray[np.float64]:
    """Placebo-scaled p; a placebo edit that is itself tested is no part of its own scale."""
    if len(placebos) < 3:
        return np.full(shift.shape, np.nan)
    out = []
    for number, one in enumerate(asked):
        others = [place for place, other in enumerate(placebos) if other != one]
        out.append(compare_with_placebo(shift[number], null[others], df).p)
    return np.stack(out)


def atlas_errors(
    bench: Bench,
    rows: NDArray[np.int64],
    allowed: NDArray[np.int64],
    texts: NDArray[np.float32],
    pairs: NDArray[np.int64],
    settings: TableSettings,
    *,
    numbers: Sequence[int],
) -> Job[NDArray[np.float64]]:
    """Estimate the error of each shift over atlas patients, (edits, niches, markers)."""
    allowed_patient = _numbered(bench, allowed)
    used = np.unique(pairs)
    wide = widest(bench.he[rows], bench, allowed, texts[used], settings)
    at = {caption_: place for place, caption_ in enumerate(used)}
    errors = []
    for before, after in pairs:
        bootstrap = yield from bootstrap_patients(
            Candidates(wide[at[before]], settings.k),
            Candidates(wide[at[after]], settings.k),
            bench.values,
            allowed_patient,
            bench.niche[rows],
            niche_numbers=numbers,
            resamples=settings.resamples,
            seed=settings.seed,
        )
        errors.append(bootstrap.error(np.zeros(bootstrap.shifts.shape[:2])))
    return np.stack(errors)


def _numbered(bench: Bench, allowed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Patient of each row as a number from 0, -1 for those that may not answer."""
    numbers = np.full(len(bench.patient), -1, np.int64)
    _, numbers[allowed] = np.unique(bench.patient[allowed], return_inverse=True)
    return numbers


def widest(
    he: NDArray[np.float32],
    bench: Bench,
    allowed: NDArray[np.int64],
    texts: NDArray[np.float32],
    settings: TableSettings,
) -> NDArray[np.int64]:
    """Best 6 k candidates of each patch under each caption, best first, -1 for none."""
    return candidates_under_captions(
        he,
        Gallery(bench.mif, bench.values, allowed),
        settings.weights,
        texts,
        _CANDIDATES * settings.k,
    )


def _blocks_p(
    change: NDArray[np.float64],
    centres_um: NDArray[np.float64],
    niches: NDArray[np.int64],
    numbers: Sequence[int],
    seed: int,
) -> NDArray[np.float64]:
    """Turn the sign of whole blocks of tissue at random; NaN with fewer than five blocks."""
    p = np.full((len(numbers), change.shape[1]), np.nan)
    cells = np.floor(np.asarray(centres_um) / _BLOCK_UM).astype(np.int64)
    rng = np.random.default_rng([seed, 13])
    for place, number in enumerate(numbers):
        here = niches == number
        if here.sum() < MIN_PATCHES:
            continue
        _, block = np.unique(cells[here], axis=0, return_inverse=True)
        sums = np.zeros((int(block.max()) + 1, change.shape[1]))
        np.add.at(sums, block.ravel(), np.nan_to_num(change[here]))
        if len(sums) < 5:
            continue
        flips = rng.choice([-1.0, 1.0], size=(_FLIPS, len(sums)))
        reached = (np.abs(flips @ sums) >= np.abs(sums.sum(axis=0)) * (1 - 1e-9)).sum(axis=0)
        p[place] = (1 + reached) / (1 + _FLIPS)
    return p


def _means(
    change: NDArray[np.float64], niches: NDArray[np.int64], numbers: Sequence[int]
) -> NDArray[np.float64]:
    return niche_means(change, niches, numbers, MIN_PATCHES)


def _each(change: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [change[:, edit] for edit in range(change.shape[1])]


def _stack(parts: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.stack(list(parts))
