from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.analysis.niches.niches import find_niches
from napari_haiku.jobs import run_job
from napari_haiku.viewer.niches.matching import matching_numbers, renumbered, still_the_same

LABELS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)


@given(LABELS)
def test_every_niche_gets_one_number_of_its_own(pairs):
    before, after = np.array(pairs).T
    numbers = matching_numbers(before, after)
    assert set(numbers) == set(after[after > 0])
    assert len(set(numbers.values())) == len(numbers)
    assert all(number >= 1 for number in numbers.values())


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60), st.permutations(range(1, 7)))
def test_the_same_niches_under_other_numbers_get_their_old_ones(labels, shuffled):
    before = np.array(labels)
    after = np.array(shuffled)[before - 1]
    numbers = matching_numbers(before, after)
    assert [numbers[int(niche)] for niche in after] == labels


def test_the_largest_overlap_goes_first():
    before = np.array([1] * 10 + [2] * 3)
    after = np.array([1] * 2 + [2] * 11)
    # 2 shares eight patches with the old 1; what is left takes the old 2's number or a free one.
    assert matching_numbers(before, after)[2] == 1


def test_a_niche_that_became_other_tissue_is_not_the_same():
    before, after = np.array([1, 1, 1, 1, 2, 2]), np.array([1, 1, 1, 2, 2, 2])
    assert still_the_same(before, after, 1)
    assert still_the_same(before, after, 2)
    assert not still_the_same(before, np.array([2, 2, 2, 1, 1, 1]), 1)
    assert not still_the_same(before, after, 3)


def test_everything_about_a_niche_moves_with_its_number(stores):
    result = run_job(find_niches([stores.open_encoding()], clusters=3))
    moved = renumbered(result, {1: 5, 2: 1, 3: 2})
    assert moved.niches == (1, 2, 5)
    assert moved.names[5] == result.names[1]
    np.testing.assert_array_equal(moved.labels[0] == 5, result.labels[0] == 1)
    np.testing.assert_array_equal(moved.centres[2], result.centres[0])
    assert moved.prototypes[5] == result.prototypes[1]
    mine, was = (
        table[table["niche"] == n] for table, n in ((moved.enrichment, 5), (result.enrichment, 1))
    )
    np.testing.assert_array_equal(mine["effect"], was["effect"])
