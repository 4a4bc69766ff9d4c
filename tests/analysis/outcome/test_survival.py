import numpy as np
import pandas as pd
import pytest
from library_cases import goldens, in_thirds, survival_cohort

from napari_haiku.analysis.outcome.survival import RiskSets, cox_regression, ridge_cox
from napari_haiku.analysis.outcome.survival_concordance import (
    c_index,
    comparable_pairs,
    concordance,
)
from napari_haiku.analysis.outcome.survival_curves import kaplan_meier, log_rank
from napari_haiku.analysis.outcome.survival_times import SurvivalTimes
from napari_haiku.errors import HaikuError


def cohort(seed: int = 0, n: int = 120, *, ties: bool = True) -> tuple[pd.DataFrame, SurvivalTimes]:
    x, time, event = survival_cohort(seed, n, ties=ties)
    return x, SurvivalTimes.from_arrays(time, event)


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cox_agrees_with_lifelines(seed, ties):
    theirs = goldens()["cox"][f"{seed} {'ties' if ties else 'apart'}"]
    ours = cox_regression(*cohort(seed, ties=ties))
    for name in ("coef", "se", "hazard_ratio", "ci_low", "ci_high", "p"):
        np.testing.assert_allclose(ours.table[name], theirs[name], rtol=1e-6, atol=1e-6)
    assert ours.log_likelihood == pytest.approx(theirs["log_likelihood"], abs=1e-6)
    assert ours.c_index == pytest.approx(theirs["c_index"], abs=1e-6)
    assert ours.p == pytest.approx(theirs["whole_p"], abs=1e-6)


@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_ridge_agrees_with_lifelines(penalty):
    x, times = cohort(3)
    x = (x - x.mean()) / x.std()
    ours = ridge_cox(x.to_numpy(), RiskSets(times), penalty)
    np.testing.assert_allclose(ours, goldens()["ridge"][str(penalty)], atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_curves_log_rank_and_c_index_agree_with_lifelines(seed):
    theirs = goldens()["curve"][str(seed)]
    x, times = cohort(seed, 60)
    ours = kaplan_meier(times)
    for name, side in (("survival", ours.survival), ("low", ours.ci_low), ("high", ours.ci_high)):
        peer = pd.Series(theirs[name], theirs["time"])
        # Their limits have no value before the first death.
        there = peer.reindex(ours.time).ffill()[1:]
        np.testing.assert_allclose(side[1:], there, atol=1e-6)
    assert ours.median == theirs["median"]
    for groups, (statistic, p) in zip(
        ((x["stage"] > 0).to_numpy(), in_thirds(x)), theirs["log_rank"], strict=True
    ):
        mine = log_rank(times, groups)
        assert mine.statistic == pytest.approx(statistic, abs=1e-6)
        assert mine.p == pytest.approx(p, abs=1e-6)
    risks = (x["stage"].to_numpy(), x["stage"].round().to_numpy())
    for risk, value in zip(risks, theirs["c_index"], strict=True):
        assert c_index(times, risk) == pytest.approx(value, abs=1e-12)


def test_curve_agrees_with_scipy():
    from scipy.stats import CensoredData, ecdf

    _, times = cohort(5, 60)
    peer = ecdf(CensoredData.right_censored(times.time, ~times.event)).sf
    ours = kaplan_meier(times)
    at = np.searchsorted(ours.time, peer.quantiles)
    np.testing.assert_allclose(ours.survival[at], peer.probabilities, atol=1e-12)


def test_information_is_the_curvature_of_the_likelihood():
    x, times = cohort(6, 40)
    values, sets = x.to_numpy() / x.to_numpy().std(0), RiskSets(times)
    values = values - values.mean(0)
    beta = np.array([0.3, -0.2, 0.1])
    gradient, information = sets.derivatives(values, values @ beta)
    for place, unit in enumerate(np.eye(3) * 1e-5):
        up, down = (values @ (beta + sign * unit) for sign in (1, -1))
        slope = (sets.log_likelihood(up) - sets.log_likelihood(down)) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-5)
        bend = sets.derivatives(values, up)[0] - sets.derivatives(values, down)[0]
        np.testing.assert_allclose(information[place], -bend / 2e-5, rtol=1e-5, atol=1e-5)


def test_a_perfect_risk_and_its_reverse():
    times = SurvivalTimes.from_arrays([1, 2, 3, 4], [1, 1, 1, 0])
    assert c_index(times, [4, 3, 2, 1]) == 1
    assert c_index(times, [1, 2, 3, 4]) == 0
    assert c_index(times, [0, 0, 0, 0]) == 0.5
    assert comparable_pairs(times) == 6


def test_strata_are_not_compared_with_each_other():
    times = SurvivalTimes.from_arrays([1, 2, 3, 4], [1, 1, 1, 1])
    risk = np.array([10, 9, 100, 99])
    assert c_index(times, risk, np.array([0, 0, 1, 1])) == 1
    assert c_index(times, risk) < 1


def test_the_interval_covers_the_value_and_repeats():
    x, times = cohort(7)
    first, second = (concordance(times, x["stage"].to_numpy(), seed=3) for _ in range(2))
    assert first == second
    assert first.ci_low < first.value < first.ci_high
    assert first.ci_low > 0.5


def test_infinite_risk_is_refused():
    _, times = cohort(0, 10)
    with pytest.raises(HaikuError, match="one finite risk a patient"):
        c_index(times, np.full(10, np.nan))


def test_constant_and_missing_covariates_are_named():
    x, times = cohort(0)
    with pytest.raises(HaikuError, match="Column 'site' is the same for every patient"):
        cox_regression(x.assign(site=1.0), times)
    with pytest.raises(HaikuError, match="Row 3, column 'stage': 'IV' is no number"):
        cox_regression(x.assign(stage=["1", "2", "IV", *["2"] * (len(x) - 3)]), times)
    with pytest.raises(HaikuError, match="one row of covariates a patient"):
        cox_regression(x.iloc[:5], times)


def test_separation_is_refused_not_reported():
    times = SurvivalTimes.from_arrays(np.arange(1, 21), np.arange(20) < 10)
    with pytest.raises(HaikuError, match="no finite answer"):
        cox_regression(pd.DataFrame({"early": (np.arange(20) < 10).astype(float)}), times)
    x, follow = cohort(0)
    with pytest.raises(HaikuError, match="no finite answer"):
        cox_regression(x.assign(again=x["stage"]), follow)


def test_log_rank_needs_two_groups():
    _, times = cohort(0)
    with pytest.raises(HaikuError, match="at least two groups"):
        log_rank(times, np.zeros(len(times)))


def test_curve_starts_at_one_and_counts():
    curve = kaplan_meier(SurvivalTimes.from_arrays([2, 2, 3, 5], [1, 0, 1, 0]))
    np.testing.assert_allclose(curve.time, [0, 2, 3, 5])
    np.testing.assert_allclose(curve.survival, [1, 0.75, 0.375, 0.375])
    assert curve.at_risk.tolist() == [4, 4, 2, 1]
    assert curve.censored.tolist() == [0, 1, 0, 1]
    assert curve.median == 3
