"""Captions read into features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.model.compact.caption_reader import CaptionReader, learn_features, split_caption

CAPTIONS = [f"Lung tissue. Details: stage: {s}, age: {a}." for s, a in (("II", 40), ("IV", 60))]


def test_a_field_and_its_value_make_a_pair() -> None:
    words, numbers = split_caption("survival_status: Deceased, grade: G2, tnm: T4N2M1, age: 64.5")
    assert {"status deceased", "grade g2", "tnm t4n2m1"} <= words
    assert ("t", 4) in numbers
    assert ("age", 64.5) in numbers


def test_pairs_stay_within_a_clause() -> None:
    words, _ = split_caption("stage: II, grade: G1")
    assert "ii grade" not in words


@pytest.mark.parametrize(
    ("age", "young", "old"), [(40, 1, 0), (60, 0, 1), (50, 0.5, 0.5), (20, 1, 0), (99, 0, 1)]
)
def test_a_number_is_shared_out_between_its_neighbours(age: int, young: float, old: float) -> None:
    reader = CaptionReader(learn_features(CAPTIONS * 2))
    row = dict(zip(reader.features, reader.read([f"age: {age}"])[0], strict=True))
    assert (row["age #40"], row["age #60"]) == (young, old)


def test_what_is_rare_is_no_feature() -> None:
    features = learn_features(["lung", "lung", "colon"], at_least=2)
    assert features == ("lung",)


def test_the_order_of_captions_and_fields_does_not_matter() -> None:
    assert learn_features(CAPTIONS * 2) == learn_features(CAPTIONS[::-1] * 2)
    reader = CaptionReader(learn_features(CAPTIONS * 2))
    one, two = reader.read(["age: 40, stage: II", "stage: II, age: 40"])
    np.testing.assert_array_equal(one, two)


@given(st.text(max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    reader = CaptionReader(learn_features([*CAPTIONS, text] * 2))
    row = reader.read([text])[0]
    assert np.isfinite(row).all()
    assert row.min(initial=0) >= 0
    assert row.max(initial=0) <= 1
