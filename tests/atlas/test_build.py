from __future__ import annotations

import numpy as np
import pytest
from atlas_bench import COHORT, encode, same_but
from fake_model import FakeModel
from slide_bench import content_of

from napari_haiku.atlas.build import build_atlas
from napari_haiku.atlas.store import Atlas
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


def test_the_same_encodings_give_the_same_bytes(built, tmp_path):
    run_job(build_atlas(built.encodings, tmp_path / "again"))
    first, second = content_of(built.atlas.path), content_of(tmp_path / "again")
    # Encodings outside the atlas's folder are remembered by their bare name.
    assert set(first) == set(second)
    for name in set(first) - {"slides.parquet", "atlas.json"}:
        assert first[name] == second[name], name
    assert run_job(build_atlas(built.encodings, tmp_path / "third")).path.is_dir()
    assert content_of(tmp_path / "third") == second
    assert {path.name for path in tmp_path.iterdir()} == {"again", "third"}


def test_encodings_beside_the_atlas_are_found_again(built):
    atlas = built.atlas
    for name, encoding in zip(atlas.slides["encoding"], built.encodings, strict=True):
        assert (atlas.path.parent / name).resolve() == encoding.path.resolve()


def test_the_same_atlas_is_opened_another_refused(built):
    before = content_of(built.atlas.path)
    again = run_job(build_atlas([e.path for e in built.encodings], built.atlas.path))
    assert again.n_patches == built.atlas.n_patches
    with pytest.raises(HaikuError, match="exists already and was built from other encodings"):
        run_job(build_atlas(built.encodings[:2], built.atlas.path))
    assert content_of(built.atlas.path) == before


def test_something_else_at_the_path_is_not_touched(built, tmp_path):
    (tmp_path / "atlas").mkdir()
    (tmp_path / "atlas" / "thesis.txt").write_text("years of work")
    with pytest.raises(HaikuError, match="is no atlas"):
        run_job(build_atlas(built.encodings, tmp_path / "atlas"))
    assert content_of(tmp_path / "atlas") == {"thesis.txt": b"years of work"}


def test_an_atlas_may_grow_where_that_is_asked(built, tmp_path):
    run_job(build_atlas(built.encodings[:2], tmp_path / "a"))
    grown = run_job(build_atlas(built.encodings, tmp_path / "a", grow=True))
    assert grown.n_slides == 4
    with pytest.raises(HaikuError, match="exists already"):
        run_job(build_atlas(built.encodings[:2], tmp_path / "a", grow=True))
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_selected_rows_only(built, tmp_path):
    encoding = built.encodings[0]
    left = encoding.centres_um[:, 0] < 200
    atlas = run_job(build_atlas([encoding], tmp_path / "left", rows=[left]))
    assert atlas.n_patches == left.sum() < len(encoding)
    assert atlas.patches["patch"].tolist() == np.flatnonzero(left).tolist()
    np.testing.assert_array_equal(
        atlas.embeddings("he"), encoding.embeddings("he")[left].astype(np.float16)
    )
    np.testing.assert_array_equal(atlas.expression, encoding.expression[left])
    last = int(np.flatnonzero(left)[-1])
    assert (
        np.abs(atlas.thumbnail(-1 % len(atlas)) - encoding.thumbnail(last).astype(int)).mean() < 12
    )
    with pytest.raises(HaikuError, match="other encodings"):
        run_job(build_atlas([encoding], tmp_path / "left", rows=[~left]))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([np.ones(3, bool)], "3 entries for 16 patches"),
        ([None, None], "1 encodings were given with 2 selections"),
        ([np.zeros(16, bool)], "No patch was selected"),
    ],
)
def test_wrong_selections_are_told(built, tmp_path, rows, said):
    with pytest.raises(HaikuError, match=said):
        run_job(build_atlas(built.encodings[:1], tmp_path / "a", rows=rows))
    assert not (tmp_path / "a").exists()


def test_nothing_to_build_from(tmp_path):
    with pytest.raises(HaikuError, match="at least one encoding"):
        run_job(build_atlas([], tmp_path / "a"))


def test_mixed_models_are_refused_naming_both(built, tmp_path):
    other = encode(same_but(COHORT[0], slide_id="x"), 9, tmp_path, FakeModel(seed=1))
    with pytest.raises(HaikuError, match=r"s1\.zarr was .* fake-0 .*x\.zarr with fake-1"):
        run_job(build_atlas([built.encodings[0], other], tmp_path / "a"))


def test_mixed_patch_sizes_are_refused(built, tmp_path):
    other = encode(
        same_but(COHORT[0], slide_id="x"), 9, tmp_path, FakeModel(), patch_um=80.0, stride_um=80.0
    )
    with pytest.raises(HaikuError, match=r"patches of 100 um and x.zarr of 80 um"):
        run_job(build_atlas([built.encodings[0], other], tmp_path / "a"))


def test_a_slide_twice_is_refused_without_its_id(built, tmp_path):
    with pytest.raises(HaikuError, match="id of a slide that is in the atlas already"):
        run_job(build_atlas([built.encodings[0]] * 2, tmp_path / "a"))


def test_a_field_called_like_a_column_is_refused(tmp_path):
    bad = encode(same_but(COHORT[0], record={"x_um": "5"}), 9, tmp_path, FakeModel())
    with pytest.raises(HaikuError, match=r"'x_um' of s1.zarr is called like a column"):
        run_job(build_atlas([bad], tmp_path / "a"))


def test_an_unfinished_encoding_is_refused(tmp_path):
    from atlas_bench import he_image

    request = EncodeRequest(he=he_image(0), output=tmp_path / "half.zarr", slide_id="h")
    job = encode_slide(request, FakeModel())
    for report in job:
        if report.total:
            break
    job.close()
    with pytest.raises(HaikuError, match="is not finished"):
        run_job(build_atlas([tmp_path / "half.zarr"], tmp_path / "a"))


def test_an_unknown_patient_is_one_of_its_own(tmp_path):
    slides = [same_but(COHORT[0], slide_id=name, patient_id="") for name in ("x", "y")]
    encodings = [encode(s, i, tmp_path, FakeModel()) for i, s in enumerate(slides)]
    atlas = run_job(build_atlas(encodings, tmp_path / "a"))
    assert atlas.n_patients == 2


def test_cancelling_leaves_no_half_atlas(built, tmp_path):
    job = build_atlas(built.encodings, tmp_path / "a")
    next(job)
    job.close()
    assert not (tmp_path / "a").exists()
    run_job(build_atlas(built.encodings, tmp_path / "a"))
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_a_second_builder_is_told(built, tmp_path):
    with WriteLock(tmp_path / "a"), pytest.raises(HaikuError, match="being written by another"):
        run_job(build_atlas(built.encodings, tmp_path / "a"))


def test_pictures_can_be_left_out(built, tmp_path):
    atlas = run_job(build_atlas(built.encodings, tmp_path / "a", thumbnails=("he",)))
    assert atlas.thumbnail(0).shape == (64, 64, 3)
    with pytest.raises(HaikuError, match="no picture"):
        atlas.thumbnail(0, "mif")
    assert isinstance(Atlas.open(tmp_path / "a"), Atlas)
