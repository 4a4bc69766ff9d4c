"""Task: do counterfactual shifts recover what is true of virtual patients, and do tests hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.marker_scale import marker_scale
from napari_haiku.analysis.counterfactual.contrast import Contrast, choose_groups, contrast_patients
from napari_haiku.analysis.counterfactual.idle_fields import fields_without_meaning
from napari_haiku.analysis.counterfactual.result_tables import write_parquet
from napari_haiku.analysis.retrieval.text_heads import enough_heads
from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg
from napari_haiku.analysis.statistics.patient_means import patient_niche_means
from napari_haiku.clinical import caption
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.counterfactual_bench import AREA, lay_out, true_edits
from napari_haiku.evaluation.counterfactual_coverage import Query, Repeats, repeat_over_atlases
from napari_haiku.evaluation.counterfactual_scores import REAL, ZERO, Truth, recovery
from napari_haiku.evaluation.counterfactual_tables import (
    BOTH,
    HEADS,
    PLACEBO_T,
    TableSettings,
    make_tables,
)
from napari_haiku.evaluation.figures import Figure
from napari_haiku.evaluation.resampling import PatientResampling
from napari_haiku.jobs import Job, Progress
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.counterfactual_bench import Bench, TrueEdit
    from napari_haiku.evaluation.counterfactual_tables import Tables
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.model.base import TissueModel

REPEATABLE = "repeatable.parquet"
LEVEL = 0.05
_MAX_EDITS = 6
_QUERIES = 4
_LEAST_ATLAS = 10
_KEYS = ["field", "from", "to", "niche", "marker"]


@dataclass(frozen=True)
class Recovered:
    """Everything that the figures are made from.

    Parameters
    ----------
    bench : Bench
        The cohort.
    edits : list of TrueEdit
        Edits asked about.
    truth : Truth
        What is true of them.
    tables : Tables
        Shifts and tests.
    contrasts : list of Contrast
        The atlas contrast of each edit.
    """

    bench: Bench
    edits: list[TrueEdit]
    truth: Truth
    tables: Tables
    contrasts: list[Contrast]


def run(
    cohort: EvaluationCohort, request: EvaluateRequest, settings: TableSettings | None = None
) -> Job[dict[str, Any]]:
    """Measure recovery, error under placebo, power and coverage on a virtual cohort.

    Parameters
    ----------
    cohort : EvaluationCohort
        A simulated cohort; atlases for the coverage are drawn from its `fit`
        cohort where there is one, else from itself.
    request : EvaluateRequest
        Seed, resamples and the folder for `repeatable.parquet`.
    settings : TableSettings, optional
        How the tables are made.

    Raises
    ------
    HaikuError
        No truth, no text tower, or nobody who carries an end of a true edit.
    """
    settings = settings or TableSettings(seed=request.seed)
    model = cohort.require_model()
    found = yield from recover(cohort, model, settings)
    patients = np.unique(found.tables.patient)
    resampling = PatientResampling(patients, seed=request.seed, resamples=request.resamples)
    out = recovery(
        found.tables,
        found.truth,
        np.stack([contrast.difference for contrast in found.contrasts]),
        resampling,
        patients,
        [edit.name for edit in found.edits],
        f"Slope of the shift on the truth; set by the weight of text "
        f"({settings.weights['text']:g}), K ({settings.k}) and the {len(found.bench.he):,} patches "
        "of the atlas: never an expected change.",
    )
    out |= _tests(found, model, request)
    out["supported"] = _supported(found, model)
    out["coverage"] = yield from _coverage(cohort, request, found, settings, model)
    return out


def recover(
    cohort: EvaluationCohort, model: TissueModel, settings: TableSettings
) -> Job[Recovered]:
    """Make every table that the figures need.

    Raises
    ------
    HaikuError
        As :func:`run`.
    """
    if cohort.truth is None:
        raise HaikuError(
            "There is no truth.parquet beside the manifest: counterfactuals can only be checked on "
            "a cohort that simulate wrote."
        )
    bench = yield from lay_out(cohort)
    edits = askable_edits(read_truth(cohort.truth), bench)
    truth = Truth.of(edits, bench)
    tables = yield from make_tables(bench, model, edits, settings)
    contrasts = []
    for done, edit in enumerate(edits):
        yield Progress(done, len(edits), "Comparing atlas patients", "edits")
        contrasts.append(_contrast(bench, model, edit, settings.seed))
    return Recovered(bench, edits, truth, tables, contrasts)


def read_truth(path: Path) -> pd.DataFrame:
    """Read true effects with the role of each row.

    Raises
    ------
    HaikuError
        The file cannot be read or lacks a column.
    """
    import pandas as pd

    try:
        truth = _plain(pd.read_parquet(path))
        beside = path.with_name("truth_rows.parquet")
        if "role" not in truth.columns and beside.is_file():
            rows = _plain(pd.read_parquet(beside))
            truth = truth.merge(rows[[*_KEYS, "role"]].drop_duplicates(_KEYS), on=_KEYS, how="left")
    except (OSError, ValueError) as error:
        raise HaikuError(f"{path.name} cannot be read: simulate the cohort again.") from error
    missing = [name for name in (*_KEYS, "kind", "true_shift", "role") if name not in truth.columns]
    if missing:
        raise HaikuError(
            f"{path.name} has no column {missing[0]}: simulate the cohort with this version."
        )
    truth["role"] = truth["role"].fillna("")
    return truth[truth["marker"] != AREA]


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Turn categories into plain text, which groups and joins without surprises."""
    named = table.select_dtypes("category").columns
    return table.astype(dict.fromkeys(named, object))


