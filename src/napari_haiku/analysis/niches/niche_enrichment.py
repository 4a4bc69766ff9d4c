"""Which markers stand out in which niche, and the names that follow from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg
from napari_haiku.analysis.statistics.patient_means import patient_niche_means

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

MIN_PATCHES = 5
ENRICHED_EFFECT = 0.3
COLUMNS = (
    "niche",
    "name",
    "marker",
    "n",
    "n_rest",
    "mean",
    "mean_rest",
    "effect",
    "p",
    "p_welch",
    "q",
)
PATIENT_COLUMNS = ("patients", "difference_patients", "p_patients", "q_patients")
# With fewer the smallest p that a signed-rank test can give is above 0.05.
MIN_PATIENTS = 6
CAUTION = (
    "p and q compare patches of these slides with each other; neighbouring patches are not "
    "independent, so they describe this tissue and are no evidence beyond it. p_patients and "
    "q_patients compare patients; they too belong to niches that were found on the same tissue."
)


def enrichment_table(
    labels: NDArray[np.int64], values: NDArray[Any], markers: Sequence[str], niches: Sequence[int]
) -> pd.DataFrame:
    """Compare each niche with the rest of the tissue, marker by marker.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Niche of each patch.
    values : ndarray, shape (n, markers)
        Marker values, NaN where there is none.
    markers : sequence of str
        Their names.
    niches : sequence of int
        Niches in the order wanted.

    Returns
    -------
    DataFrame
        One row a niche and marker: patches and means inside and outside, Cohen's
        d, the p of Mann and Whitney and of Welch, and q (Benjamini and Hochberg
        over the table, of the former). Figures are NaN with fewer than five
        patches on a side; tests and effect also where a marker is constant.
    """
    import pandas as pd

    rows = []
    for niche in niches:
        inside = labels == niche
        for column, marker in enumerate(markers):
            known = np.isfinite(values[:, column])
            rows.append(
                {
                    "niche": int(niche),
                    "name": "",
                    "marker": marker,
                    **_compare(
                        np.asarray(values[inside & known, column], np.float64),
                        np.asarray(values[~inside & known, column], np.float64),
                    ),
                }
            )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["q"] = benjamini_hochberg(table["p"].to_numpy(np.float64))
    return table


def with_patients(
    table: pd.DataFrame,
    labels: NDArray[np.int64],
    values: NDArray[Any],
    markers: Sequence[str],
    patients: NDArray[np.int64],
) -> pd.DataFrame:
    """Add the comparison whose units are patients.

    Parameters
    ----------
    table : DataFrame
        From :func:`enrichment_table`.
    labels, values, markers
        As there.
    patients : ndarray of int64, shape (n,)
        Patient of each patch as a number from 0.

    Returns
    -------
    DataFrame
        With `patients`, how many have three patches inside and outside;
        `difference_patients`, the mean over them of the inside's mean less the
        outside's; `p_patients` by Wilcoxon's signed-rank test and `q_patients`,
        NaN with fewer than six patients.
    """
    n_patients = int(patients.max(initial=-1)) + 1
    rows: list[tuple[float, float, float]] = []
    for niche in dict.fromkeys(table["niche"]):
        places = np.where(labels == niche, 1, 0)
        means = patient_niche_means(values, patients, places, n_patients=n_patients, n_niches=2)
        change = means[:, 1] - means[:, 0]
        rows.extend(_signed_rank(change[:, column]) for column in range(len(markers)))
    added = np.array(rows, np.float64).reshape(-1, 3)
    table = table.copy()
    table["patients"] = added[:, 0].astype(np.int64)
    table["difference_patients"] = added[:, 1]
    table["p_patients"] = added[:, 2]
    table["q_patients"] = benjamini_hochberg(added[:, 2])
    return table


def _signed_rank(change: NDArray[np.float64]) -> tuple[float, float, float]:
    known = change[np.isfinite(change)]
    if not len(known):
        return 0, math.nan, math.nan
    if len(known) < MIN_PATIENTS or not known.any():
        return len(known), float(known.mean()), math.nan
    return len(known), float(known.mean()), float(stats.wilcoxon(known).pvalue)


def _compare(here: NDArray[np.float64], rest: NDArray[np.float64]) -> dict[str, float]:
    row: dict[str, float] = {"n": len(here), "n_rest": len(rest)}
    names = ("mean", "mean_rest", "effect", "p", "p_welch", "q")
    row |= dict.fromkeys(names, math.nan)
    if min(len(here), len(rest)) < MIN_PATCHES:
        return row
    row["mean"], row["mean_rest"] = float(here.mean()), float(rest.mean())
    together = np.concatenate([here, rest])
    if np.ptp(together) <= 1e-12 * max(1.0, float(np.abs(together).max())):
        return row
    within = ((len(here) - 1) * here.var(ddof=1) + (len(rest) - 1) * rest.var(ddof=1)) / (
        len(together) - 2
    )
    row["p"] = float(stats.mannwhitneyu(here, rest).pvalue)
    if within > 0:
        row["effect"] = float((here.mean() - rest.mean()) / np.sqrt(within))
        row["p_welch"] = float(stats.ttest_ind(here, rest, equal_var=False).pvalue)
    return row


def suggest_names(
    enrichment: pd.DataFrame, niches: Sequence[int], groups: Mapping[str, Sequence[str]]
) -> dict[int, str]:
    """Suggest a name for each niche from the markers that stand out in it.

    A marker stands out with an effect of at least 0.3 and q below 0.05. The
    name is the functional group whose markers have the largest effect on
    average, followed by the two markers that stand out most. A nuclear stain
    names a niche only where nothing else stands out; a niche without any such
    marker is "Low in all markers" where each is lower than elsewhere.

    Parameters
    ----------
    enrichment : DataFrame
        From :func:`enrichment_table`.
    niches : sequence of int
        Niches to name.
    groups : mapping
        Markers by functional group.
    """
    names: dict[int, str] = {}
    for niche in niches:
        rows = enrichment[enrichment["niche"] == niche].dropna(subset=["effect"])
        effects = dict(zip(rows["marker"], rows["effect"].astype(float), strict=True))
        clear = rows.loc[(rows["effect"] >= ENRICHED_EFFECT) & (rows["q"] < 0.05), "marker"]
        name = _name(effects, set(clear), groups) if effects else f"Niche {niche}"
        names[int(niche)] = f"{name} ({niche})" if name in names.values() else name
    return names


def _name(
    effects: Mapping[str, float], clear: Collection[str], groups: Mapping[str, Sequence[str]]
) -> str:
    standing_out = sorted(clear, key=lambda marker: (-effects[marker], marker))
    if not standing_out:
        lower = all(effect < 0 for effect in effects.values())
        return "Low in all markers" if lower else "No high marker"
    # A nuclear stain tells how many cells there are, not of what kind.
    counting = groups.get("nuclei", ())
    standing_out = [marker for marker in standing_out if marker not in counting] or standing_out
    strength = {
        group: float(np.mean([effects[marker] for marker in members if marker in effects]))
        for group, members in groups.items()
        if any(marker in standing_out for marker in members)
    }
    top = ", ".join(standing_out[:2])
    if not strength:
        return f"High {top}"
    best = max(sorted(strength), key=lambda group: strength[group])
    return f"{best[:1].upper()}{best[1:]}: {top}"
