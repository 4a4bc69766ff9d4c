"""``info``: what an image says about itself."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile


def test_he(run, slide):
    content = run("info", slide[0], "--json").content
    assert content["modality"] == "he"
    assert content["shape"] == [200, 300, 3]
    assert content["levels"] == [[200, 300, 3]]
    assert content["pixel_size_um"] == 2.0
    assert content["markers"] == []
    assert content["dtype"] == "uint8"


def test_mif(run, slide):
    content = run("info", slide[1], "--json").content
    assert content["modality"] == "mif"
    assert content["shape"] == [3, 200, 300]
    assert content["markers"] == ["DAPI", "PanCK", "CD8"]


def test_words(run, slide):
    out = run("info", slide[1]).stdout
    assert "3 x 200 x 300" in out
    assert "2 um" in out
    assert "DAPI, PanCK, CD8" in out


def test_a_missing_pixel_size_is_null_and_no_failure(run, make_he, tmp_path):
    done = run("info", make_he(tmp_path / "he.ome.tif", um=None), "--json")
    assert done.exit_code == 0
    assert done.content["pixel_size_um"] is None


def test_a_channel_that_is_zero_is_told(run, tmp_path):
    data = np.zeros((2, 64, 64), np.uint8)
    data[0] = np.arange(64)
    tifffile.imwrite(
        tmp_path / "mif.ome.tif",
        data,
        photometric="minisblack",
        metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "CD20"]}},
    )
    content = run("info", tmp_path / "mif.ome.tif", "--json").content
    assert content["markers"] == ["DAPI"]
    assert any("CD20" in note for note in content["notes"])


@pytest.mark.parametrize("name", ["absent.tif", "text.tif", "empty.tif"])
def test_what_cannot_be_read_is_named(run, tmp_path, name):
    if name == "text.tif":
        (tmp_path / name).write_text("no image")
    if name == "empty.tif":
        (tmp_path / name).touch()
    done = run("info", tmp_path / name, "--json")
    assert done.exit_code == 1
    assert name in done.content["error"]


def test_marker_names_from_a_file(run, slide, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("CD4\nCD20\nFOXP3\n", encoding="utf-8")
    content = run("info", slide[1], "--markers", names, "--json").content
    assert content["markers"] == ["CD4", "CD20", "FoxP3"]