def askable_edits(truth: pd.DataFrame, bench: Bench) -> list[TrueEdit]:
    """Choose the edits to ask about: of each set of fields the one with most true effects.

    An edit needs three patients who carry one of its ends. One edit a set of
    fields keeps the average over edits from being an average over stages.
    """
    records = [bench.record(patient) for patient in range(bench.n_patients)]
    found = []
    for edit in true_edits(truth):
        real = int(((edit.rows["kind"] == "conditional") & (edit.rows["role"] == REAL)).sum())
        carried = sum(edit.asked_of(record) is not None for record in records)
        if real and carried >= 3:
            found.append((-real, edit.name, edit))
    if not found:
        raise HaikuError(
            "No edit of the truth has three patients who carry one of its ends: evaluate more "
            "virtual patients."
        )
    chosen: dict[tuple[str, ...], TrueEdit] = {}
    for _, _, edit in sorted(found, key=lambda one: one[:2]):
        chosen.setdefault(tuple(edit.before), edit)
    return list(chosen.values())[:_MAX_EDITS]


def _contrast(bench: Bench, model: TissueModel, edit: TrueEdit, seed: int) -> Contrast:
    means = patient_niche_means(
        bench.values,
        bench.patient,
        bench.niche,
        n_patients=bench.n_patients,
        n_niches=len(bench.niches),
    )
    comparison = choose_groups(
        bench.records,
        edit.before,
        edit.after,
        not_adjusted=fields_without_meaning(model.card),
    )
    return contrast_patients(means, comparison, seed=seed)


def _tests(found: Recovered, model: TissueModel, request: EvaluateRequest) -> dict[str, Any]:
    """Rates under placebo and power, for the p in use and for its alternatives."""
    tables, real_rows = found.tables, found.truth.role == REAL
    placebo, real = tables.edit < 0, tables.edit >= 0
    under_placebo = PatientResampling(
        tables.patient[placebo], seed=request.seed, resamples=request.resamples
    )
    under_real = PatientResampling(
        tables.patient[real], seed=request.seed, resamples=request.resamples
    )
    rates: dict[str, dict[str, Figure]] = {}
    for name, p in tables.p.items():
        called = np.array([_any_called(table) for table in p[placebo]])
        rows = np.array([_share_low(table) for table in p[placebo]])
        power = np.array(
            [
                _share_low(np.where(real_rows[edit], table, np.nan))
                for table, edit in zip(p[real], tables.edit[real], strict=True)
            ]
        )
        rates[name] = {
            "placebo_rate": under_placebo.mean(
                called, note="Share of tables (one placebo edit, one patient) with any q < 0.05."
            ),
            "placebo_row_rate": under_placebo.mean(
                rows, chance=LEVEL, note="Share of their rows with p < 0.05."
            ),
            "power": under_real.mean(
                power, chance=LEVEL, note="Share of real-effect rows with p < 0.05, one patient."
            ),
        }
    if not enough_heads(model):
        return {**rates[PLACEBO_T], "p_from": PLACEBO_T, "tests": rates}
    # q asks the placebo edits too.
    of_q = {"placebo_rate": rates[BOTH]["placebo_rate"]}
    return {**rates[HEADS], **of_q, "p_from": HEADS, "tests": rates}


