from __future__ import annotations

import itertools
import json
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import tifffile
from fake_model import FakeModel
from slide_bench import CHUNK, RECORD, content_of

from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.encoding.store import Encoding
from napari_haiku.encoding.thumbnails import shrink
from napari_haiku.errors import HaikuError
from napari_haiku.images.patches import PatchSource
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job


def test_vectors_are_the_towers_answer_to_the_patches(encoded):
    encoding = Encoding.open(encoded.folder / "slide.zarr")
    he, mif = open_image(encoded.he_path), open_image(encoded.mif_path)
    grid = encoding.grid
    patches = PatchSource(he, grid, 1.0).read(0, len(grid))
    expected = encoded.model.encode_he(patches, 1.0)
    np.testing.assert_allclose(encoding.embeddings("he"), expected, atol=1e-6)
    channels = PatchSource(mif, grid, 1.0).read(0, len(grid))[:, [0, 1, 3]]
    expected = encoded.model.encode_mif(
        channels, ("DAPI", "CD8", "PanCK"), 2.0, scaling=encoding.scaling
    )
    np.testing.assert_allclose(encoding.embeddings("mif"), expected, atol=1e-6)
    np.testing.assert_array_equal(encoding.thumbnails("he"), shrink(patches))


def test_expression_is_the_mean_of_the_stored_pixels_under_each_patch(encoded):
    encoding = Encoding.open(encoded.folder / "slide.zarr")
    pixels = tifffile.imread(encoded.mif_path)[[0, 1, 3]]
    half = encoding.patch_um / 2
    for patch in range(0, len(encoding), 37):
        x, y = encoding.centres_um[patch]
        x0, y0 = (round((value - half) / 2.0) for value in (x, y))
        direct = pixels[:, y0 : y0 + 50, x0 : x0 + 50].mean(axis=(1, 2))
        np.testing.assert_allclose(encoding.expression[patch], direct, rtol=1e-6)


def test_what_the_store_says_about_the_slide(encoded):
    encoding = Encoding.open(encoded.folder / "slide.zarr")
    assert encoding.complete
    assert len(encoding) > 3 * CHUNK
    assert encoding.markers == ("DAPI", "CD8", "PanCK")
    assert encoding.modalities == ("he", "mif")
    assert encoding.slide_id == "slide one"
    assert encoding.patient_id == "Q7731"
    assert encoding.record == {"tissue": "Lung", "disease": "Lung Cancer", "stage": "II"}
    assert "Lung" in encoding.caption
    assert encoding.model_name == "fake-0"
    assert encoding.model_fingerprint == encoded.model.fingerprint
    assert encoding.image_fingerprints["he"] == open_image(encoded.he_path).fingerprint
    np.testing.assert_array_equal(encoding.centres_um, encoding.grid.centres_um)
    np.testing.assert_allclose(
        encoding.embeddings("text"), encoded.model.encode_record(encoding.record), atol=1e-6
    )
    assert encoding.thumbnail(3).shape == (64, 64, 3)
    assert encoding.thumbnail(3, "mif").any()


def test_the_scaling_is_the_models_over_the_slide(encoded):
    encoding = Encoding.open(encoded.folder / "slide.zarr")
    pixels = tifffile.imread(encoded.mif_path)[[0, 1, 3]]
    expected = encoded.model.fit_scaling(pixels, None)
    np.testing.assert_allclose(encoding.scaling.high, expected.high, rtol=0.05)
    np.testing.assert_allclose(encoding.scaling.low, expected.low, rtol=0.05)


def test_progress_goes_up_to_the_end_and_never_back(bench):
    reports = list(encode_slide(bench.request(), bench.model))
    done = [report.done for report in reports if report.total]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == reports[-1].total == len(Encoding.open(bench.folder / "slide.zarr"))


def test_two_runs_leave_the_same_bytes(bench, encoded):
    bench.encode("other.zarr")
    assert content_of(bench.folder / "other.zarr") == content_of(encoded.folder / "slide.zarr")


