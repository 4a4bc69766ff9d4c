"""Filters that results may repeat."""

import pytest

from napari_haiku.analysis.retrieval.public_filter import WITHHELD, public_filter


@pytest.mark.parametrize("where", ["stage = 'IV'", "stage = 'IV' and age > 60"])
def test_clinical_filters_are_repeated(where):
    assert public_filter(where) == where


@pytest.mark.parametrize(
    "where",
    ["patient_id != 'Q7'", "stage = 'IV' and not (slide_id in ('a', 'b'))", '"Case ID" = 3'],
)
def test_filters_that_name_patients_or_slides_are_withheld(where):
    assert public_filter(where) == WITHHELD


@pytest.mark.parametrize("where", [None, ""])
def test_no_filter(where):
    assert public_filter(where) is None
