from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from napari_haiku.evaluation import geometry
from napari_haiku.evaluation import geometry_measures as measures
from napari_haiku.jobs import run_job


def test_figures_are_the_measures_of_the_whole_table(make_cohort, ask):
    cohort = make_cohort(n=6, patches=8)
    found = run_job(geometry.run(cohort, ask()))
    he, mif = (
        measures.unit(np.asarray(cohort.atlas.embeddings(name), float)) for name in ("he", "mif")
    )
    gap = found["modality_gap"]["he|mif"]
    for figure, value in (
        (found["uniformity"]["he"], measures.uniformity(he)),
        (found["anisotropy"]["mif"], measures.anisotropy(mif)),
        (found["effective_rank"]["he"], measures.effective_rank(he)),
        (gap["centroid_distance"], measures.centroid_gap(he, mif)),
        (gap["alignment"], measures.alignment(he, mif)),
        (gap["linear_cka"], measures.linear_cka(he, mif)),
        (gap["mutual_knn"], measures.mutual_neighbours(he, mif).mean()),
    ):
        assert figure.value == pytest.approx(value, abs=1e-6)
        assert figure.ci[0] <= figure.value <= figure.ci[1]


def test_text_counts_once_a_patient(make_cohort, ask):
    found = run_job(geometry.run(make_cohort(n=6, patches=8), ask()))
    assert found["uniformity"]["text"].n == 6


class Worder:
    """A text tower whose answer depends on the wording, or does not."""

    name, modalities, shared_space = "worder", frozenset(("he", "mif", "text")), True
    card: ClassVar[dict] = {}

    def __init__(self, fickle):
        self._fickle = fickle

    def encode_text(self, captions):
        rng = np.random.default_rng(0)
        fixed = rng.normal(size=(len(captions), 16))
        seed = len(captions[0]) if self._fickle else 1
        moved = np.random.default_rng(seed).normal(size=fixed.shape)
        return measures.unit(fixed + moved).astype(np.float32)


def test_rank_variance_over_wordings(make_cohort, ask):
    cohort = make_cohort(n=6, patches=8)
    steady, fickle = (
        run_job(geometry.run(replace(cohort, model=Worder(which)), ask()))["mean_rank_variance"]
        for which in (False, True)
    )
    assert steady.value == 0
    assert fickle.value > 0
