"""Which head is chosen on the patients fitted on."""

import numpy as np
import pytest

from napari_haiku.analysis.outcome.mil import PooledRidge
from napari_haiku.analysis.outcome.mil_bags import Bags
from napari_haiku.analysis.outcome.mil_targets import ClassTarget, SurvivalTarget
from napari_haiku.analysis.outcome.survival_times import SurvivalTimes
from napari_haiku.evaluation.mil_selection import (
    STACKED,
    Predictions,
    _error,
    _simplest_good,
    fit_and_test,
)
from napari_haiku.jobs import run_job


def found(qualities, errors):
    return Predictions(
        inner={pair: [value] for pair, value in qualities.items()},
        errors={pair: [value] for pair, value in errors.items()},
    )


HEADS = [(source, method) for source in ("he", "mif", "he+mif") for method in ("mean", "attention")]


@pytest.mark.parametrize(
    ("best", "error", "chosen"),
    [
        # Clearly best: no simpler one comes near.
        (("he+mif", "attention"), 0.01, ("he+mif", "attention")),
        # Within one standard error the simplest is taken: one input, the first method.
        (("he+mif", "attention"), 0.08, ("he", "mean")),
        (("mif", "mean"), 0.01, ("mif", "mean")),
    ],
)
def test_the_simplest_within_one_standard_error(best, error, chosen):
    qualities = dict.fromkeys(HEADS, 0.65) | {best: 0.72}
    assert _simplest_good(found(qualities, dict.fromkeys(HEADS, error)), HEADS) == chosen


def test_fewer_inputs_go_before_earlier_methods():
    qualities = dict.fromkeys(HEADS, 0.5) | {("he+mif", "mean"): 0.7, ("mif", "attention"): 0.69}
    errors = dict.fromkeys(HEADS, 0.02)
    assert _simplest_good(found(qualities, errors), HEADS) == ("mif", "attention")


def test_an_error_that_cannot_be_told_counts_as_none():
    qualities = dict.fromkeys(HEADS, 0.5) | {("mif", "attention"): 0.7}
    assert _simplest_good(found(qualities, dict.fromkeys(HEADS, np.nan)), HEADS)[0] == "mif"


def test_where_nothing_can_be_told_it_is_the_first():
    nothing = dict.fromkeys(HEADS, np.nan)
    assert _simplest_good(found(nothing, nothing), HEADS) == HEADS[0]


def test_the_error_is_that_of_a_mean_over_folds():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 60)
    scores = np.column_stack([-labels, labels]) + rng.normal(0, 1.5, (120, 2))
    folds = np.repeat(np.arange(4), 30)
    target = ClassTarget(labels, 2)
    parts = [target.of(np.flatnonzero(folds == f)).quality(scores[folds == f]) for f in range(4)]
    assert _error(target, scores, folds) == pytest.approx(np.std(parts, ddof=1) / 2)
    assert np.isnan(_error(target, scores, np.zeros(120, int)))


def test_a_stack_sums_linear_heads_alone():
    rng = np.random.default_rng(0)
    hazard = rng.normal(size=80)
    times = SurvivalTimes.from_arrays(rng.exponential(1 / np.exp(2 * hazard)), np.ones(80))
    rows = np.column_stack([hazard, rng.normal(size=80)])
    bags = Bags(rows.astype(np.float32), np.ones(80, np.int64))
    methods = [PooledRidge("mean"), _Network()]
    job = fit_and_test(
        {"mif": bags},
        SurvivalTarget(times),
        {"mif": bags},
        methods=methods,
        stacks={"all": ["mif"]},
    )
    found = run_job(job)
    assert found.chosen == [("all", STACKED)]
    assert found.best.tolist() == found.scores["all", STACKED].tolist()
    # One head alone, but for its scale.
    alone = np.corrcoef(found.best[:, 0], found.scores["mif", "mean"][:, 0])[0, 1]
    assert alone == pytest.approx(1)


class _Network:
    """A method whose heads are not linear, and look perfect held out."""

    name = "network"
    settings = tuple(range(8))

    def path(self, train, target, held, seed):
        return [held.mean()[:, :1] ** 3] * 8

    def fit(self, train, target, setting, seed):
        return self

    def scores(self, bags):
        return bags.mean()[:, 1:]
