"""The cohort report: whole, private, honest."""

import re
from dataclasses import replace

import numpy as np
import pytest
from headed_model import HeadedModel

from napari_haiku.analysis.cohort import cohort_tests
from napari_haiku.analysis.cohort.cohort_counterfactual import (
    CohortCounterfactualRequest,
    run_cohort_counterfactual,
)
from napari_haiku.analysis.cohort.cohort_result import AGREEMENT_LABEL
from napari_haiku.export.cohort_report import cohort_report, write_cohort_report
from napari_haiku.jobs import run_job
from napari_haiku.notices import ASSOCIATION, RESEARCH_USE


@pytest.fixture(scope="module")
def result(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohort_tests, "MIN_PATIENTS", 5)
        request = CohortCounterfactualRequest(
            cohort="stage != 'IV'",
            edits={"stage": "IV"},
            k=10,
            resamples=20,
            label=("sex", "female", "male"),
            permutations=2,
        )
        return run_job(run_cohort_counterfactual(case.atlas, HeadedModel(), request))


def test_whole_and_honest(result):
    made = cohort_report(result)
    for said in (RESEARCH_USE, ASSOCIATION, AGREEMENT_LABEL, result.inference, "AUROC"):
        assert said in made
    assert f"Patients asked about:</strong> {len(result.patients)}," in made
    assert made.index("In short") < made.index("The edit") < made.index(result.inference)
    assert made.count("<svg") == 5
    assert len(re.findall(r"<tr class", made)) == len(result.shifts)
    assert not re.search(r"(src|href)=\"(?!data:)", made)
    assert "<script" not in made


def test_patients_appear_by_pseudonym_only(case, result):
    made = cohort_report(result)
    assert result.patients[0] in made
    for column in ("patient_id", "slide_id"):
        assert not any(name in made for name in case.atlas.slides[column])


def test_nothing_estimable_and_nothing_grouped_is_said(result):
    empty = result.shifts.assign(shift=np.nan)
    made = cohort_report(replace(result, shifts=empty, groups=None, classification=None))
    assert "No shift is estimable." in made
    assert "Too few patients or markers" in made
    assert "AUROC" not in made


def test_written_alike_every_time(tmp_path, result):
    for name in ("a.html", "b.html"):
        write_cohort_report(tmp_path / name, result)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