def test_a_finished_encoding_is_left_alone(bench):
    bench.encode()
    before = {path: path.stat().st_mtime_ns for path in (bench.folder / "slide.zarr").rglob("*")}
    bench.model.batches.clear()
    result = run_job(encode_slide(bench.request(), bench.model))
    assert result.resumed_from == result.patches == len(Encoding.open(result.path))
    assert bench.model.batches == []
    assert before == {
        path: path.stat().st_mtime_ns for path in (bench.folder / "slide.zarr").rglob("*")
    }


def test_cancelling_keeps_what_is_committed_and_resuming_ends_in_the_same_bytes(bench, encoded):
    job = encode_slide(bench.request(), bench.model)
    for report in job:
        if report.total and report.done >= 100:
            break
    job.close()
    partial = Encoding.open(bench.folder / "slide.zarr", partial=True)
    assert not partial.complete
    assert partial.n_patches == CHUNK
    assert partial.embeddings("he").shape[0] == len(partial.grid) == CHUNK
    assert partial.n_planned == len(partial.planned_grid) > CHUNK
    bench.model.batches.clear()
    result = run_job(encode_slide(bench.request(), bench.model))
    assert result.resumed_from == CHUNK
    assert sum(bench.model.batches) == result.patches - CHUNK
    assert content_of(bench.folder / "slide.zarr") == content_of(encoded.folder / "slide.zarr")


def test_batches_never_cross_a_chunk(bench):
    bench.encode(batch_size=25)
    assert bench.model.batches[:6] == [25, 25, 14] * 2


def test_an_unfinished_encoding_is_not_opened_by_mistake(bench):
    job = encode_slide(bench.request(), bench.model)
    list(itertools.islice(job, 3))
    job.close()
    with pytest.raises(HaikuError, match=r"is not finished .* resume"):
        Encoding.open(bench.folder / "slide.zarr")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mif": None}, "an mIF image too"),
        ({"patch_um": 50.0}, "another patch size .100 um, not 50 um"),
        ({"stride_um": 25.0}, "another step .50 um, not 25 um"),
        ({"min_tissue": 0.1}, "another least share of tissue"),
        ({"region_um": (0, 0, 500, 500)}, "another region"),
        ({"record": {**RECORD, "stage": "IV"}}, r"another clinical record .stage\)"),
        ({"record": {**RECORD, "patient_id": "other"}}, "another patient id"),
        ({"slide_id": "two"}, "another slide id"),
    ],
)
def test_other_inputs_are_refused_and_named(encoded, changes, said):
    before = content_of(encoded.folder)
    with pytest.raises(HaikuError, match=said) as caught:
        run_job(encode_slide(encoded.request(**changes), encoded.model))
    assert "Q7731" not in str(caught.value)
    assert content_of(encoded.folder) == before


def test_another_model_is_refused_and_both_are_named(encoded):
    with pytest.raises(HaikuError, match=r"another model \(fake-0, not fake-1"):
        run_job(encode_slide(encoded.request(), FakeModel(seed=1)))


def test_a_changed_image_is_refused(encoded):
    changed = replace(open_image(encoded.he_path), fingerprint="something else")
    with pytest.raises(HaikuError, match="another H&E image"):
        run_job(encode_slide(encoded.request(he=changed), encoded.model))
    moved = replace(open_image(encoded.he_path), origin_um=(5.0, 0.0))
    with pytest.raises(HaikuError, match="another position of the H&E image"):
        run_job(encode_slide(encoded.request(he=moved), encoded.model))


def test_another_batch_size_goes_on_and_the_store_says_so(bench, encoded):
    job = encode_slide(bench.request(), bench.model)
    for report in job:
        if report.total and report.done >= CHUNK:
            break
    job.close()
    mixed = bench.encode(batch_size=64)
    assert [entry["first_patch"] for entry in mixed.computed_on] == [0, CHUNK]
    assert [entry["batch_size"] for entry in mixed.computed_on] == [25, 64]
    plain = Encoding.open(encoded.folder / "slide.zarr")
    for modality in ("he", "mif"):
        np.testing.assert_allclose(
            mixed.embeddings(modality), plain.embeddings(modality), atol=1e-5
        )


