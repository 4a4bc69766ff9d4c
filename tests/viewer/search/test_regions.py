from __future__ import annotations

import numpy as np

from napari_haiku.viewer.search.regions import rows_inside


def test_lower_ends_belong_to_a_region_and_upper_ends_do_not():
    centres = np.array([[0.0, 0.0], [50.0, 10.0], [100.0, 0.0], [50.0, 100.0]])
    assert rows_inside(centres, (0.0, 0.0, 100.0, 100.0)).tolist() == [0, 1]


def test_two_halves_make_the_whole():
    centres = np.random.default_rng(0).uniform(0, 100, (50, 2))
    left = rows_inside(centres, (0, 0, 40, 100))
    right = rows_inside(centres, (40, 0, 100, 100))
    assert sorted([*left, *right]) == list(range(50))
