"""Real cohorts through the code that MIL survival uses, beside lifelines."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from napari_haiku.analysis.outcome.survival import cox_regression
from napari_haiku.analysis.outcome.survival_curves import kaplan_meier, log_rank
from napari_haiku.analysis.outcome.survival_times import read_survival

pytestmark = pytest.mark.real_data


@dataclass(frozen=True)
class Case:
    """A question to a real cohort; the figures are those of lifelines 0.30.0 run to the end."""

    covariates: tuple[str, ...]
    columns: dict[str, str]
    patients: int
    deaths: int
    coef: tuple[float, ...]
    se: tuple[float, ...]
    c_index: float
    log_rank: float
    log_rank_p: float
    median: float


CASES = {
    "orion_pfs": Case(
        ("mean_CD8ap", "mean_Pan_CKp"),
        {"time": "PFSDays", "censor": "PFSCensor"},
        27,
        17,
        (-25.328449, 0.116091),
        (13.165750, 2.152341),
        0.6892430278884463,
        6.833443683647987,
        0.00894666104245064,
        653.0,
    ),
    "orion_os": Case(
        ("mean_CD8ap", "Age"),
        {"time": "OSDays", "censor": "OSCensor"},
        27,
        9,
        (-24.599567, 0.018450),
        (16.570432, 0.026993),
        0.7529411764705882,
        2.5599491805399217,
        0.10960210654694306,
        float("inf"),
    ),
    "nsclc": Case(
        ("frac_cd8", "age", "male"),
        {"time": "survival_days"},
        35,
        23,
        (14.021113, 0.045417, 0.166307),
        (8.607566, 0.021843, 0.425696),
        0.6935123042505593,
        0.014817870947546864,
        0.9031139006938775,
        2561.0,
    ),
}


def table_of(name: str, real_data) -> pd.DataFrame:
    if name == "nsclc":
        table = pd.read_csv(real_data / "nsclc_vectra_survival" / "patients_survival.csv")
        return table.assign(male=(table["gender"] == "M").astype(float))
    folder = real_data / "orion_crc_cohort"
    features = pd.read_csv(folder / "marker_features.csv")
    return pd.read_csv(folder / "clinical_survival.csv").merge(features, on="patient")


@pytest.fixture(params=CASES)
def asked(request, real_data):
    case, table = CASES[request.param], table_of(request.param, real_data)
    times = read_survival(table, **case.columns)
    x = table[list(case.covariates)].iloc[times.rows].astype(float).reset_index(drop=True)
    return case, times, x


def test_figures_of_real_cohorts(asked):
    case, times, x = asked
    assert (len(times), times.n_events, times.n_missing) == (case.patients, case.deaths, 0)
    fitted = cox_regression(x, times)
    np.testing.assert_allclose(fitted.table["coef"], case.coef, atol=1e-6)
    np.testing.assert_allclose(fitted.table["se"], case.se, atol=1e-6)
    assert fitted.c_index == pytest.approx(case.c_index, abs=1e-6)
    assert kaplan_meier(times).median == case.median
    high = (x.iloc[:, 0] >= x.iloc[:, 0].median()).to_numpy()
    test = log_rank(times, high)
    assert test.statistic == pytest.approx(case.log_rank, abs=1e-6)
    assert test.p == pytest.approx(case.log_rank_p, abs=1e-6)


def test_lifelines_says_the_same(asked):
    lifelines = pytest.importorskip("lifelines", reason="compared with lifelines where installed")
    from lifelines.statistics import multivariate_logrank_test

    _, times, x = asked
    fitted = cox_regression(x, times)
    high = (x.iloc[:, 0] >= x.iloc[:, 0].median()).to_numpy()
    with warnings.catch_warnings():
        # Its releases still use arguments that pandas has deprecated.
        warnings.simplefilter("ignore")
        peer = lifelines.CoxPHFitter().fit(
            x.assign(t=times.time, e=times.event),
            "t",
            "e",
            fit_options={"precision": 1e-13, "r_precision": 1e-15},
        )
        curve = lifelines.KaplanMeierFitter().fit(times.time, times.event)
        test = multivariate_logrank_test(times.time, high, times.event)
    np.testing.assert_allclose(fitted.table["coef"], peer.params_, atol=1e-6)
    np.testing.assert_allclose(fitted.table["se"], peer.summary["se(coef)"], atol=1e-6)
    np.testing.assert_allclose(fitted.table["p"], peer.summary["p"], atol=1e-6)
    assert fitted.log_likelihood == pytest.approx(peer.log_likelihood_, abs=1e-6)
    assert fitted.c_index == pytest.approx(peer.concordance_index_, abs=1e-6)
    ours = kaplan_meier(times)
    theirs = curve.survival_function_["KM_estimate"].reindex(ours.time).ffill()
    np.testing.assert_allclose(ours.survival, theirs, atol=1e-6)
    assert log_rank(times, high).p == pytest.approx(test.p_value, abs=1e-6)
