from __future__ import annotations

import pytest
from fake_model import FakeModel
from slide_bench import content_of, write_slide

from napari_haiku.atlas.cohort import _file_name, build_from_manifest
from napari_haiku.encoding import layout
from napari_haiku.encoding.request import EncodeOptions
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.images.affine import Affine
from napari_haiku.jobs import run_job

HEADER = "slide_id,patient_id,he,mif,stage\n"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    for number in range(2):
        (folder / str(number)).mkdir()
        write_slide(folder / str(number), seed=number, size_um=(300, 400))
    return folder


def manifest(folder, *lines):
    path = folder / "cohort.csv"
    path.write_text(HEADER + "".join(line + "\n" for line in lines))
    return path


FIRST = "s1,A,0/he.ome.tif,0/mif.ome.tif,II"
SECOND = "a b/c,B,1/he.ome.tif,,IV"


def test_a_cohort_becomes_an_atlas(images, tmp_path):
    reports = []
    job = build_from_manifest(manifest(images, FIRST, SECOND), tmp_path / "atlas", FakeModel())
    result = run_job(job, reports.append)
    atlas = result.atlas
    assert result.failed == ()
    assert (atlas.n_slides, atlas.n_patients, atlas.n_patches) == (2, 2, 24)
    assert atlas.slides["slide_id"].tolist() == ["s1", "a b/c"]
    assert atlas.values_of("stage") == {"II": 1, "IV": 1}
    assert {report.doing for report in reports} >= {"Encoding slide 2 of 2", "Building the atlas"}
    made = {path.name for path in (tmp_path / "atlas.encodings").glob("*.zarr")}
    assert made == {"s1.zarr", _file_name("a b/c") + ".zarr"}
    assert atlas.slides["encoding"].iloc[0] == "atlas.encodings/s1.zarr"
    assert Encoding.open(tmp_path / atlas.slides["encoding"].iloc[1]).record == {"stage": "IV"}


def test_the_same_call_does_nothing_again(images, tmp_path):
    path = manifest(images, FIRST, SECOND)
    model = FakeModel()
    run_job(build_from_manifest(path, tmp_path / "atlas", model))
    before = content_of(tmp_path)
    model.batches.clear()
    run_job(build_from_manifest(path, tmp_path / "atlas", model))
    assert model.batches == []
    assert content_of(tmp_path) == before


def test_a_failing_slide_is_told_and_does_not_stop_the_rest(images, tmp_path):
    (images / "broken.tif").write_bytes(b"II*\0broken")
    path = manifest(
        images, "bad1,X,gone.tif,,II", FIRST, "bad2,X,broken.tif,,II", SECOND, "bad3,X,,gone,II"
    )
    told = []
    result = run_job(
        build_from_manifest(path, tmp_path / "atlas", FakeModel(), on_failure=told.append)
    )
    assert result.atlas.n_slides == 2
    assert [failure.row for failure in result.failed] == [2, 4, 6]
    assert [failure.slide_id for failure in result.failed] == ["bad1", "bad2", "bad3"]
    assert "Line 2 of cohort.csv, column he: gone.tif" in result.failed[0].reason
    assert "broken.tif" in result.failed[1].reason
    assert told == list(result.failed)


def test_a_repaired_slide_joins_the_atlas(images, tmp_path):
    path = manifest(images, FIRST, "late,C,late.tif,,IV")
    assert run_job(build_from_manifest(path, tmp_path / "atlas", FakeModel())).atlas.n_slides == 1
    (images / "late.tif").write_bytes((images / "1" / "he.ome.tif").read_bytes())
    result = run_job(build_from_manifest(path, tmp_path / "atlas", FakeModel()))
    (images / "late.tif").unlink()
    assert result.failed == ()
    assert result.atlas.n_slides == 2


def test_all_failing_is_told_with_the_first_reason(images, tmp_path):
    path = manifest(images, "bad1,X,gone.tif,,II")
    with pytest.raises(HaikuError, match=r"No slide of cohort.csv could be encoded.*gone.tif"):
        run_job(build_from_manifest(path, tmp_path / "atlas", FakeModel()))
    assert not (tmp_path / "atlas").exists()


def test_options_reach_the_encodings(images, tmp_path):
    options = EncodeOptions(patch_um=50.0, stride_um=50.0)
    result = run_job(
        build_from_manifest(
            manifest(images, FIRST), tmp_path / "atlas", FakeModel(), options=options
        )
    )
    assert result.atlas.patch_um == 50
    assert result.atlas.n_patches == 48


def test_cancelled_and_called_again_it_goes_on(images, tmp_path):
    path = manifest(images, FIRST, SECOND)
    model = FakeModel()
    job = build_from_manifest(path, tmp_path / "atlas", model)
    for report in job:
        if report.doing.startswith("Encoding slide 2"):
            break
    job.close()
    model.batches.clear()
    run_job(build_from_manifest(path, tmp_path / "atlas", model))
    assert sum(model.batches) == 12


@pytest.mark.parametrize("slide_id", ["a/b", "..", "a b", "ä", "con.", ".hidden", "x" * 3])
def test_file_names_are_safe_and_their_own(slide_id):
    name = _file_name(slide_id)
    assert name.strip(".") == name
    assert not set(name) & set('/\\:*?"<>| ')
    assert name != _file_name(slide_id + "_")


def test_an_affine_and_a_threshold_serve_every_slide(images, tmp_path):
    moved = Affine.of([[1, 0, 4], [0, 1, -2]])
    done = run_job(
        build_from_manifest(
            manifest(images, FIRST, SECOND),
            tmp_path / "atlas",
            FakeModel(),
            affine=moved,
            tissue_threshold=0.1,
        )
    )
    assert done.failed == ()
    both, alone = (
        layout.read_attributes(tmp_path / path)["inputs"] for path in done.atlas.slides["encoding"]
    )
    assert both["images"]["mif"]["affine_um"] == [1, 0, 4, 0, 1, -2]
    assert both["geometry"]["tissue_threshold"] == 0.1
    assert "affine_um" not in alone["images"]["he"]
    assert done.atlas.description["origin"]["affine"] == moved.to_list()


def test_an_affine_without_two_images_is_refused(images, tmp_path):
    job = build_from_manifest(
        manifest(images, SECOND),
        tmp_path / "atlas",
        FakeModel(),
        affine=Affine.of([[1, 0, 4], [0, 1, 0]]),
    )
    with pytest.raises(HaikuError, match=r"no slide of cohort\.csv has both"):
        run_job(job)
