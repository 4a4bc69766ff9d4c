from __future__ import annotations

from pathlib import Path

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.images.marker_names import read_marker_names


@pytest.mark.parametrize(
    "content",
    [
        "DAPI\nCD3\nCD8\n",
        "\ufeffDAPI\r\nCD3\r\n\r\nCD8",
        "marker\nDAPI\nCD3\nCD8\n",
        "channel,marker\n0,DAPI\n1,CD3\n2,CD8\n",
        "channel,cycle,Marker Name\n1,1,DAPI\n2,1,CD3\n3,2,CD8\n",
        "name;exposure\nDAPI;1\nCD3;2\nCD8;3\n",
        'x\tmarker\n"1"\tDAPI\n2\tCD3\n3\tCD8\n',
    ],
)
def test_lists_and_tables(tmp_path: Path, content: str) -> None:
    path = tmp_path / "markers.csv"
    path.write_bytes(content.encode())
    assert read_marker_names(path) == ["DAPI", "CD3", "CD8"]


def test_a_table_that_names_no_marker_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "markers.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(HaikuError, match="without a marker column"):
        read_marker_names(path)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "holds no marker names"), (b"\xff\xfe\x81\x00", "not UTF-8")]
)
def test_unreadable_lists_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "markers.txt"
    path.write_bytes(content)
    with pytest.raises(HaikuError, match=said):
        read_marker_names(path)


def test_an_absent_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HaikuError, match=r"none\.txt cannot be read"):
        read_marker_names(tmp_path / "none.txt")
