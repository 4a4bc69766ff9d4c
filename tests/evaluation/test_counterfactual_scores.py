"""Scores of shifts against the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from napari_haiku.evaluation.counterfactual_bench import TrueEdit, true_edits
from napari_haiku.evaluation.counterfactual_scores import (
    gain,
    mean_shifts,
    sign_accuracy,
    spearman,
    spill_over,
    travelling,
)
from napari_haiku.evaluation.counterfactual_tables import Tables

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(2, 3, 7))
REAL = np.abs(TRUTH) > 0.2


@given(st.floats(0.01, 50))
def test_the_truth_itself_scores_full_marks_whatever_its_size(size):
    shift = size * TRUTH[None]
    assert sign_accuracy(shift, TRUTH, REAL)[0] == 1
    assert spearman(shift, TRUTH, REAL)[0] == pytest.approx(1)
    assert gain(shift, TRUTH, REAL)[0] == pytest.approx(size)
    assert sign_accuracy(-shift, TRUTH, REAL)[0] == 0
    assert spearman(-shift, TRUTH, REAL)[0] == pytest.approx(-1)


def test_edits_count_alike_however_many_rows_they_have():
    truth = np.ones((2, 1, 10))
    use = np.zeros((2, 1, 10), bool)
    use[0], use[1, 0, 0] = True, True
    shift = np.ones((1, 2, 1, 10))
    shift[0, 1] = -1
    assert sign_accuracy(shift, truth, use)[0] == 0.5


def test_rank_correlation_is_that_of_scipy_and_needs_five_real_rows():
    shift = RNG.normal(size=(1, 2, 3, 7))
    real = np.zeros((2, 3, 7), bool)
    real[0, 1, :5], real[1, 2, :4] = True, True
    expected = stats.spearmanr(shift[0, 0, 1], TRUTH[0, 1]).statistic
    assert spearman(shift, TRUTH, real)[0] == pytest.approx(expected)


def test_rows_without_a_shift_are_no_mistakes():
    shift = TRUTH[None].copy()
    shift[0, 0, 0] = np.nan
    assert sign_accuracy(shift, TRUTH, REAL)[0] == 1
    assert np.isnan(sign_accuracy(np.full_like(shift, np.nan), TRUTH, REAL)[0])


def test_spill_over_compares_sizes():
    shift = np.full((1, 1, 2, 4), 2.0)
    shift[0, 0, 1] = 1.0
    real = np.zeros((1, 2, 4), bool)
    real[0, 0] = True
    assert spill_over(shift, real, ~real)[0] == pytest.approx(0.5)


def test_travelling_rows_take_the_marginal_sign_or_not():
    shift = np.array([1.0, -1.0, 1.0, np.nan]).reshape(1, 1, 1, 4)
    marginal = np.ones((1, 1, 4))
    assert travelling(shift, marginal, np.ones((1, 1, 4), bool))[0] == pytest.approx(2 / 3)


def test_mean_over_patients_skips_those_without_the_row_and_weighs_by_draws():
    shift = np.array([1.0, 2.0, np.nan, 5.0]).reshape(4, 1, 1)
    tables = Tables(shift, {}, np.array([0, 0, 0, -1]), np.array([4, 7, 9, 4]))
    mean = mean_shifts(
        tables, 1, np.array([4, 7, 9]), np.array([[1.0, 1, 1], [3, 1, 5], [0, 0, 1]])
    )
    np.testing.assert_allclose(mean.ravel(), [1.5, 1.25, np.nan])


def truth_rows(field="status+months", start="Deceased+20", end="Alive+60"):
    import pandas as pd

    row = [(field, start, end, "tumour", "CD8", "conditional", 0.3, 0.01, "real")]
    columns = ["field", "from", "to", "niche", "marker", "kind", "true_shift", "se", "role"]
    return pd.DataFrame(row, columns=columns)


def test_whole_edits_change_all_their_fields():
    (edit,) = true_edits(truth_rows())
    assert edit.before == {"status": "Deceased", "months": "20"}
    record = {"stage": "I", "status": "deceased", "months": "31"}
    before, after, sign = edit.asked_of(record)
    assert (before, sign) == (record, 1)
    assert after == {"stage": "I", "status": "Alive", "months": "60"}
    before, after, sign = edit.asked_of({"status": "Alive", "months": "80"})
    assert (after, sign) == ({"status": "Deceased", "months": "20"}, -1)
    assert edit.asked_of({"status": "lost", "months": "3"}) is None
    assert edit.asked_of({"status": "Alive"}) is None


def test_an_edit_of_numbers_alone_is_carried_by_its_ends():
    edit = TrueEdit("age", {"age": "50"}, {"age": "70"}, truth_rows())
    assert edit.asked_of({"age": "64"}) == ({"age": "64"}, {"age": "50"}, -1)
    assert edit.asked_of({"age": "60"}) is None


def test_truth_that_does_not_add_up_is_refused():
    from napari_haiku.errors import HaikuError

    with pytest.raises(HaikuError, match="one value a field"):
        true_edits(truth_rows(start="Deceased"))
