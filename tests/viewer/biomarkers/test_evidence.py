from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from napari_haiku.viewer.biomarkers.evidence import evidence_at


@pytest.fixture
def atlas():
    return SimpleNamespace(
        markers=("ECad", "CD8"),
        expression=np.array([[1.0, 2], [3, np.nan], [5, 6], [7, 8]], np.float32),
        slides=pd.DataFrame({"patient_id": ["a", "b"]}),
        slide_index=np.array([0, 0, 1, 1]),
    )


@pytest.fixture
def result():
    return SimpleNamespace(
        rows=np.array([4, 9]),
        markers=("ECad", "CD8"),
        values=np.array([[23.1, 2], [np.nan, 1]], np.float32),
        spread=np.array([[8.3, 1], [np.nan, 1]], np.float32),
        measured=np.array([[22.9, np.nan], [1, 1]], np.float32),
        outside_atlas=np.array([False, True]),
        neighbours=np.array([[1, 3, -1], [-1, -1, -1]]),
        neighbour_similarity=np.array([[0.7, 0.9, 0], [0, 0, 0]], np.float32),
        label="",
        intervals=None,
        marker_patients=np.array([[1.6, 1], [np.nan, 1]], np.float32),
    )


def test_neighbours_come_most_alike_first_with_their_values(result, atlas):
    found = evidence_at(result, atlas, 4, "ECad")
    assert [(n.row, n.value) for n in found.neighbours] == [(3, 7.0), (1, 3.0)]
    assert found.patients == 2
    assert found.headline == "ECad 23.1 ± 8.3 among neighbours"
    assert found.measured_text == "measured here: 22.9"
    assert found.footing == "2 neighbours, 2 patients (counting as 2), best likeness 0.90"
    assert found.interval_text == ""


def test_a_marker_a_neighbour_did_not_measure_has_no_value_there(result, atlas):
    found = evidence_at(result, atlas, 4, "CD8")
    assert [n.row for n in found.neighbours if np.isnan(n.value)] == [1]
    assert found.measured_text == "not measured here"


def test_tissue_outside_the_atlas_says_so(result, atlas):
    found = evidence_at(result, atlas, 9, "ECad")
    assert found.headline == "ECad: no value, unlike anything in the atlas"
    assert found.footing == "no neighbours in this atlas"


def test_a_patch_that_was_not_asked_about_says_so(result, atlas):
    found = evidence_at(result, atlas, 5, "ECad")
    assert found.headline == "ECad: this patch was not predicted"
    assert not found.neighbours


def test_a_same_patient_answer_says_where_it_comes_from(result, atlas):
    result.label = "Same patient, other region"
    found = evidence_at(result, atlas, 4, "ECad")
    assert "same patient, other region" in found.footing


def test_the_interval_is_told_once_it_is_known(result, atlas):
    class Widths:
        level = 0.9

        def limits(self, values, spread):
            return values - spread, values + 2 * spread

    result.intervals = Widths()
    found = evidence_at(result, atlas, 4, "ECad")
    assert found.interval_text == "90% interval: 14.8 to 39.7"
    assert evidence_at(result, atlas, 9, "CD8").interval_text == ""
    assert evidence_at(result, atlas, 9, "ECad").interval_text == ""