def test_conditions_of_nothing_done_are_replaced(bench):
    job = encode_slide(bench.request(), bench.model)
    list(itertools.islice(job, 2))
    job.close()
    encoding = bench.encode(batch_size=64)
    assert [entry["batch_size"] for entry in encoding.computed_on] == [64]


def test_an_h_and_e_alone(bench):
    encoding = bench.encode(mif=None, stride_um=100.0)
    assert encoding.modalities == ("he",)
    assert encoding.markers == ()
    assert encoding.expression is None
    assert encoding.embeddings("mif") is None
    assert encoding.scaling is None
    with pytest.raises(HaikuError, match="has no mIF image"):
        encoding.thumbnail(0, "mif")


def test_an_mif_alone_has_a_composite_as_its_picture(bench):
    encoding = bench.encode(he=None, stride_um=100.0)
    assert encoding.modalities == ("mif",)
    assert encoding.embeddings("he") is None
    np.testing.assert_array_equal(encoding.thumbnail(2), encoding.thumbnail(2, "mif"))


def test_without_a_record_there_is_no_caption_and_no_text(bench):
    encoding = bench.encode(record={}, stride_um=100.0)
    assert encoding.caption == ""
    assert encoding.embeddings("text") is None
    assert encoding.patient_id == ""


def test_a_model_without_an_mif_tower_still_measures(bench):
    bench.model = FakeModel(modalities=("he",))
    encoding = bench.encode(stride_um=100.0)
    assert encoding.modalities == ("he",)
    assert encoding.expression.shape == (len(encoding), 3)
    assert encoding.embeddings("text") is None
    assert any("no mIF tower" in note for note in encoding.notes)


def test_a_model_without_any_tower_for_the_images_is_refused(bench):
    with pytest.raises(HaikuError, match="no tower for these images"):
        run_job(encode_slide(bench.request(), FakeModel(modalities=("text",))))
    assert not (bench.folder / "slide.zarr").exists()


def test_only_patches_in_the_region_are_encoded(bench, encoded):
    whole = Encoding.open(encoded.folder / "slide.zarr")
    encoding = bench.encode(region_um=(100.0, 0.0, 600.0, 400.0))
    x, y = encoding.centres_um.T
    assert ((x >= 100) & (x < 600) & (y < 400)).all()
    both = {tuple(place) for place in whole.centres_um} & {
        tuple(place) for place in encoding.centres_um
    }
    assert len(both) == len(encoding)
    with pytest.raises(HaikuError, match="region"):
        bench.encode("none.zarr", region_um=(90_000, 90_000, 90_001, 90_001))


def test_patches_that_touch_nan_are_not_measured(bench):
    mif = open_image(bench.mif_path)
    pixels = mif.levels[0].astype(np.float32).compute()
    pixels[0, 10:12, 10:12] = np.nan
    holed = replace(mif, levels=(da.from_array(pixels, chunks=(1, 128, 128)),))
    encoding = bench.encode(mif=holed, stride_um=100.0)
    gaps = np.isnan(encoding.expression)
    assert gaps[:, 0].any()
    assert not gaps[:, 1:].any()
    touched = (encoding.centres_um < 75).all(axis=1)
    np.testing.assert_array_equal(gaps[:, 0], touched)
    assert np.isfinite(encoding.embeddings("mif")).all()


