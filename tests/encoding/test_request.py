from __future__ import annotations

from dataclasses import replace

import pytest
from fake_model import FakeModel
from slide_bench import RECORD

from napari_haiku.encoding.request import EncodeOptions, EncodeRequest
from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patch_um": 0.0}, "patch size must be a positive number of um, not 0"),
        ({"patch_um": float("nan")}, "patch size"),
        ({"stride_um": -5.0}, "step must be a positive"),
        ({"min_tissue": 1.5}, "between 0 and 1, not 1.5"),
        ({"batch_size": 0}, "at least 1, not 0"),
    ],
)
def test_impossible_options_are_refused(options, said):
    with pytest.raises(HaikuError, match=said):
        EncodeOptions(**options)


def test_patches_are_the_tissue_the_model_reads_unless_asked_otherwise():
    model = FakeModel()
    model.pixel_size_um, model.patch_px = 0.3775, 256
    assert EncodeOptions().sides_um(model) == (96.64, 96.64)
    assert EncodeOptions(patch_um=50.0).sides_um(model) == (50.0, 96.64)
    assert EncodeOptions(stride_um=67.6).sides_um(model) == (96.64, 67.6)


def test_options_are_named(tmp_path):
    with pytest.raises(TypeError, match="positional"):
        EncodeOptions(50.0)
    with pytest.raises(TypeError, match="positional"):
        EncodeRequest(50.0, output=tmp_path, slide_id="a")


def test_an_image_is_needed(tmp_path):
    with pytest.raises(HaikuError, match="nothing to encode"):
        EncodeRequest(output=tmp_path / "a.zarr", slide_id="a")


def test_the_slide_needs_an_id(bench):
    with pytest.raises(HaikuError, match="has no id"):
        bench.request(slide_id=" ")


def test_a_pixel_size_is_needed(bench):
    unknown = replace(open_image(bench.he_path), pixel_size_um=None)
    with pytest.raises(HaikuError, match="pixel"):
        bench.request(he=unknown)


def test_images_in_each_others_place_are_told(bench):
    with pytest.raises(HaikuError, match="read as mIF but was given as H&E"):
        bench.request(he=open_image(bench.mif_path), mif=None)


def test_an_mif_without_names_is_refused(bench):
    nameless = replace(
        open_image(bench.mif_path), channel_names=("1", "2", "3", "4"), markers=("1", "2", "3", "4")
    )
    with pytest.raises(HaikuError, match="no names"):
        bench.request(mif=nameless)
    unused = replace(open_image(bench.mif_path), markers=(None,) * 4)
    with pytest.raises(HaikuError, match="carries a marker"):
        bench.request(mif=unused)


def test_the_patient_is_given_or_read_from_the_record(bench):
    assert bench.request(record=RECORD).patient == "Q7731"
    assert bench.request(record=RECORD, patient_id="other").patient == "other"
    assert bench.request(record={"stage": "II"}).patient == ""
