"""Words and markers over a slide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from toy_cohort import ToyModel, text_vector, toy_slide, write_slide

from napari_haiku.analysis.counterfactual.result_tables import read_notes
from napari_haiku.analysis.retrieval.query_map import map_query, read_query
from napari_haiku.errors import HaikuError

HERE = ("CD8", "PanCK", "Ki67", "CD3e")


@pytest.mark.parametrize(
    ("query", "markers", "words"),
    [
        ("CD8 high tumour margin", {"CD8": 1}, "tumour margin"),
        ("CD8 high, PanCK low", {"CD8": 1, "PanCK": -1}, ""),
        ("CD8a+ Pan-CK-", {"CD8": 1, "PanCK": -1}, ""),
        ("no PanCK; low Ki67, stroma", {"PanCK": -1, "Ki67": -1}, "stroma"),
        ("high grade tumour", {}, "high grade tumour"),
        ("tissue with CD8 cells", {}, "tissue with CD8 cells"),
    ],
)
def test_questions_are_read(query, markers, words):
    asked = read_query(query, HERE)
    assert dict(asked.markers) == markers
    assert asked.words == words


def test_what_is_not_at_hand_and_nothing_at_all_are_sentences():
    with pytest.raises(HaikuError, match="CD20 was neither measured on this slide nor predicted"):
        read_query("CD20 high", HERE)
    with pytest.raises(HaikuError, match="markers at hand are none"):
        read_query("CD20 high", ())
    with pytest.raises(HaikuError, match="question is empty"):
        read_query("  ", HERE)


def test_markers_lead_to_where_they_are(query):
    found = map_query(query, "CD8 high, PanCK low")
    cd8, ck = query.expression[:, 1], query.expression[:, 0]
    expected = ((cd8 - cd8.mean()) / cd8.std() - (ck - ck.mean()) / ck.std()) / 2
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    assert found.markers_from == "measured"
    best = found.best(6)
    assert (query.grid.cols[best] // 4 == 1).all()


def test_words_are_compared_in_the_shared_space(query):
    found = map_query(query, "Details include: stage: IV", model=ToyModel())
    cosine = query.embeddings("mif") @ text_vector("Details include: stage: IV")
    np.testing.assert_allclose(found.parts["text"], cosine, atol=1e-5)
    assert np.corrcoef(found.values, cosine)[0, 1] > 0.999
    he = map_query(query, "Details include: stage: IV", model=ToyModel(), modality="he")
    assert not np.allclose(he.values, found.values)


def test_saved_with_what_was_asked(tmp_path, query):
    found = map_query(query, "CD8 high gibberish", model=ToyModel())
    found.save(tmp_path)
    table = pd.read_parquet(tmp_path / "query.parquet")
    assert list(table.columns) == ["patch", "x_um", "y_um", "answer", "CD8", "text"]
    notes = read_notes(tmp_path / "query.parquet")
    assert notes["markers"] == [["CD8", 1]]
    assert any('never read "gibberish"' in note for note in notes["notes"])


def test_predicted_markers_serve_where_none_was_measured(tmp_path):
    slide = toy_slide(np.random.default_rng(0), 0.0, (6, 9))
    bare = write_slide(tmp_path / "he.zarr", slide, {}, patient="p", modalities=("he",))
    predicted = slide.expression.copy()
    predicted[3] = np.nan
    names = ("PanCK", "CD8", "CollagenIV", "Ki67")
    found = map_query(bare, "CollagenIV high", markers=names, predicted=predicted)
    assert found.markers_from == "predicted"
    assert np.isnan(found.values[3])
    assert 3 not in found.best(54)
    with pytest.raises(HaikuError, match="neither measured"):
        map_query(bare, "CD8 high")
    with pytest.raises(HaikuError, match=r"he\.zarr has no mIF"):
        map_query(bare, "stroma", model=ToyModel(), modality="mif")


def test_bad_questions_are_sentences(query):
    with pytest.raises(HaikuError, match="need the model"):
        map_query(query, "tumour margin")
    with pytest.raises(HaikuError, match="compared with he or mif"):
        map_query(query, "tumour", model=ToyModel(), modality="text")
    with pytest.raises(HaikuError, match="model"):
        map_query(query, "tumour", model=ToyModel(fingerprint="other"))


def test_a_constant_marker_tells_no_patches_apart(tmp_path):
    slide = toy_slide(np.random.default_rng(0), 0.0, (6, 9))
    slide.expression[:, 1] = 7.0
    encoding = write_slide(tmp_path / "s", slide, {}, patient="p")
    found = map_query(encoding, "CD8 high")
    assert np.isnan(found.values).all()
    assert len(found.best()) == 0
    assert "does not vary" in found.notes[0]
    both = map_query(encoding, "CD8 high, PanCK high")
    assert np.isfinite(both.values).all()
