"""The plain words a report opens with."""

import re
from dataclasses import replace

import numpy as np
import pytest

from napari_haiku.export.report import counterfactual_report
from napari_haiku.export.report_summary import found


@pytest.fixture
def shifts(case):
    return case.counterfactual.shifts.assign(supported=False)


def test_nothing_supported_is_said(shifts):
    assert found(shifts, "with stage IV") == "with stage IV, nothing is supported."


def test_each_finding_is_said_once_with_its_direction_and_place(shifts):
    row = shifts.index[1]
    shifts.loc[row, ["supported", "shift"]] = [True, -0.2]
    marker, niche, name = shifts.loc[row, ["marker", "niche", "niche_name"]]
    assert found(shifts, "with stage IV") == (
        f"with stage IV: {marker} lower in {name} (niche {niche}). Nothing else is supported."
    )


def test_of_a_cohort_no_niche_is_named(shifts):
    one = shifts.iloc[:1].assign(supported=True, shift=0.3, niche=0, niche_name="All tissue")
    assert found(one, "with age 40").startswith(f"with age 40: {one['marker'].iloc[0]} higher. ")


def test_what_cannot_be_estimated_is_not_called_unsupported(shifts):
    assert "can be estimated" in found(shifts.assign(shift=np.nan), "with stage IV")


def test_many_findings_are_named_in_part_and_counted(shifts):
    many = shifts.iloc[[0] * 11].reset_index(drop=True)
    many["marker"], many["supported"], many["shift"] = [f"M{n}" for n in range(11)], True, 0.1
    said = found(many, "with stage IV")
    assert said.endswith("and 3 more markers, in the table.")
    assert "Nothing else" not in said


def test_the_report_opens_with_plain_words_and_ends_with_the_formula(case, shifts):
    result = replace(case.counterfactual, shifts=shifts)
    made = counterfactual_report(result, case.atlas)
    main = made[made.index("<main>") :]
    first = " ".join(re.sub("<[^>]+>", " ", main[: main.index("</section>")]).split())
    assert "stage IV instead of II" in first
    assert "nothing is supported" in first
    assert f"Patients behind it: {result.support.patients} of" in first
    assert "Supported means" in first
    assert result.inference not in main[: main.index("Every row")]
    assert result.inference in main
