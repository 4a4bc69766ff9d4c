from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from napari_haiku.encoding import layout
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError


def test_rows_come_back_as_written_whatever_the_chunk(tmp_path):
    values = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    array = layout.add_array(tmp_path, "a", (10, 3), "float32", chunk_rows=4)
    for chunk in range(3):
        layout.write_chunk(tmp_path, array, "a", chunk, values[chunk * 4 : chunk * 4 + 4])
    np.testing.assert_array_equal(layout.read_rows(tmp_path, "a"), values)
    np.testing.assert_array_equal(layout.read_rows(tmp_path, "a", slice(3, 9)), values[3:9])


def test_a_chunk_of_zeros_is_written_too(tmp_path):
    array = layout.add_array(tmp_path, "a", (4, 2), "float32", chunk_rows=4)
    layout.write_chunk(tmp_path, array, "a", 0, np.zeros((4, 2), np.float32))
    assert (tmp_path / "a" / "c" / "0" / "0").is_file()
    np.testing.assert_array_equal(layout.read_rows(tmp_path, "a"), np.zeros((4, 2)))


def test_a_missing_chunk_is_damage_not_zeros(tmp_path):
    array = layout.add_array(tmp_path, "a", (8, 2), "float32", chunk_rows=4)
    layout.write_chunk(tmp_path, array, "a", 0, np.ones((4, 2), np.float32))
    np.testing.assert_array_equal(layout.read_rows(tmp_path, "a", slice(0, 4)), np.ones((4, 2)))
    with pytest.raises(HaikuError, match="damaged"):
        layout.read_rows(tmp_path, "a", slice(0, 5))


@pytest.mark.parametrize("place", [5, 20, -3])
def test_a_flipped_byte_is_noticed(tmp_path, place):
    array = layout.add_array(tmp_path, "a", (4, 50), "float32", chunk_rows=4)
    values = np.random.default_rng(1).normal(size=(4, 50)).astype(np.float32)
    layout.write_chunk(tmp_path, array, "a", 0, values)
    file = tmp_path / "a" / "c" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[place] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(HaikuError, match="damaged"):
        layout.read_rows(tmp_path, "a")


def test_a_missing_or_broken_array_is_damage(tmp_path):
    with pytest.raises(HaikuError, match="'gone' cannot be opened"):
        layout.open_array(tmp_path, "gone")
    layout.add_array(tmp_path, "a", (4,), "uint8", chunk_rows=4)
    (tmp_path / "a" / "zarr.json").write_text("{")
    with pytest.raises(HaikuError, match="damaged"):
        layout.open_array(tmp_path, "a")


def test_an_encoding_that_was_deleted_while_open_is_gone_not_damaged(tmp_path):
    with pytest.raises(HaikuError, match=r"away\.zarr is gone, moved or deleted"):
        layout.open_array(tmp_path / "away.zarr", "a")


def test_done_counts_without_gaps_and_is_a_real_zarr_array(tmp_path):
    layout.add_array(tmp_path, layout.DONE, (3,), "uint8", chunk_rows=1, compressed=False)
    assert layout.chunks_done(tmp_path, 3) == 0
    layout.mark_done(tmp_path, 0)
    layout.mark_done(tmp_path, 2)
    assert layout.chunks_done(tmp_path, 3) == 1
    assert zarr.open_array(str(tmp_path / layout.DONE), mode="r")[:].tolist() == [1, 0, 1]


def test_attributes_come_back_and_zarr_reads_them(tmp_path):
    attributes = {"format": layout.FORMAT, "format_version": 1, "caption": "µm"}
    layout.write_attributes(tmp_path, attributes)
    assert layout.read_attributes(tmp_path) == attributes
    assert dict(zarr.open_group(str(tmp_path), mode="r").attrs) == attributes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is no encoding"),
        ("{", "is damaged"),
        ('{"zarr_format": 3, "node_type": "group", "attributes": {}}', "is no encoding"),
        ('{"zarr_format": 3, "node_type": "array"}', "is no encoding"),
        (
            json.dumps({"attributes": {"format": layout.FORMAT, "format_version": 99}}),
            "newer version",
        ),
    ],
)
def test_what_is_no_encoding_is_said(tmp_path, content, said):
    if content is not None:
        (tmp_path / "zarr.json").write_text(content)
    with pytest.raises(HaikuError, match=said):
        Encoding.open(tmp_path)


def test_a_missing_folder_and_a_file_are_said(tmp_path):
    with pytest.raises(HaikuError, match="does not exist"):
        Encoding.open(tmp_path / "gone.zarr")
    (tmp_path / "file.zarr").write_text("x")
    with pytest.raises(HaikuError, match="no encoding"):
        Encoding.open(tmp_path / "file.zarr")
