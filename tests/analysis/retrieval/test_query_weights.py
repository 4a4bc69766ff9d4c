"""Weights of H&E and record."""

import pytest

from napari_haiku.analysis.retrieval.query_weights import choose_weights
from napari_haiku.errors import HaikuError

DEFAULTS = {"he": 0.8, "text": 0.2}


def test_defaults_with_a_record():
    assert choose_weights(None, DEFAULTS, has_record=True) == DEFAULTS


def test_defaults_fall_to_he_without_a_record():
    assert choose_weights(None, DEFAULTS, has_record=False) == {"he": 1.0}


def test_shares_are_scaled_and_zeros_dropped():
    assert choose_weights({"he": 3, "text": 1}, DEFAULTS, has_record=True) == {
        "he": 0.75,
        "text": 0.25,
    }
    assert choose_weights({"he": 2, "text": 0}, DEFAULTS, has_record=False) == {"he": 1.0}


def test_own_mif_is_never_asked():
    with pytest.raises(HaikuError, match="own mIF is never"):
        choose_weights({"he": 0.5, "mif": 0.5}, DEFAULTS, has_record=True)


def test_a_weight_on_a_missing_record_is_refused():
    with pytest.raises(HaikuError, match="no clinical record"):
        choose_weights({"he": 0.8, "text": 0.2}, DEFAULTS, has_record=False)


@pytest.mark.parametrize("bad", [{"he": -1.0}, {"he": 0.0}, {"h&e": 1.0}, {"he": float("nan")}])
def test_impossible_weights_are_refused(bad):
    with pytest.raises(HaikuError):
        choose_weights(bad, DEFAULTS, has_record=True)
