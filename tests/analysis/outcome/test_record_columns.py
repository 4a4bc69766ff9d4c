"""Fields of the record become standardised columns."""

from __future__ import annotations

import numpy as np

from napari_haiku.analysis.outcome.record_columns import RecordColumns


def _people(n: int = 60) -> list[dict[str, str]]:
    return [
        {"grade": f"G{1 + i % 3}", "sex": "Female" if i % 4 else "Male", "age": str(40 + i)}
        | {"tnm": f"T{i}", "patient_id": str(i), "ward": "north"}
        for i in range(n)
    ]


def test_fields_that_cannot_be_told_are_left_out() -> None:
    columns = RecordColumns.learn(_people(), ["age", "tnm", "patient_id", "ward", "nothing", "sex"])
    assert columns.fields == ("age", "sex")
    assert columns.width == 2


def test_of_other_records_by_the_scale_of_the_first() -> None:
    columns = RecordColumns.learn(_people(), ["age", "grade"])
    found = columns.of([{"age": "69.5", "grade": "G2"}, {"grade": "G9"}])
    assert found.shape == (2, 4)
    assert abs(found[0, 0]) < 1e-6
    assert found[0, 1:].argmax() == 1
    assert np.isnan(found[1, 0])
    assert (found[1, 1:] < 0).all()


def test_no_records_no_columns() -> None:
    assert RecordColumns.learn([], ["age"]).of([{"age": "5"}]).shape == (1, 0)
