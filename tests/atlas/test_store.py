from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from atlas_bench import COHORT
from fake_model import FakeModel

from napari_haiku.atlas.store import Atlas
from napari_haiku.errors import HaikuError

N = 16


def test_counts(built):
    atlas = built.atlas
    assert (atlas.n_slides, atlas.n_patients, atlas.n_patches) == (4, 3, 4 * N)
    assert len(atlas) == 4 * N
    assert atlas.info() == {
        "slides": 4,
        "patients": 3,
        "patches": 4 * N,
        "markers": ["DAPI", "CD8", "PanCK", "CD20"],
        "model": "fake-0",
        "index": {"kind": "exact", "recall_at_50": 1.0},
    }
    assert "3 patients, 4 slides, 64 patches" in repr(atlas)


def test_embeddings_are_those_of_the_encodings(built):
    for modality in ("he", "mif"):
        stored = built.atlas.embeddings(modality)
        assert stored.dtype == np.float16
        assert isinstance(stored, np.memmap)
        for number, encoding in enumerate(built.encodings):
            rows = slice(number * N, (number + 1) * N)
            vectors = encoding.embeddings(modality)
            assert (vectors is not None) == built.atlas.has(modality)[rows].all()
            expected = 0 if vectors is None else vectors.astype(np.float16)
            np.testing.assert_array_equal(stored[rows], np.broadcast_to(expected, (N, 16)))


def test_text_is_the_slides_for_each_patch(built):
    texts = built.atlas.embeddings("text")
    assert texts.shape == (4 * N, 16)
    np.testing.assert_array_equal(
        texts[N], built.encodings[1].embeddings("text").astype(np.float16)
    )
    assert built.atlas.has("text").tolist() == [True] * 3 * N + [False] * N
    assert not texts[3 * N :].any()


def test_expression_has_nan_where_a_slide_did_not_measure(built):
    expression = built.atlas.expression
    measured = ~np.isnan(expression)
    assert measured[:N].all(axis=0).tolist() == [True, True, True, False]
    assert measured[2 * N : 3 * N].all(axis=0).tolist() == [True, False, False, True]
    assert not measured[3 * N :].any()
    np.testing.assert_array_equal(expression[2 * N : 3 * N, 3], built.encodings[2].expression[:, 1])


def test_the_patch_table_says_where_each_patch_lies(built):
    table = built.atlas.patches
    assert list(table.columns)[:8] == [
        "slide_id",
        "patient_id",
        "patch",
        "row",
        "col",
        "x_um",
        "y_um",
        "tissue_fraction",
    ]
    assert list(table.columns)[8:] == ["tissue", "stage", "age"]
    np.testing.assert_array_equal(
        built.atlas.positions_um[N : 2 * N], built.encodings[1].centres_um
    )
    assert table["slide_id"].iloc[3 * N] == "s4"
    assert table["stage"].iloc[[0, N, 3 * N]].tolist() == ["II", "IV", ""]
    assert table["patch"].tolist() == list(range(N)) * 4
    np.testing.assert_array_equal(built.atlas.slide_index, np.repeat(range(4), N))


def test_records_and_values(built):
    atlas = built.atlas
    assert atlas.fields == ("tissue", "stage", "age")
    assert atlas.records["stage"].tolist() == ["II", "IV", "II", ""]
    assert atlas.values_of("stage") == {"II": 2, "IV": 1}
    assert atlas.values_of("tissue") == {"Colon": 1, "Lung": 1}
    assert atlas.record_of(2 * N) == COHORT[2].record
    assert atlas.record_of(3 * N) == {}
    with pytest.raises(HaikuError, match="no field 'grade': its fields are tissue, stage, age"):
        atlas.values_of("grade")


def test_pseudonyms_follow_patients_not_slides(built):
    names = [built.atlas.pseudonym_of(N * slide) for slide in range(4)]
    assert names == ["P01", "P01", "P02", "P03"]


def test_thumbnails_are_the_encodings(built):
    atlas = built.atlas
    for patch, modality in ((0, "he"), (N + 3, None), (5, "mif"), (3 * N + 2, "he")):
        encoding = built.encodings[patch // N]
        direct = encoding.thumbnail(patch % N, modality)
        shown = atlas.thumbnail(patch, modality)
        assert shown.shape == (64, 64, 3)
        assert np.corrcoef(shown.ravel(), direct.ravel())[0, 1] > 0.9
    with pytest.raises(HaikuError, match="no picture"):
        atlas.thumbnail(N, "he")


def test_the_model_is_checked(built):
    built.atlas.check_model(FakeModel())
    with pytest.raises(HaikuError, match=r"made with another model \(fake-0 "):
        built.atlas.check_model(FakeModel(seed=1))


def test_a_modality_that_nobody_has_is_named(built):
    with pytest.raises(HaikuError, match="no modality 'codex'"):
        built.atlas.embeddings("codex")


@pytest.fixture
def copy(built, tmp_path):
    return shutil.copytree(built.atlas.path, tmp_path / "copy")


def test_a_missing_or_cut_file_is_named(copy):
    (copy / "expression.npy").write_bytes((copy / "expression.npy").read_bytes()[:-4])
    with pytest.raises(HaikuError, match=r"expression\.npy has .* bytes instead of"):
        Atlas.open(copy)
    (copy / "expression.npy").unlink()
    with pytest.raises(HaikuError, match=r"expression\.npy is missing"):
        Atlas.open(copy)


def test_what_is_no_atlas_is_said(tmp_path, copy):
    with pytest.raises(HaikuError, match="There is no atlas gone"):
        Atlas.open(tmp_path / "gone")
    with pytest.raises(HaikuError, match=r"is no atlas \(it has no atlas\.json\)"):
        Atlas.open(tmp_path)
    description = json.loads((copy / "atlas.json").read_text())
    for content, said in (
        ("{", "is damaged"),
        ("[]", "is damaged"),
        (json.dumps(description | {"format": "x"}), "is no atlas"),
        (json.dumps(description | {"format_version": 99}), "newer version"),
    ):
        (copy / "atlas.json").write_text(content)
        with pytest.raises(HaikuError, match=said):
            Atlas.open(copy)


def test_an_atlas_that_changed_while_it_was_open_is_not_mixed(built, copy):
    opened = Atlas.open(copy)
    assert len(opened.slides) == 4
    (copy / "expression.npy").write_bytes(b"another atlas")
    with pytest.raises(HaikuError, match="changed by another process meanwhile"):
        opened.expression  # noqa: B018
