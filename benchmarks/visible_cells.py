"""How well the markers of a patch follow from what H&E can show of its cells.

    python benchmarks/visible_cells.py FIT_COHORT TEST_COHORT --fit 300 --test 40

Both folders were written by `napari-haiku simulate`. The ceiling of `evaluate` knows every cell's
type, also of types drawn alike in H&E; here cells are counted by the classes that look different.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from napari_haiku.images.reading import open_image
from napari_haiku.simulation.architecture import STEP_UM, plan_tissue
from napari_haiku.simulation.cells import place_cells
from napari_haiku.simulation.niches_of_patches import patient_of_slide
from napari_haiku.simulation.truth_tissue import VISIBLE
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    GLASS,
    MARKERS,
    NICHES,
    state_index,
    type_index,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATCH_UM = 100
MIN_TISSUE = 0.4


@dataclass(frozen=True)
class Patches:
    """Patches (n) of one slide or many.

    Parameters
    ----------
    seen : ndarray, (n, features)
        Counts of each visible class, and what else H&E shows.
    types : ndarray, (n, features)
        The same with every type apart.
    around : ndarray, (n, features)
        Visible cells of the nine patches about each, and of the mean patch of the slide.
    means : ndarray, (n, markers)
        Measured.
    """

    seen: NDArray[np.float64]
    types: NDArray[np.float64]
    around: NDArray[np.float64]
    means: NDArray[np.float64]


def read_slide(cohort: Path, number: int) -> Patches:
    """Count the cells of one slide, patch by patch."""
    slide = f"slide_{number:05d}"
    patient, field_um = patient_of_slide(cohort, slide)
    plan = plan_tissue(patient, field_um)
    cells = place_cells(patient, plan, field_um)
    n = int(min(field_um) // PATCH_UM)
    image = open_image(cohort / "images" / f"{slide}_mif.ome.tif", modality="mif")
    side = round(PATCH_UM / float(image.pixel_size_um or 1))
    pixels = np.asarray(image.read_region(0, 0, n * side, 0, n * side), np.float64)
    at = [image.markers.index(marker) for marker in MARKERS]
    means = pixels[at].reshape(len(at), n, side, n, side).mean((2, 4)).reshape(len(at), -1).T

    row, column = (np.clip(p // PATCH_UM, 0, n - 1).astype(int) for p in (cells.y, cells.x))
    inside = (cells.y < n * PATCH_UM) & (cells.x < n * PATCH_UM)
    patch = np.where(inside, row * n + column, n * n)

    def count(
        chosen: NDArray[np.bool_], weight: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        kept = None if weight is None else weight[chosen]
        return np.bincount(patch[chosen], kept, n * n + 1)[: n * n].astype(np.float64)

    types = np.stack([count(cells.kind == kind) for kind in range(len(CELL_TYPES))], 1)
    visible = np.stack(
        [types[:, [type_index(t) for t in members]].sum(1) for members in VISIBLE.values()], 1
    )
    tumour = cells.kind == type_index("tumour epithelium")
    area = count(tumour, (cells.major * cells.minor).astype(np.float64)) / np.maximum(
        count(tumour), 1
    )
    dying = count(cells.states[:, state_index("apoptotic")])
    rows, columns = (
        np.minimum((np.arange(size) * STEP_UM // PATCH_UM).astype(int), n - 1)
        for size in plan.niche.shape
    )
    place = (rows[:, None] * n + columns).ravel()

    def share(values: NDArray[np.generic]) -> NDArray[np.float64]:
        total = np.bincount(place, values.ravel().astype(float), n * n)
        mean: NDArray[np.float64] = total / np.bincount(place, minlength=n * n)
        return mean

    glass = share(plan.niche == GLASS)
    shown = [share(plan.niche == niche) for niche in range(len(NICHES))]
    shown += [glass, share(plan.collagen), share(plan.lumen), share(plan.vessel < 0)]
    shown += [share(plan.fat > 1.2), share(plan.blood)]
    extra = np.column_stack([area, dying, count(cells.goblet), *shown])
    grid = np.pad(visible.reshape(n, n, -1), ((1, 1), (1, 1), (0, 0)))
    near = sum(grid[r : r + n, c : c + n] for r in range(3) for c in range(3))
    around = np.column_stack(
        [np.asarray(near).reshape(n * n, -1), np.tile(visible.mean(0), (n * n, 1))]
    )
    kept = 1 - glass > MIN_TISSUE
    return Patches(
        np.column_stack([visible, extra])[kept],
        np.column_stack([types, extra])[kept],
        around[kept],
        means[kept],
    )


def read_cohort(cohort: Path, slides: int) -> Patches:
    """Count the cells of the first slides of a cohort."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(partial(read_slide, cohort), range(slides)))
    return Patches(
        *(
            np.concatenate([getattr(part, name) for part in found])
            for name in ("seen", "types", "around", "means")
        )
    )


def predicted_r(
    fit: NDArray[np.float64],
    fit_means: NDArray[np.float64],
    test: NDArray[np.float64],
    test_means: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Correlation of each marker with the mean of boosted trees and a ridge."""
    wide, wide_test = (np.column_stack([x, np.sqrt(np.abs(x))]) for x in (fit, test))
    out = []
    for marker in range(fit_means.shape[1]):
        trees = HistGradientBoostingRegressor(
            max_iter=150, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=30, random_state=0
        ).fit(fit, fit_means[:, marker])
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 8)))
        ridge.fit(wide, fit_means[:, marker])
        guesses = (trees.predict(test), ridge.predict(wide_test))
        guess = sum(g / max(float(np.std(g)), 1e-12) for g in guesses)
        out.append(float(np.corrcoef(guess, test_means[:, marker])[0, 1]))
    return np.array(out)


def main() -> int:
    """Print a table; returns 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("fit_cohort", type=Path)
    parser.add_argument("test_cohort", type=Path)
    parser.add_argument("--fit", type=int, default=300, help="slides fitted on")
    parser.add_argument("--test", type=int, default=40, help="slides predicted")
    given = parser.parse_args()
    fit = read_cohort(given.fit_cohort, given.fit)
    test = read_cohort(given.test_cohort, given.test)
    known = {
        "visible classes": (fit.seen, test.seen),
        "and the patches around": (
            np.column_stack([fit.seen, fit.around]),
            np.column_stack([test.seen, test.around]),
        ),
        "every type": (fit.types, test.types),
    }
    figures = {name: predicted_r(a, fit.means, b, test.means) for name, (a, b) in known.items()}
    print(f"{len(fit.means)} patches fitted on, {len(test.means)} predicted.\n")
    print("| marker | " + " | ".join(figures) + " |")
    print("|---|" + "---:|" * len(figures))
    for number, marker in enumerate(MARKERS):
        row = " | ".join(f"{r[number]:.2f}" for r in figures.values())
        print(f"| {marker} | {row} |")
    row = " | ".join(f"**{np.nanmean(r):.3f}**" for r in figures.values())
    print(f"| **mean** | {row} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
