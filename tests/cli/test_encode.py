"""``encode``: the contract, resuming, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile


def test_encode_reports_the_contract(run, slide, model_folder, record_file, tmp_path):
    output = tmp_path / "enc.zarr"
    done = run(
        "encode", slide[0], "--mif", slide[1], "--output", output, "--model", model_folder,
        "--metadata", record_file, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    content = done.content
    assert content["patches"] == 24
    assert content["patch_um"] == 100
    assert content["resumed_from"] == 0
    assert content["markers"][:2] == ["DAPI", "PanCK"]
    assert isinstance(content["seconds"], float)
    assert "Encoding: 24 of 24 patches" in done.stderr


def test_a_finished_encoding_is_reported_as_resumed(
    run, slide, model_folder, record_file, encoding
):
    done = run(
        "encode", slide[0], "--mif", slide[1], "--output", encoding, "--model", model_folder,
        "--metadata", record_file, "--slide-id", "asked", "--json",
    )  # fmt: skip
    assert done.exit_code == 0
    assert done.content["resumed_from"] == done.content["patches"] == 24


def test_another_input_on_the_same_output_says_what_differs(run, slide, model_folder, encoding):
    done = run("encode", slide[0], "--output", encoding, "--model", model_folder, "--json")
    assert done.exit_code == 1
    assert encoding.name in done.content["error"]


def test_set_overrides_the_record_and_identifying_fields_stay_out_of_the_caption(
    run, slide, model_folder, record_file, tmp_path
):
    from napari_haiku.encoding.store import Encoding

    output = tmp_path / "enc.zarr"
    done = run(
        "encode", slide[0], "--output", output, "--model", model_folder, "--metadata", record_file,
        "--set", "stage=IV", "--set", "grade=G3",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    made = Encoding.open(output)
    assert "stage: IV" in made.caption
    assert "grade: G3" in made.caption
    assert "Q7731" not in made.caption
    assert made.patient_id == "Q7731"


def test_region_keeps_only_patches_centred_inside(run, slide, model_folder, tmp_path):
    arguments = ("--output", tmp_path / "e.zarr", "--model", model_folder, "--json")
    done = run("encode", slide[0], "--region", "0,0,200,100", *arguments)
    assert done.content["patches"] == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [("--set", "stage"), ("--region", "1,2,3"), ("--region", "5,5,1,1"), ("--batch-size", "0")],
)
def test_unreadable_options_are_wrong_usage(run, slide, tmp_path, option, value):
    done = run("encode", slide[0], "--output", tmp_path / "e.zarr", option, value, "--json")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert option in done.stderr


def test_output_is_required(run, slide):
    done = run("encode", slide[0])
    assert done.exit_code == 2
    assert "--output" in done.stderr


class TestBadInput:
    """Each mistake: exit code 1, one sentence naming the file, no traceback."""

    @pytest.fixture
    def refused(self, run, model_folder, tmp_path):
        def encode(*arguments):
            done = run(
                "encode", *arguments, "--output", tmp_path / "e.zarr", "--model", model_folder,
                "--json",
            )  # fmt: skip
            assert done.exit_code == 1, done.stdout + done.stderr
            assert "Traceback" not in done.stderr
            sentence = done.content["error"]
            assert sentence.endswith(".")
            assert f"Error: {sentence}" in done.stderr
            return sentence

        return encode

    def test_missing_file(self, refused, tmp_path):
        assert "absent.ome.tif does not exist" in refused(tmp_path / "absent.ome.tif")

    def test_missing_pixel_size(self, refused, make_he, tmp_path):
        sentence = refused(make_he(tmp_path / "he.ome.tif", um=None))
        assert "he.ome.tif" in sentence
        assert "--pixel-size" in sentence

    def test_missing_pixel_size_given_by_hand(self, run, model_folder, make_he, tmp_path):
        done = run(
            "encode", make_he(tmp_path / "he.ome.tif", um=None), "--pixel-size", "2.0",
            "--output", tmp_path / "e.zarr", "--model", model_folder, "--json",
        )  # fmt: skip
        assert done.content["patches"] == 24

    def test_no_tissue(self, refused, tmp_path):
        path = tmp_path / "glass.ome.tif"
        metadata = {
            "axes": "YXS", "PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0,
            "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm",
        }  # fmt: skip
        glass = np.full((400, 400, 3), 245, np.uint8)
        tifffile.imwrite(path, glass, photometric="rgb", metadata=metadata)
        sentence = refused(path)
        assert "glass.ome.tif" in sentence
        assert "tissue" in sentence

    def test_mif_without_marker_names(self, refused, slide, make_mif, tmp_path):
        sentence = refused(slide[0], "--mif", make_mif(tmp_path / "mif.ome.tif", None))
        assert "mif.ome.tif" in sentence
        assert "names" in sentence

    def test_mif_with_names_from_a_file(self, run, model_folder, slide, make_mif, tmp_path):
        names = tmp_path / "markers.txt"
        names.write_text("Hoechst\nPan-CK\nCD8a\n", encoding="utf-8")
        done = run(
            "encode", slide[0], "--mif", make_mif(tmp_path / "mif.ome.tif", None), "--markers",
            names, "--output", tmp_path / "e.zarr", "--model", model_folder, "--json",
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        assert done.content["markers"] == ["DAPI", "PanCK", "CD8"]

    def test_images_that_do_not_overlap(self, refused, slide, make_mif, tmp_path):
        far = make_mif(tmp_path / "far.ome.tif", x_um=50_000.0)
        sentence = refused(slide[0], "--mif", far)
        assert "do not overlap" in sentence

    def test_truncated_tiff(self, refused, slide, tmp_path):
        whole = slide[0].read_bytes()
        path = tmp_path / "cut.ome.tif"
        path.write_bytes(whole[: len(whole) // 3])
        assert "cut.ome.tif" in refused(path)

    def test_unknown_device(self, refused, slide):
        assert "device" in refused(slide[0], "--device", "abacus").casefold()

    def test_a_folder_that_is_no_model(self, run, slide, tmp_path):
        done = run("encode", slide[0], "--output", tmp_path / "e", "--model", tmp_path, "--json")
        assert done.exit_code == 1
        assert "model" in done.content["error"]

    def test_metadata_of_several_patients_needs_one(self, refused, slide, tmp_path):
        table = tmp_path / "records.csv"
        table.write_text("patient_id,stage\nA,II\nB,III\n", encoding="utf-8")
        assert "--patient" in refused(slide[0], "--metadata", table)

    def test_an_mif_where_the_he_belongs(self, refused, slide):
        assert "mIF" in refused(slide[1], "--mif", slide[1])

    def test_markers_for_an_he(self, refused, slide, tmp_path):
        names = tmp_path / "markers.txt"
        names.write_text("DAPI\n", encoding="utf-8")
        assert "--mif" in refused(slide[0], "--markers", names)


def test_metadata_row_of_one_patient(run, slide, model_folder, tmp_path):
    from napari_haiku.encoding.store import Encoding

    table = tmp_path / "records.csv"
    table.write_text("patient_id,stage\nA,II\nB,III\n", encoding="utf-8")
    output = tmp_path / "e.zarr"
    done = run(
        "encode", slide[0], "--metadata", table, "--patient", "B", "--output", output,
        "--model", model_folder,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    made = Encoding.open(output)
    assert made.patient_id == "B"
    assert made.record["stage"] == "III"


def test_an_mif_without_pixel_size_takes_the_one_given(
    run, model_folder, slide, make_mif, tmp_path
):
    done = run(
        "encode", slide[0], "--mif", make_mif(tmp_path / "mif.ome.tif", um=None),
        "--pixel-size", "2.0", "--output", tmp_path / "e.zarr", "--model", model_folder, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.content["patches"] == 24
