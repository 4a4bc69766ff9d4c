from __future__ import annotations

import math

import numpy as np
import pytest

from napari_haiku.analysis.niches.neighbourhood import niche_neighbourhood
from napari_haiku.analysis.niches.niches import find_niches
from napari_haiku.jobs import run_job
from napari_haiku.viewer.niches.contacts import contacts_of, on_circle


def test_pairs_are_told_once_with_shares_that_add_up(stores):
    result = run_job(find_niches([stores.open_encoding()], clusters=3))
    found = run_job(niche_neighbourhood(result, permutations=50))
    contacts = contacts_of(found)
    assert len(contacts) == 6
    first = [one for one in contacts if one.first == 1 and one.second != 1]
    assert sum(one.share for one in first) == pytest.approx(1.0)
    own = next(one for one in contacts if one.first == one.second == 1)
    # Niches lie in patches, so each touches itself more than by chance.
    assert own.log2_ratio > 0
    assert "beside itself" in own.hint


def test_niches_stand_on_a_circle():
    places = np.array(on_circle(5))
    np.testing.assert_allclose(np.hypot(*places.T), 1)
    assert places[0].tolist() == pytest.approx([0, -1])
    assert math.dist(places[0], places[1]) == pytest.approx(math.dist(places[4], places[0]))
