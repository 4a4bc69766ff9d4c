from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.atlas.query import compose_query, default_weights, normalised, parse_weights
from napari_haiku.errors import HaikuError

HE = np.eye(3, 4, dtype=np.float32)
TEXT = np.asarray([0, 0, 0, 1], np.float32)


def test_the_default_is_as_published():
    assert default_weights({"he": HE, "text": TEXT}) == {"he": 0.8, "text": 0.2}
    assert default_weights({"he": HE, "text": None}) == {"he": 1.0}
    assert default_weights({"mif": HE, "text": TEXT}) == {"mif": 0.8, "text": 0.2}
    assert default_weights({"text": TEXT}) == {"text": 1.0}


def test_one_record_serves_every_patch():
    mixed = compose_query({"he": HE, "text": TEXT})
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, 0.8 * HE + 0.2 * TEXT, atol=2.0**-24)
    np.testing.assert_allclose(compose_query({"he": None, "text": TEXT}), TEXT[None])


@given(st.integers(0, 2**32 - 1))
def test_an_edit_moves_every_question_by_the_very_same_vector(seed):
    rng = np.random.default_rng(seed)
    he, text, other = (
        (v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32)
        for v in (rng.normal(size=(n, 12)) for n in (9, 1, 1))
    )
    before = compose_query({"he": he, "text": text}).astype(np.float64)
    after = compose_query({"he": he, "text": other}).astype(np.float64)
    assert not np.ptp(after - before, axis=0).any()


@given(
    st.dictionaries(st.sampled_from(["he", "mif", "text"]), st.floats(0.01, 100), min_size=1),
    st.integers(0, 2**32 - 1),
)
def test_the_dot_product_is_the_weighted_mean_of_the_parts(weights, seed):
    rng = np.random.default_rng(seed)
    parts = {name: rng.normal(size=(4, 6)).astype(np.float32) for name in weights}
    candidate = rng.normal(size=6)
    expected = np.average(
        [parts[name] @ candidate for name in weights], axis=0, weights=list(weights.values())
    )
    np.testing.assert_allclose(compose_query(parts, weights) @ candidate, expected, atol=1e-5)


def test_a_weight_of_zero_needs_no_part():
    np.testing.assert_array_equal(compose_query({"he": HE}, {"he": 2.0, "text": 0.0}), HE)


def test_weights_are_read():
    assert parse_weights("he=3, text=1") == {"he": 0.75, "text": 0.25}
    assert normalised({"mif": 5}) == {"mif": 1.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("he", "write weights like he=0.8,text=0.2"),
        ("he=much", "'he=much' cannot be read"),
        ("", "cannot be read"),
        ("codex=1", "no part 'codex'"),
        ("he=-1,text=2", "H&E must be 0 or more"),
        ("he=nan", "0 or more"),
        ("he=0", "Every weight is 0"),
    ],
)
def test_wrong_weights_are_told(text, said):
    with pytest.raises(HaikuError, match=said):
        parse_weights(text)


def test_a_weighed_part_must_be_there():
    with pytest.raises(HaikuError, match="has no text part"):
        compose_query({"he": HE, "text": None}, {"he": 0.8, "text": 0.2})


def test_parts_must_agree_in_number():
    with pytest.raises(HaikuError, match="differ in length"):
        compose_query({"he": HE, "mif": HE[:2]}, {"he": 1, "mif": 1})