def test_a_block_that_cannot_be_read_tells_what_is_kept(bench):
    he = open_image(bench.he_path)

    def decode(block, block_info=None):
        top = block_info[0]["array-location"][0][0]
        if top >= 512:
            raise HaikuError("he.ome.tif ends early: copy it again.")
        return block

    level = da.map_blocks(decode, he.levels[0], dtype=np.uint8)
    broken = replace(he, levels=(level, he.levels[0][::8, ::8]))
    with pytest.raises(
        HaikuError, match=r"ends early.*; 128 of [\d,]+ patches are encoded and kept"
    ):
        run_job(encode_slide(bench.request(he=broken), bench.model))
    assert Encoding.open(bench.folder / "slide.zarr", partial=True).n_patches == 2 * CHUNK
    result = run_job(encode_slide(bench.request(), bench.model))
    assert result.resumed_from == 2 * CHUNK


def test_identifying_fields_enter_neither_record_nor_log(bench):
    record = {**RECORD, "name": "Jane Roe", "date of birth": "1950-01-01"}
    bench.encode(record=record, stride_um=100.0)
    everything = b"".join(content_of(bench.folder).values())
    assert b"Jane Roe" not in everything
    assert b"1950-01-01" not in everything
    log = (bench.folder / "slide.zarr.log.jsonl").read_text()
    assert "Q7731" not in log
    assert "slide one" not in log


def test_the_log_tells_each_run_beside_the_store(bench):
    job = encode_slide(bench.request(), bench.model)
    list(itertools.islice(job, 3))
    job.close()
    bench.encode()
    lines = (bench.folder / "slide.zarr.log.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events == ["started", "cancelled", "started", "finished"]
    names = {path.name for path in bench.folder.iterdir()}
    assert names == {"slide.zarr", "slide.zarr.log.jsonl"}


def test_something_else_at_the_output_is_not_touched(bench):
    other = bench.folder / "slide.zarr"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(HaikuError, match="is no encoding"):
        run_job(encode_slide(bench.request(), bench.model))
    assert content_of(other) == {"thesis.txt": b"years of work"}


def test_a_missing_output_folder_is_made(bench):
    encoding = bench.encode("deep/er/slide.zarr", stride_um=100.0)
    assert encoding.complete


def test_images_that_do_not_overlap_leave_nothing_behind(bench):
    far = replace(open_image(bench.mif_path), origin_um=(1e5, 0.0))
    with pytest.raises(HaikuError, match="overlap"):
        run_job(encode_slide(bench.request(mif=far), bench.model))
    assert list(bench.folder.iterdir()) == []


@pytest.mark.real_data
def test_a_corner_of_real_tissue_is_measured_as_stored(real_data, tmp_path):
    folder = real_data / "orion_crc01"
    he = open_image(folder / "crc01_west_he.ome.tif")
    mif = open_image(folder / "crc01_west_mif18.ome.tif")
    x0, y0 = mif.origin_um
    request = EncodeRequest(
        he=he,
        mif=mif,
        output=tmp_path / "corner.zarr",
        slide_id="corner",
        region_um=(x0 + 1000, y0 + 1000, x0 + 2200, y0 + 1800),
    )
    run_job(encode_slide(request, FakeModel()))
    encoding = Encoding.open(tmp_path / "corner.zarr")
    assert len(encoding) >= 30
    assert {"DAPI", "CD8", "PanCK", "aSMA", "ECad"} <= set(encoding.markers)
    size = mif.pixel_size_um
    reach = int(2400 / size)
    pixels = mif.read_region(0, 0, reach, 0, reach)[list(mif.used_channels)]
    for patch in range(0, len(encoding), 5):
        x, y = encoding.centres_um[patch]
        left, top = (round((a - b - 50) / size) for a, b in zip((x, y), (x0, y0), strict=True))
        side = round(100 / size)
        direct = pixels[:, top : top + side, left : left + side].mean(axis=(1, 2))
        np.testing.assert_allclose(encoding.expression[patch], direct, rtol=1e-6)


def test_markers_the_model_never_saw_are_named(bench, monkeypatch):
    monkeypatch.setattr(
        type(bench.model), "unknown_markers", lambda _self, markers: tuple(markers[:1])
    )
    done = run_job(encode_slide(bench.request(), bench.model))
    first = Encoding.open(done.path).markers[0]
    assert any(f"has never seen {first}:" in note for note in done.notes)
