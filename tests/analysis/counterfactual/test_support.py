"""What stands behind an edit."""

import numpy as np
import pytest

from napari_haiku.analysis.counterfactual.support import Support, measure_support

PATIENTS = np.array([0, 0, 1, 1, 2, -1])
CARRY = np.array([False, True, True])


def test_shares_and_overlap():
    before = np.array([[0, 1], [0, 2]])
    after = np.array([[2, 4], [0, 3]])
    support = measure_support(before, after, PATIENTS, CARRY)
    assert support.patients == 2
    assert support.of_patients == 3
    assert support.agree == pytest.approx(0.75)
    assert support.agreed_before == pytest.approx(0.25)
    assert support.overlap == pytest.approx((0 + 0.5) / 2)


def test_nothing_moved():
    rows = np.array([[0, 2]])
    assert measure_support(rows, rows, PATIENTS, CARRY).overlap == 1


def test_missing_neighbours_and_patients_left_out_do_not_agree():
    support = measure_support(np.array([[5, -1]]), np.array([[5, 4]]), PATIENTS, CARRY)
    assert support.agree == pytest.approx(0.5)
    assert support.agreed_before == 0


def test_no_neighbour_at_all_is_unknown():
    none = np.full((2, 3), -1)
    support = measure_support(none, none, PATIENTS, CARRY)
    assert np.isnan(support.agree)
    assert np.isnan(support.overlap)
    assert "neighbours" not in support.sentence


@pytest.mark.parametrize(
    ("patients", "agree", "word"),
    [
        (0, 0.0, "none"),
        (1, 0.9, "thin"),
        (4, 0.9, "thin"),
        (5, 0.9, "limited"),
        (9, 0.9, "limited"),
        (10, 0.29, "limited"),
        (10, 0.30, "good"),
    ],
)
def test_words(patients, agree, word):
    assert Support(patients, 26, agree, 0.1, 0.5).word == word


def test_sentence():
    assert Support(6, 26, 0.38, 0.1, 0.25).sentence == (
        "6 of 26 other patients carry the edited values; they give 38% of the new neighbours "
        "(10% before the edit). 25% of the neighbours stayed the same."
    )
    assert "1 of 26 other patients carries" in Support(1, 26, 0.3, 0.1, 0.2).sentence
