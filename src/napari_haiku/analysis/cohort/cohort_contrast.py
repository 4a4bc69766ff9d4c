"""The atlas contrast of a cohort's edit, over all tissue."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.counterfactual.contrast import Contrast, choose_groups, contrast_patients
from napari_haiku.analysis.counterfactual.record_fields import patient_records
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.analysis.statistics.patient_means import patient_niche_means

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_haiku.analysis.biomarkers.marker_scale import MarkerScale
    from napari_haiku.analysis.cohort.cohort_request import CohortSlide
    from napari_haiku.atlas.store import Atlas


def cohort_contrast(
    atlas: Atlas,
    slides: Sequence[CohortSlide],
    scale: MarkerScale,
    not_adjusted: Collection[str],
    seed: int,
) -> Contrast:
    """Compare atlas patients with the edited values with those of the cohort's own, (1, markers).

    Parameters
    ----------
    atlas : Atlas
        All its patients with measured markers.
    slides : sequence of CohortSlide
        The cohort; its commonest edit stands for all.
    scale : MarkerScale
        Unit.
    not_adjusted : collection of str
        Fields without meaning.
    seed : int
        Seed of the permutations.
    """
    edits = Counter(
        tuple(
            (name, one.before[name], new)
            for name, new in one.after.items()
            if new != one.before[name]
        )
        for one in slides
    )
    common = edits.most_common(1)[0][0]
    records = patient_records(atlas.records, atlas.fields)
    patients, number = patient_numbers(atlas)
    place = {name: row for row, name in enumerate(records.patients)}
    renumbered = np.array([place[name] for name in patients], np.int64)
    means = patient_niche_means(
        atlas.expression,
        renumbered[number],
        np.zeros(len(number), np.int64),
        n_patients=len(records.patients),
        n_niches=1,
    )
    comparison = choose_groups(
        records,
        {name: old for name, old, _ in common},
        {name: new for name, _, new in common},
        not_adjusted=not_adjusted,
    )
    return contrast_patients((means - scale.mean) / scale.sd, comparison, seed=seed)
