"""Who carries which value."""

import numpy as np
import pandas as pd
import pytest

from napari_haiku.analysis.counterfactual.record_fields import (
    as_number,
    patient_records,
    same_value,
)

SLIDES = pd.DataFrame(
    {
        "slide_id": ["s1", "s2", "s3", "s4"],
        "patient_id": ["b", "b", "a", "c"],
        "stage": ["II", "II", "IV", ""],
        "grade": ["1", "2", "3", None],
    }
)
AGES = pd.DataFrame(
    {
        "patient_id": [f"p{i:02d}" for i in range(15)],
        "age": [str(40 + 2 * i) for i in range(14)] + [""],
    }
)


def test_one_record_a_patient_disagreement_is_not_recorded():
    records = patient_records(SLIDES, ("stage", "grade"))
    assert records.patients == ("a", "b", "c")
    assert records.values["stage"].tolist() == ["IV", "II", ""]
    assert records.values["grade"].tolist() == ["3", "", ""]


def test_the_patient_asked_about_is_left_out():
    assert patient_records(SLIDES, ("stage",), leave_out="a").patients == ("b", "c")


def test_no_patient_left():
    records = patient_records(SLIDES.iloc[:0], ("stage",))
    assert records.patients == ()
    assert records.carry("stage", "II", against="IV").shape == (0,)
    assert not records.covers("stage", "II")


def test_levels_are_met_exactly_but_for_case_and_blanks():
    records = patient_records(SLIDES, ("stage",))
    assert records.carry("stage", " iv", against="II").tolist() == [True, False, False]
    assert records.spelled("stage", " iv") == "IV"
    assert records.spelled("stage", "III") == "III"


def test_not_recorded_is_no_level():
    records = patient_records(SLIDES, ("stage",))
    assert not records.carry("stage", "", against="II").any()
    assert not records.covers("stage", "")


def test_a_scale_is_split_at_the_midpoint():
    records = patient_records(AGES, ("age",))
    assert records.is_scale("age")
    older = records.carry("age", "60", against="50")
    younger = records.carry("age", "50", against="60")
    ages = np.array([40 + 2 * i for i in range(14)])
    assert older[:14].tolist() == (ages > 55).tolist()
    assert younger[:14].tolist() == (ages < 55).tolist()
    assert not older[14]
    assert not younger[14]


def test_a_scale_covers_its_range_only():
    records = patient_records(AGES, ("age",))
    assert records.covers("age", "51.5")
    assert not records.covers("age", "90")
    assert not records.covers("age", "old")


def test_few_numbers_are_levels():
    records = patient_records(SLIDES, ("grade",))
    assert not records.is_scale("grade")
    assert not records.covers("grade", "2.5")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [("IV", "iv", True), ("69.0", "69", True), ("", "", False), ("nan", "nan", False)],
)
def test_same_value(a, b, same):
    assert same_value(a, b) is same


def test_as_number():
    assert as_number("2.5") == 2.5
    assert np.isnan(as_number("two"))
