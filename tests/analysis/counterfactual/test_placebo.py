"""Placebo edits and what follows from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from napari_haiku.analysis.counterfactual.placebo import (
    MAX_EDITS,
    PlaceboPlan,
    compare_with_placebo,
    plan_placebo_edits,
)

FIELDS = {
    f"box{size}": [f"{size}-{level}" for level in range(size)] for size in (2, 3, 4, 5, 8)
} | {"day": ["Monday", "Friday"]}
RECORD = {"stage": "II", "day": "Monday", "sex": "f"}


def plan(**changes):
    arguments = {
        "n_fields": 1,
        "edited_fields": ("stage",),
        "patients_per_level": {},
        "edit_patients": (10, 10),
        "seed": 0,
    } | changes
    record = arguments.pop("record", RECORD)
    fields = arguments.pop("fields", FIELDS)
    return plan_placebo_edits(record, fields, **arguments)


def test_every_pair_of_levels_of_one_field_is_an_edit():
    made = plan()
    assert len(made.edits) == 1 + 3 + 6 + 10 + 28 + 1
    assert made.df == 1 + 2 + 3 + 4 + 7 + 1
    assert made.enough


def test_an_edit_changes_its_fields_only_and_keeps_the_record():
    for edit in plan().edits:
        differing = {
            field
            for field in {*edit.before, *edit.after}
            if edit.before.get(field) != edit.after.get(field)
        }
        assert differing == set(edit.fields)
        assert edit.before["stage"] == edit.after["stage"] == "II"
        assert list(edit.before)[: len(RECORD)] == list(RECORD)


def test_as_many_fields_change_as_in_the_edit():
    made = plan(n_fields=2)
    assert {len(edit.fields) for edit in made.edits} == {2}
    assert 40 <= len(made.edits) <= MAX_EDITS
    assert made.df >= 15
    assert len({(str(e.before), str(e.after)) for e in made.edits}) == len(made.edits)


def test_a_field_is_no_placebo_for_itself():
    made = plan(edited_fields=("box8",))
    assert not any("box8" in edit.fields for edit in made.edits)
    assert made.df == 11


def test_fewer_than_ten_directions_are_not_enough():
    few = plan(fields={"box": list("abcde"), "day": ["x", "y"]})
    assert few.df == 5
    assert not few.enough


@pytest.mark.parametrize("fields", [{}, {"box": ["only"]}, {"box": ["only", "nan", ""]}])
def test_no_field_of_two_levels_no_plan(fields):
    assert plan(fields=fields) == PlaceboPlan((), 0, matched=False)


def test_at_most_sixty_edits_and_their_directions_are_counted_among_those_kept():
    made = plan(fields={"ward": [f"w{i}" for i in range(20)]})
    assert len(made.edits) == MAX_EDITS
    assert made.df <= 19


def test_directions_of_unlinked_pairs_are_counted_apart():
    """Levels a-b and c-d of one field, never linked, span two directions, not three."""
    counts = {"ward": {"a": 10, "b": 10, "c": 1, "d": 1}}
    many = {f"box{i}": ["l", "r"] for i in range(30)}
    counts |= {field: {"l": 10, "r": 10} for field in many}
    made = plan(fields={"ward": list("abcd"), **many}, patients_per_level=counts)
    assert made.matched
    assert made.df == 31


def test_levels_as_rare_as_those_of_the_edit_are_preferred():
    common = {f"box{i}": ["l", "r"] for i in range(25)}
    rare = {f"bag{i}": ["l", "r"] for i in range(25)}
    counts = {field: {"l": 40, "r": 40} for field in common}
    counts |= {field: {"l": 2, "r": 2} for field in rare}
    made = plan(fields={**common, **rare}, patients_per_level=counts, edit_patients=(2, 3))
    assert made.matched
    assert all(edit.fields[0].startswith("bag") for edit in made.edits)


def test_without_counts_nothing_is_called_matched():
    assert not plan().matched
    assert not plan(edit_patients=(0, 3)).matched


def test_same_seed_same_plan():
    assert plan(n_fields=3, seed=4) == plan(n_fields=3, seed=4)
    assert plan(n_fields=3, seed=4) != plan(n_fields=3, seed=5)


def test_p_refers_to_a_t_distribution_scaled_by_the_placebo_shifts():
    rng = np.random.default_rng(0)
    placebo = rng.normal(size=(50, 2, 3))
    shift = rng.normal(size=(2, 3))
    verdict = compare_with_placebo(shift, placebo, 18)
    tau = np.sqrt((placebo**2).mean(axis=0))
    np.testing.assert_allclose(verdict.scale, tau)
    np.testing.assert_allclose(verdict.p, 2 * stats.t.sf(np.abs(shift) / tau, 18))
    rank = (1 + (np.abs(placebo) >= np.abs(shift)).sum(axis=0)) / 51
    np.testing.assert_allclose(verdict.rank_p, rank)


def test_whole_edit_p_leaves_out_the_edit_that_is_ranked():
    rng = np.random.default_rng(1)
    placebo = rng.normal(size=(30, 2, 4))
    shift = rng.normal(size=(2, 4)) * 1.2
    verdict = compare_with_placebo(shift, placebo, 18)
    own = (shift**2 / (placebo**2).mean(axis=0)).mean()
    others = [
        (placebo[b] ** 2 / (np.delete(placebo, b, axis=0) ** 2).mean(axis=0)).mean()
        for b in range(30)
    ]
    assert verdict.whole_edit_p == pytest.approx((1 + np.sum(np.array(others) >= own)) / 31)


def test_p_is_uniform_when_the_edit_is_itself_a_placebo():
    rng = np.random.default_rng(2)
    p, whole = [], []
    for _ in range(300):
        verdict = compare_with_placebo(rng.normal(size=(1, 5)), rng.normal(size=(40, 1, 5)), 40)
        p.append(verdict.p)
        whole.append(verdict.whole_edit_p)
    assert 0.03 < (np.concatenate(p) < 0.05).mean() < 0.07
    assert 0.02 < (np.array(whole) < 0.05).mean() < 0.09


def test_too_few_directions_estimate_nothing():
    verdict = compare_with_placebo(np.ones((2, 2)), np.ones((30, 2, 2)), 9)
    for figure in (verdict.p, verdict.rank_p, verdict.scale):
        assert np.isnan(figure).all()
    assert np.isnan(verdict.whole_edit_p)


def test_rows_without_a_shift_stay_nan_and_do_not_spoil_the_rest():
    rng = np.random.default_rng(3)
    placebo = rng.normal(size=(40, 1, 3))
    placebo[:, 0, 1] = np.nan
    verdict = compare_with_placebo(np.array([[1.0, np.nan, 2.0]]), placebo, 18)
    assert np.isnan(verdict.p[0, 1])
    assert np.isnan(verdict.rank_p[0, 1])
    assert np.isfinite(verdict.p[0, [0, 2]]).all()
    assert np.isfinite(verdict.whole_edit_p)


def test_markers_that_no_placebo_moves_are_not_estimable():
    verdict = compare_with_placebo(np.ones((1, 1)), np.zeros((40, 1, 1)), 18)
    assert np.isnan(verdict.p).all()
    assert np.isnan(verdict.whole_edit_p)


@given(st.integers(1, 6), st.integers(0, 5))
def test_any_number_of_fields_is_met_or_capped(n_fields, seed):
    made = plan(n_fields=n_fields, seed=seed)
    assert {len(edit.fields) for edit in made.edits} == {min(n_fields, len(FIELDS))}
    assert made.df <= 18
