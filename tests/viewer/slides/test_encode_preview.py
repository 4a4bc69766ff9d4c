from __future__ import annotations

import shutil

import pytest

from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job
from napari_haiku.viewer.slides.encode_preview import preview, warmed


@pytest.fixture(scope="module")
def images(stores):
    return open_image(stores.he), open_image(stores.mif)


@pytest.fixture
def request_for(images, tmp_path):
    def make(**changes):
        he, mif = images
        settings = {"he": he, "mif": mif, "output": tmp_path / "x.zarr", "slide_id": "x"}
        return EncodeRequest(**(settings | changes))

    return make


def test_it_counts_times_and_measures_before_anything_is_written(stores, request_for):
    request = request_for()
    told = run_job(preview(request, stores.model))
    assert len(told.grid) == 96
    assert told.seconds > 0
    assert told.size_bytes > 96 * 12 * 4
    assert told.found is None
    assert told.done == 0
    assert not request.output.exists()


def test_the_size_told_is_about_the_size_written(stores, request_for):
    request = request_for()
    told = run_job(preview(request, stores.model))
    run_job(encode_slide(request, stores.model))
    written = sum(f.stat().st_size for f in request.output.rglob("*") if f.is_file())
    assert 0.3 < told.size_bytes / written < 3


def test_a_finished_encoding_is_found_whatever_the_window_would_call_it(stores, request_for):
    told = run_job(preview(request_for(output=stores.encoding, slide_id="p0_he"), stores.model))
    assert told.found is not None
    assert told.found.complete
    assert told.found.slide_id == "slide 0"
    assert told.request.patient == "patient 0"


def test_an_unfinished_encoding_is_resumed(stores, request_for):
    # Chunks of 256 patches: a finer step makes more than one.
    request = request_for(stride_um=40.0, batch_size=32)
    job = encode_slide(request, stores.model)
    for progress in job:
        if progress.doing == "Encoding" and progress.done > 256:
            break
    job.close()
    told = run_job(preview(request, stores.model))
    assert told.found is None
    assert told.done == 256
    run_job(encode_slide(told.request, stores.model))
    assert run_job(preview(request, stores.model)).found is not None


def test_other_inputs_in_the_same_place_are_a_conflict_not_an_error(stores, request_for, tmp_path):
    place = tmp_path / "old.zarr"
    shutil.copytree(stores.encoding, place)
    told = run_job(
        preview(request_for(output=place, patch_um=200.0, stride_um=200.0), stores.model)
    )
    assert told.found is None
    assert "old.zarr" in told.conflict
    assert len(told.grid) == 24


def test_something_else_in_the_place_is_a_conflict(stores, request_for, tmp_path):
    (tmp_path / "x.zarr").mkdir()
    assert "x.zarr" in run_job(preview(request_for(), stores.model)).conflict


def test_warming_reads_what_the_window_needs(stores):
    encoding = warmed(stores.open_encoding())
    assert "grid" in encoding.__dict__
    assert "centres_um" in encoding.__dict__
