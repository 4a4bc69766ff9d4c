"""How often the right record could be told from one with a field flipped, tissue known exactly.

    python benchmarks/visible_records.py FIT_COHORT TEST_COHORT --fit 1000 --test 200

Both folders were written by `napari-haiku simulate`. Cells are counted without error, niche by
niche: by the classes that look different in H&E, and with every type and state. A classifier
fitted on the first cohort then flips the records of the second as `evaluate` does.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from napari_haiku.simulation.architecture import STEP_UM, plan_tissue
from napari_haiku.simulation.cells import place_cells
from napari_haiku.simulation.niches_of_patches import patient_of_slide
from napari_haiku.simulation.truth_edits import fields_with_effect
from napari_haiku.simulation.truth_tissue import VISIBLE
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    GLASS,
    NICHES,
    STATES,
    state_index,
    type_index,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALES = ("age", "survival_months")


def read_slide(cohort: Path, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count the cells of one slide in each niche.

    Returns
    -------
    seen, known : ndarray, (features,)
        What H&E can show; the same with every type and every state apart.
    """
    patient, field_um = patient_of_slide(cohort, f"slide_{number:05d}")
    plan = plan_tissue(patient, field_um)
    cells = place_cells(patient, plan, field_um)
    area = np.bincount(plan.niche[plan.niche != GLASS], minlength=len(NICHES)) * STEP_UM**2 / 1e6
    tumour = type_index("tumour epithelium")
    row, column = (
        np.clip((at / STEP_UM).astype(int), 0, size - 1)
        for at, size in zip((cells.y, cells.x), plan.niche.shape, strict=True)
    )
    share = [
        float(layer.mean())
        for layer in (
            plan.niche == GLASS,
            plan.epithelium > 0,
            plan.lumen > 0,
            plan.collagen,
            plan.vessel < 0,
            plan.fat > 1.2,
            plan.blood > 0,
        )
    ]
    seen, hidden = [np.log(area / area.sum() + 0.01), share], []
    for niche in range(len(NICHES)):
        here = cells.niche == niche
        room = area[niche] + 0.002
        kinds = np.bincount(cells.kind[here], minlength=len(CELL_TYPES))
        shown = [kinds[[type_index(t) for t in members]].sum() for members in VISIBLE.values()]
        dying = cells.states[here, state_index("apoptotic")].sum()
        shown += [dying, cells.goblet[here].sum()]
        nuclei = here & (cells.kind == tumour)
        size = (cells.major * cells.minor)[nuclei]
        texture = plan.collagen[row[here], column[here]]
        seen += [
            np.log((np.array(shown) + 0.5) / room),
            [size.mean() if size.size else 0, size.std() if size.size else 0],
            [texture.mean() if texture.size else 0],
        ]
        states = [
            cells.states[here & (cells.kind == kind), state].sum()
            for kind in range(len(CELL_TYPES))
            for state in range(len(STATES))
        ]
        hidden += [np.log((kinds + 0.5) / room), np.log((np.array(states) + 0.5) / room)]
    shown_all = np.concatenate([np.atleast_1d(part).astype(float) for part in seen])
    return shown_all, np.concatenate([shown_all, *hidden])


def read_cohort(
    cohort: Path, slides: int, workers: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], pd.DataFrame]:
    """Count the cells of the first slides of a cohort, and read their records."""
    with ProcessPoolExecutor(workers) as pool:
        found = list(pool.map(partial(read_slide, cohort), range(slides), chunksize=4))
    seen, known = (np.stack(part) for part in zip(*found, strict=True))
    records = pd.read_csv(cohort / "cohort.csv", dtype=str, keep_default_na=False)
    return seen, known, records[:slides]


def log_odds(
    fit: NDArray[np.float64], labels: NDArray[np.str_], test: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[str]]:
    """Log probability of each label, mean of a logistic regression and boosted trees."""
    line = make_pipeline(
        StandardScaler(), LogisticRegressionCV(Cs=np.logspace(-4, 0, 7), cv=4, max_iter=300)
    ).fit(fit, labels)
    trees = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=20, random_state=0
    ).fit(fit, labels)
    both = line.predict_log_proba(test) + np.log(np.maximum(trees.predict_proba(test), 1e-12))
    return both / 2, [str(label) for label in line.classes_]


def flips(
    fit: NDArray[np.float64],
    fit_values: NDArray[np.str_],
    test: NDArray[np.float64],
    test_values: NDArray[np.str_],
    scale: bool,
) -> float:
    """Share of flips that a classifier likes less than the right value, mean over patients."""
    if scale:
        middle = float(np.median([float(v) for v in test_values if v]))
        fit_values, test_values = (
            np.array([("far" if float(v) > middle else "near") if v else "" for v in values])
            for values in (fit_values, test_values)
        )
    told, asked = fit_values != "", test_values != ""
    odds, labels = log_odds(fit[told], fit_values[told], test[asked])
    scores = []
    for row, value in zip(odds, test_values[asked], strict=True):
        if value not in labels:
            continue
        right = row[labels.index(value)]
        others = np.delete(row, labels.index(value))
        scores.append(float(((right > others) + 0.5 * (right == others)).mean()))
    return float(np.mean(scores))


def main() -> int:
    """Print a table; returns 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("fit_cohort", type=Path)
    parser.add_argument("test_cohort", type=Path)
    parser.add_argument("--fit", type=int, default=1000, help="slides fitted on")
    parser.add_argument("--test", type=int, default=200, help="slides asked")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    fit_seen, fit_known, fit_records = read_cohort(given.fit_cohort, given.fit, given.workers)
    seen, known, records = read_cohort(given.test_cohort, given.test, given.workers)
    print(f"{len(fit_records)} patients fitted on, {len(records)} asked.\n")
    print("| field | what H&E can show | every type and state |")
    print("|---|---:|---:|")
    total = []
    for field in fields_with_effect():
        values = [part[field].to_numpy(str) for part in (fit_records, records)]
        row = [
            flips(fit, values[0], test, values[1], field in SCALES)
            for fit, test in ((fit_seen, seen), (fit_known, known))
        ]
        total.append(row)
        print(f"| {field} | {row[0]:.2f} | {row[1]:.2f} |", flush=True)
    mean = np.mean(total, 0)
    print(f"| **mean** | **{mean[0]:.3f}** | **{mean[1]:.3f}** |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