def _supported(found: Recovered, model: TissueModel) -> dict[str, Figure]:
    """How many called rows have no effect of their own, before and after the contrast agrees."""
    tables = found.tables
    p = tables.p[BOTH if enough_heads(model) else PLACEBO_T]
    called, supported, zero, real = [], [], [], []
    for table, edit in enumerate(tables.edit):
        if edit < 0:
            continue
        contrast = found.contrasts[edit]
        with np.errstate(invalid="ignore"):
            low = benjamini_hochberg(p[table]) < LEVEL
            agrees = (contrast.p < LEVEL) & (
                np.sign(contrast.difference) == np.sign(tables.shift[table])
            )
        called.append(low)
        supported.append(low & agrees)
        zero.append(found.truth.role[edit] == ZERO)
        real.append((found.truth.role[edit] == REAL) & np.isfinite(tables.shift[table]))
    if not called:
        return {}
    marked, agreed, no_effect, effect = (np.stack(part) for part in (called, supported, zero, real))

    def share(part: NDArray[np.bool_], of: NDArray[np.bool_], note: str) -> Figure:
        n = int(of.sum())
        return Figure(float((part & of).sum() / n) if n else None, None, n, None, note)

    return {
        "zero_share_of_called": share(no_effect, marked, "Called (q < 0.05) without effect."),
        "zero_share_of_supported": share(no_effect, agreed, "Supported without effect."),
        "power_of_supported": share(agreed, effect, "Real-effect rows supported, one patient."),
    }


def _any_called(p: NDArray[np.float64]) -> float:
    q = benjamini_hochberg(p)
    return float((q[np.isfinite(q)] < LEVEL).any()) if np.isfinite(q).any() else float("nan")


def _share_low(p: NDArray[np.float64]) -> float:
    known = p[np.isfinite(p)]
    return float((known < LEVEL).mean()) if known.size else float("nan")


def _coverage(
    cohort: EvaluationCohort,
    request: EvaluateRequest,
    found: Recovered,
    settings: TableSettings,
    model: TissueModel,
) -> Job[Figure]:
    pool, inside = found.bench, True
    if cohort.fit is not None and cohort.fit.simulation_folder is not None:
        same = tuple(cohort.fit.atlas.markers) == tuple(cohort.atlas.markers)
        if same:
            pool = yield from lay_out(cohort.fit, marker_scale(cohort.atlas))
            inside = False
    there = len(np.unique(pool.patient))
    size = min(found.bench.n_patients, max(there // 30, min(there // 3, 40)))
    if size < _LEAST_ATLAS:
        return Figure(
            None,
            None,
            0,
            None,
            f"{there} patients are too few to draw atlases from: give a cohort with --fit.",
        )
    queries = _queries(found, settings, model, inside)
    repeats = yield from repeat_over_atlases(pool, queries, settings, size=size)
    write_parquet(
        request.output / REPEATABLE,
        repeats.table(queries, pool),
        {"seed": settings.seed, "disjoint": repeats.disjoint, "notice": RESEARCH_USE},
    )
    return coverage_figure(repeats, len(queries), request.seed)


def coverage_figure(repeats: Repeats, queries: int, seed: int) -> Figure:
    """Share of intervals that hold the repeatable shift, its interval over atlases."""
    covered = repeats.covered()
    resampling = PatientResampling(np.arange(len(covered)), seed=seed)
    kind = "disjoint atlases" if repeats.disjoint else "atlases drawn anew from one pool, each"
    figure = resampling.mean(
        covered,
        note=(
            f"Nominal 0.95; {queries} model-query pairs, {len(covered)} {kind} of "
            f"{repeats.atlas_patients} patients; covers the repeatable shift, not the truth."
        ),
    )
    rows = int(np.isfinite(repeats.low).sum())
    return Figure(figure.value, figure.ci, rows, None, figure.note)


def _queries(
    found: Recovered, settings: TableSettings, model: TissueModel, inside: bool
) -> list[Query]:
    """Choose a few patients, each with one edit, taking turns."""
    bench, queries = found.bench, []
    wanted = [place % len(found.edits) for place in range(_QUERIES)]
    free = set(np.unique(found.tables.patient).tolist())
    for place in wanted:
        edit = found.edits[place]
        asked = found.tables.patient[found.tables.edit == place]
        patient = next((int(one) for one in asked if int(one) in free), None)
        told = None if patient is None else edit.asked_of(bench.record(patient))
        if patient is None or told is None:
            continue
        free.discard(patient)
        rows = bench.patches(patient, settings.patches_a_niche)
        texts = model.encode_text([caption(told[0]), caption(told[1])])
        queries.append(
            Query(edit.name, patient if inside else -1, bench.he[rows], bench.niche[rows], texts)
        )
    return queries
