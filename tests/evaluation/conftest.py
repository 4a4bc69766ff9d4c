"""Cohorts and requests of small evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from drawn_cohort import Patient, draw_patients, write_atlas

from napari_haiku.evaluation.cohort import EvaluationCohort
from napari_haiku.evaluation.request import EvaluateRequest

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def make_cohort(tmp_path):
    """Write patients as an atlas and open it for evaluation, without a model."""
    count = iter(range(100))

    def make(patients: Sequence[Patient] | None = None, **options) -> EvaluationCohort:
        chosen = draw_patients(**options) if patients is None else patients
        return EvaluationCohort(write_atlas(tmp_path / f"atlas{next(count)}", chosen), None)

    return make


@pytest.fixture
def ask(tmp_path):
    """Make a request with few resamples."""

    def make(**changes) -> EvaluateRequest:
        given = {"source": tmp_path, "output": tmp_path / "out", "resamples": 50}
        (tmp_path / "out").mkdir(exist_ok=True)
        return EvaluateRequest(**(given | changes))

    return make
