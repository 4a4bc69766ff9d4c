"""Captions in the published form and what they leave out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.feature import graycomatrix, graycoprops

from napari_haiku.errors import HaikuError
from napari_haiku.model.published import captions
from napari_haiku.model.published.patch_statistics import (
    MarkerStatistics,
    _homogeneity,
    describe_patch,
    leave_one_out,
    mean_of_nonzero,
    select_markers,
    spatial_pattern,
)

RECORD = {
    "patient id": "P-1",
    "tissue_type": "Lung",
    "diagnosis": "adenocarcinoma",
    "disease": "Lung Cancer",
    "grade": "n/a",
    "stage": "IV",
    "Tissue ID.": "T-9",
}
HIGH = MarkerStatistics("CD8", 2.25, 95.0, "clustered dense")
LOW = MarkerStatistics("Ki67", -1.5, 4.0, "sparse")
PLAIN = MarkerStatistics("DAPI", 0.5, 81.0)


def test_caption_in_full() -> None:
    assert captions.full_caption(RECORD, [HIGH, LOW, PLAIN]) == (
        "A representative section of Lung tissue highlighting the landscape of Lung Cancer. "
        "Additional clinical details include: diagnosis: adenocarcinoma, stage: IV. "
        "regarding the molecular profile, these markers stand out: "
        "The region is enriched for CD8 shows relatively high expression exhibiting a clustered "
        "dense pattern; DAPI shows relatively high expression. "
        "Conversely, it shows relative depletion of Ki67 is relatively low in expression with a "
        "sparse pattern."
    )


def test_published_rule_keeps_an_identifier_that_ours_withholds() -> None:
    published = captions.full_caption(RECORD, [], fields="as published")
    assert "Tissue ID.: T-9" in published
    assert "P-1" not in published
    ours = captions.full_caption(RECORD, [])
    assert "T-9" not in ours
    assert "P-1" not in ours
    with pytest.raises(HaikuError, match="Caption fields 'all' are unknown"):
        captions.full_caption(RECORD, [], fields="all")  # type: ignore[arg-type]


def test_record_caption_as_published() -> None:
    assert captions.record_caption({"stage": "IV", "sex": "Male"}, fields="as published") == (
        "A representative section of tissue tissue highlighting the landscape of disease. "
        "Additional clinical details include: stage: IV, sex: Male."
    )
    assert "P-1" not in captions.record_caption(RECORD)


def test_record_without_tissue_has_a_generic_opening() -> None:
    text = captions.full_caption({"stage": "II"}, [])
    assert "Clinical metadata includes: stage: II." in text


def test_nothing_is_said_of_markers_when_none_stands_out() -> None:
    assert captions.full_caption({"tissue": "a", "disease": "b"}, []).endswith("landscape of b.")


@given(st.integers(0, 10_000))
def test_seed_decides_the_wording_and_metadata_can_be_cut_out_again(seed: int) -> None:
    text = captions.full_caption(RECORD, [HIGH], seed=seed)
    assert text == captions.full_caption(RECORD, [HIGH], seed=seed)
    assert captions.metadata_part(text) == captions.full_caption(RECORD, [], seed=seed)


def test_transitions_start_as_published() -> None:
    for opener, transition in zip(captions.TRANSITION_OPENERS, captions.TRANSITIONS, strict=True):
        assert transition.startswith(f" {opener}")
        assert transition.endswith(":")


def test_statistics_text_is_read_back() -> None:
    text = captions.statistics_text({"tissue": "lung, left", "stage": "IV"}, [HIGH, LOW, PLAIN])
    assert text.startswith("Metadata: tissue: lung, left, stage: IV\n\n")
    assert "- **CD8**: z-score = 2.25, percentile = 95.0" in text
    metadata, markers = captions.read_statistics(text)
    assert metadata == {"tissue": "lung, left", "stage": "IV"}
    assert markers == (HIGH, LOW, PLAIN)
    with pytest.raises(HaikuError, match="neither metadata nor marker statistics"):
        captions.read_statistics("nothing here")


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 12), st.integers(1, 3)),
        elements=st.floats(0, 255).map(lambda value: round(value, 3)),
    )
)
def test_closed_form_equals_leaving_each_patch_out(means: np.ndarray) -> None:
    z_scores, percentiles = leave_one_out(means)
    for i in range(len(means)):
        others = np.delete(means, i, axis=0)
        spread = others.std(0)
        clear = spread > 1e-3
        expected = (means[i] - others.mean(0)) / (spread + 1e-6)
        np.testing.assert_allclose(z_scores[i][clear], expected[clear], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(percentiles[i], 100 * (others <= means[i]).mean(0))


def test_single_patch_stands_in_the_middle() -> None:
    z_scores, percentiles = leave_one_out(np.ones((1, 2)))
    assert z_scores.tolist() == [[0, 0]]
    assert percentiles.tolist() == [[50, 50]]


def test_mean_ignores_zeros() -> None:
    image = np.zeros((2, 4, 4), np.uint8)
    image[0, 0, :2] = [10, 20]
    assert mean_of_nonzero(image).tolist() == [15, 0]


def test_three_most_unusual_and_all_clear_ones_are_selected() -> None:
    z_scores = np.array([0.1, -0.2, 0.3, 0.05, 1.2, -1.1])
    percentiles = np.array([50, 50, 50, 85, 90, 10])
    assert select_markers(z_scores, percentiles) == [4, 5, 2, 3]


@given(hnp.arrays(np.uint8, (9, 9)))
def test_homogeneity_is_that_of_the_co_occurrence_matrix(image: np.ndarray) -> None:
    values = image.astype(float)
    span = values.max() - values.min()
    grey = ((values - values.min()) / span * 255 if span else values * 0).astype(np.uint8)
    matrix = graycomatrix(grey, [1], [0], 256, symmetric=True, normed=True)
    assert _homogeneity(values) == pytest.approx(float(graycoprops(matrix, "homogeneity")[0, 0]))


def spread_over(share: float, *, level: int = 100, spacing: int = 1) -> np.ndarray:
    image = np.zeros((40, 40), np.uint8)
    image[: round(40 * share)] = level
    if spacing > 1:
        image[::spacing] = 0
    return image


@pytest.mark.parametrize(
    ("image", "word"),
    [
        (spread_over(0.05), "sparse"),
        (spread_over(1.0), "uniform dense"),
        (spread_over(0.5, level=1), "clustered moderate"),
        (spread_over(0.5), "uniform moderate"),
        (spread_over(0.2), "scattered sparse"),
        (spread_over(0.2, level=1), "clustered sparse"),
        (np.random.default_rng(0).integers(1, 256, (40, 40)), "heterogeneous dense"),
    ],
)
def test_spatial_words(image: np.ndarray, word: str) -> None:
    assert spatial_pattern(image) == word


def test_patch_is_described_in_order_of_surprise() -> None:
    image = np.stack([spread_over(1.0), spread_over(0.05)])
    rows = describe_patch(image, ("CD8", "DAPI"), np.array([0.5, -2]), np.array([60, 1]))
    assert [(row.marker, row.pattern) for row in rows] == [
        ("DAPI", "sparse"),
        ("CD8", "uniform dense"),
    ]
