"""Scores of a question with several parts, against golden numbers and by property."""

from __future__ import annotations

import numpy as np
import pytest
from golden_objective_files import golden

from napari_haiku.atlas.scoring import (
    SCORERS,
    check_scorer,
    query_vector,
    score,
    squared_volume,
    trained_objectives,
)
from napari_haiku.errors import HaikuError


def unit(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_scores_match_the_golden_numbers() -> None:
    file = golden("query_scoring")
    parts = {"he": file["q_he"].numpy(), "text": file["q_text"].numpy()}
    gallery = file["cand_mif"].numpy()
    he, text = file.hyper["weights"]
    weights = {"he": he, "text": text}
    for name, key in (("late_fusion", "mean_cos"), ("early_fusion", "fusion"), ("mip", "mip")):
        found = score(name, parts, gallery, weights=weights)[0]
        np.testing.assert_allclose(found, file[f"score_{key}"].numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        score("rrf", parts, gallery)[0], file["score_rrf"].numpy(), rtol=2e-6
    )
    volume = file["score_volume"].numpy()
    np.testing.assert_allclose(np.sqrt(squared_volume(parts, gallery))[0], volume, rtol=1e-9)
    found = score("gram_volume", parts, gallery, signed=False)[0]
    np.testing.assert_allclose(-found, volume, rtol=1e-9)


@pytest.mark.parametrize("name", SCORERS)
def test_one_part_ranks_like_the_cosine(name: str) -> None:
    query, gallery = unit(3), unit(40, seed=1)
    found = score(name, {"he": query}, gallery)
    cosine = query @ gallery.T
    order = np.argsort(-found, axis=1, kind="stable")
    expected = np.argsort(-cosine, axis=1, kind="stable")
    if name == "gram_volume":
        # Blind to signs: candidates that point away come last, among themselves nearest to 0 first.
        for row, (got, want) in enumerate(zip(order, expected, strict=True)):
            assert np.array_equal(got[: (cosine[row] >= 0).sum()], want[: (cosine[row] >= 0).sum()])
    assert np.array_equal(order, expected)


def test_opposite_candidate_ties_without_sign_and_is_last_with_it() -> None:
    query, other = unit(1), unit(5, seed=2)
    gallery = np.concatenate([query, -query, other])
    blind = score("gram_volume", {"he": query}, gallery, signed=False)[0]
    assert blind[0] == pytest.approx(blind[1], abs=1e-7)
    seeing = score("gram_volume", {"he": query}, gallery)[0]
    assert seeing.argmax() == 0
    assert seeing.argmin() == 1


def test_parts_that_say_the_same_still_rank() -> None:
    query, gallery = unit(1), unit(30, seed=3)
    found = score("gram_volume", {"he": query, "mif": query}, gallery)[0]
    assert np.isfinite(found).all()
    assert found.argmax() == (query @ gallery.T)[0].argmax()


@pytest.mark.parametrize("name", [n for n, s in SCORERS.items() if s.one_vector])
def test_query_vector_gives_the_same_scores(name: str) -> None:
    parts = {"he": unit(4)} if name == "cosine" else {"he": unit(4), "text": unit(4, seed=5)}
    gallery = unit(20, seed=6)
    np.testing.assert_allclose(
        query_vector(name, parts) @ gallery.T, score(name, parts, gallery), atol=1e-6
    )


@pytest.mark.parametrize("name", ["late_fusion", "early_fusion", "rrf", "mip", "gram_volume"])
def test_a_missing_part_counts_as_not_asked(name: str) -> None:
    he, text, gallery = unit(3), unit(3, seed=7), unit(25, seed=8)
    has = np.array([True, False, True])
    spoilt = np.where(has[:, None], text, np.nan)
    found = score(name, {"he": he, "text": spoilt}, gallery, query_present={"text": has})
    np.testing.assert_allclose(found[1], score(name, {"he": he[1]}, gallery)[0])
    both = score(name, {"he": he, "text": text}, gallery)
    np.testing.assert_allclose(found[[0, 2]], both[[0, 2]])


@pytest.mark.parametrize("name", SCORERS)
def test_candidates_never_measured_take_no_place(name: str) -> None:
    parts, gallery = {"he": unit(2)}, unit(12, seed=9)
    there = np.arange(12) % 3 > 0
    spoilt = np.where(there[:, None], gallery, np.nan)
    found = score(name, parts, spoilt, gallery_present=there)
    assert np.isneginf(found[:, ~there]).all()
    np.testing.assert_allclose(found[:, there], score(name, parts, gallery[there]))


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({}, set()),
        ({"training": {"objective": "pairwise_clip"}}, {"pairwise_clip"}),
        ({"training": {"objective": "symile=1 + expression=0.3"}}, {"symile", "expression"}),
        ({"training": {"objective": {"gram": 1.0}}}, {"gram"}),
        ({"training": {"objective": ["gram", "barlow"]}}, {"gram", "barlow"}),
    ],
)
def test_objectives_named_by_a_card(card: dict[str, object], expected: set[str]) -> None:
    assert trained_objectives(card) == expected


def test_mip_is_refused_and_volume_warned_about_without_their_training() -> None:
    plain = {"training": {"objective": "pairwise_clip"}}
    with pytest.raises(HaikuError, match="symile"):
        check_scorer("mip", plain)
    with pytest.raises(HaikuError, match="does not name"):
        check_scorer("mip", {})
    warning = check_scorer("gram_volume", plain)
    assert warning is not None
    assert "gram" in warning
    assert check_scorer("mip", {"training": {"objective": "symile"}}) is None
    assert check_scorer("gram_volume", {"training": {"objective": "gram"}}) is None
    assert check_scorer("rrf", plain) is None


@pytest.mark.parametrize(
    ("name", "parts", "says"),
    [
        ("cosin", {"he": unit(1)}, "choose cosine"),
        ("cosine", {"he": unit(1), "text": unit(1)}, "late_fusion"),
        ("late_fusion", {}, "empty"),
        ("late_fusion", {"he": unit(2), "text": unit(3)}, "differ"),
        ("late_fusion", {"he": unit(1, 7)}, "different lengths"),
    ],
)
def test_refusals(name: str, parts: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(HaikuError, match=says):
        score(name, parts, unit(4))


def test_weight_of_an_absent_part_is_refused() -> None:
    with pytest.raises(HaikuError, match="no text part"):
        score("late_fusion", {"he": unit(1)}, unit(3), weights={"he": 0.5, "text": 0.5})
    with pytest.raises(HaikuError, match="no single dot product"):
        query_vector("rrf", {"he": unit(1)})
