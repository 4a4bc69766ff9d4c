"""Which edit the demo tries."""

from __future__ import annotations

import pytest

from napari_haiku.cli.demo_edit import choose_edit


class _Atlas:
    def __init__(self, **values):
        self.fields = tuple(values)
        self.values_of = values.__getitem__


def test_the_first_natural_field_with_enough_patients():
    atlas = _Atlas(stage={"I": 3, "III": 11, "IV": 12}, grade={"G1": 2, "G3": 20})
    assert choose_edit({"grade": "G1", "stage": "I"}, atlas) == {"stage": "IV"}


def test_a_field_with_too_few_patients_is_passed_over():
    atlas = _Atlas(stage={"IV": 2}, grade={"G3": 12})
    assert choose_edit({"stage": "I", "grade": "G1"}, atlas) == {"grade": "G3"}


def test_its_own_value_is_no_edit():
    assert choose_edit({"stage": "I"}, _Atlas(stage={"I": 30, "II": 1})) == {"stage": "II"}


@pytest.mark.parametrize(
    ("record", "edit"),
    [
        ({"Stage": "II"}, {"Stage": "IV"}),
        ({"stage": "IV"}, {"stage": "II"}),
        ({"Location": "Rectum"}, {"Location": "other than Rectum"}),
    ],
)
def test_an_atlas_that_knows_nothing_else_is_asked_what_it_must_refuse(record, edit):
    assert choose_edit(
        record, _Atlas(**{field: {value: 1} for field, value in record.items()})
    ) == (edit)


def test_without_a_record_there_is_no_edit():
    assert choose_edit({}, _Atlas()) == {}
    assert choose_edit({"patient_id": "P1"}, _Atlas(patient_id={"P1": 1})) == {}
