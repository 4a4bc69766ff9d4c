"""What the simulator itself would expect of each patch: the ceiling of biomarker inference."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.jobs import Job

_EXPECTED = "napari_haiku.simulation.expected"


def expected_means(cohort: EvaluationCohort) -> Job[NDArray[np.float64] | None]:
    """Work out the expected patch means, given cell types and positions alone.

    Returns
    -------
    ndarray of float64, shape (n, markers), or None
        For the evaluated rows and the atlas's markers; NaN for markers that
        were not simulated. None where the cohort is no virtual one.
    """
    folder = cohort.simulation_folder
    if folder is None or find_spec(_EXPECTED) is None:
        return None
    expected_patch_means = import_module(_EXPECTED).expected_patch_means
    from napari_haiku.simulation.vocabulary import MARKERS

    atlas, rows = cohort.atlas, cohort.chosen
    out = np.full((len(rows), len(atlas.markers)), np.nan)
    half = atlas.patch_um / 2
    slides = atlas.slide_index[rows]
    columns = [(MARKERS.index(m), c) for c, m in enumerate(atlas.markers) if m in MARKERS]
    there, wanted = (list(part) for part in zip(*columns, strict=True)) if columns else ([], [])
    for number, slide in enumerate(np.unique(slides)):
        yield Progress(number, len(np.unique(slides)), "Working out the ceiling", "slides")
        mine = np.flatnonzero(slides == slide)
        centres = atlas.positions_um[rows[mine]]
        boxes = np.concatenate([centres - half, centres + half], axis=1)
        slide_id = str(atlas.slides["slide_id"].iloc[int(slide)])
        expected = expected_patch_means(folder, slide_id, boxes)
        out[np.ix_(mine, wanted)] = np.asarray(expected, np.float64)[:, there]
    return out
