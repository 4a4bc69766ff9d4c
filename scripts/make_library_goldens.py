"""Ask squidpy, statsmodels and lifelines about the cases of tests/library_cases.py.

Their answers are committed, so that agreement is tested where none of them is installed (lifelines
excludes pandas 3). Ask them again in an environment of its own:

    python -m venv work/libraries
    work/libraries/bin/pip install squidpy statsmodels lifelines
    work/libraries/bin/python scripts/make_library_goldens.py [--check]

--check compares with the committed file instead of writing it.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from library_cases import (
    FILE,
    in_thirds,
    niche_grid,
    p_values,
    stage_cohort,
    survival_cohort,
)

# lifelines' own stopping rule leaves up to 1e-4 of a coefficient.
TO_THE_END = {"precision": 1e-13, "r_precision": 1e-15}


def neighbourhoods() -> dict[str, Any]:
    import anndata
    import squidpy

    found = {}
    for seed in (0, 1):
        centres, labels = niche_grid(seed)
        table = anndata.AnnData(np.zeros((len(labels), 1)))
        table.obs["niche"] = pd.Categorical(labels)
        table.obsm["spatial"] = centres
        squidpy.gr.spatial_neighbors(table, coord_type="generic", radius=150.0)
        squidpy.gr.nhood_enrichment(table, "niche", n_perms=5000, seed=0, show_progress_bar=False)
        theirs = table.uns["niche_nhood_enrichment"]
        found[str(seed)] = {
            "count": np.asarray(theirs["count"]).astype(int).tolist(),
            "zscore": np.asarray(theirs["zscore"]).tolist(),
        }
    return found


def multiple_testing() -> list[float]:
    from statsmodels.stats.multitest import multipletests

    p = p_values()
    return multipletests(p[np.isfinite(p)], method="fdr_bh")[1].tolist()


def least_squares() -> dict[str, float]:
    import statsmodels.api as sm

    table = stage_cohort()
    design = [table["stage"] == "IV", table["sex"] == "m", table["age"]]
    fitted = sm.OLS(table["y"], sm.add_constant(np.column_stack(design).astype(float))).fit()
    low, high = np.asarray(fitted.conf_int())[1]
    params, p = np.asarray(fitted.params), np.asarray(fitted.pvalues)
    return {"difference": params[1], "low": low, "high": high, "p": p[1]}


def cox(seed: int, *, ties: bool) -> dict[str, Any]:
    from lifelines import CoxPHFitter

    x, time, event = survival_cohort(seed, ties=ties)
    peer = CoxPHFitter().fit(x.assign(t=time, e=event), "t", "e", fit_options=TO_THE_END)
    columns = {
        "coef": "coef",
        "se": "se(coef)",
        "hazard_ratio": "exp(coef)",
        "ci_low": "exp(coef) lower 95%",
        "ci_high": "exp(coef) upper 95%",
        "p": "p",
    }
    return {
        **{ours: peer.summary[theirs].tolist() for ours, theirs in columns.items()},
        "log_likelihood": peer.log_likelihood_,
        "c_index": peer.concordance_index_,
        "whole_p": float(peer.log_likelihood_ratio_test().p_value),
    }


def ridge(penalty: float) -> list[float]:
    from lifelines import CoxPHFitter

    x, time, event = survival_cohort(3)
    x = (x - x.mean()) / x.std()
    peer = CoxPHFitter(penalizer=penalty)
    peer.fit(x.assign(t=time, e=event), "t", "e", fit_options=TO_THE_END)
    return peer.params_.tolist()


def curve(seed: int) -> dict[str, Any]:
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test
    from lifelines.utils import concordance_index

    x, time, event = survival_cohort(seed, 60)
    peer = KaplanMeierFitter().fit(time, event)
    limits = peer.confidence_interval_survival_function_
    tests = [
        multivariate_logrank_test(time, groups, event)
        for groups in ((x["stage"] > 0).to_numpy(), in_thirds(x))
    ]
    risks = (x["stage"].to_numpy(), x["stage"].round().to_numpy())
    return {
        "time": limits.index.tolist(),
        "survival": peer.survival_function_["KM_estimate"].reindex(limits.index).tolist(),
        "low": limits.iloc[:, 0].tolist(),
        "high": limits.iloc[:, 1].tolist(),
        "median": float(peer.median_survival_time_),
        "log_rank": [[float(one.test_statistic), float(one.p_value)] for one in tests],
        "c_index": [concordance_index(time, -risk, event) for risk in risks],
    }


def ask() -> dict[str, Any]:
    with warnings.catch_warnings():
        # Their releases still use what pandas and zarr have deprecated.
        warnings.simplefilter("ignore")
        return {
            "versions": {
                name: version(name) for name in ("squidpy", "statsmodels", "lifelines", "numpy")
            },
            "neighbourhood": neighbourhoods(),
            "benjamini_hochberg": multiple_testing(),
            "least_squares": least_squares(),
            "cox": {
                f"{seed} {'ties' if ties else 'apart'}": cox(seed, ties=ties)
                for seed in (0, 1, 2)
                for ties in (True, False)
            },
            "ridge": {str(penalty): ridge(penalty) for penalty in (0.01, 1.0)},
            "curve": {str(seed): curve(seed) for seed in (0, 1, 2, 3)},
        }


def apart(one: Any, other: Any, where: str = "") -> list[str]:
    """Places where two answers differ by more than 1e-6."""
    if isinstance(one, dict):
        keys = sorted(set(one) | set(other))
        return [line for k in keys for line in apart(one.get(k), other.get(k), f"{where}/{k}")]
    if isinstance(one, list):
        if len(one) != len(other):
            return [where]
        return [
            line
            for i, pair in enumerate(zip(one, other, strict=True))
            for line in apart(*pair, f"{where}/{i}")
        ]
    same = one == other or (
        not isinstance(one, str) and bool(np.isclose(one, other, rtol=1e-6, atol=1e-6))
    )
    return [] if same else [f"{where}: {one}, committed {other}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    found = json.loads(json.dumps(ask()))
    if given.check:
        kept = json.loads(FILE.read_text())
        differing = apart({**found, "versions": {}}, {**kept, "versions": {}})
        sys.stdout.write("\n".join(differing) or "As committed.")
        sys.stdout.write("\n")
        return int(bool(differing))
    FILE.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
