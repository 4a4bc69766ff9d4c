from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.images.affine import Affine, affine_from_napari, read_affine

TURNED = [[0.6, -0.8, 100.0], [0.8, 0.6, -20.0]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps(TURNED)),
        ("a.json", json.dumps([*TURNED, [0, 0, 1]])),
        ("a.json", json.dumps({"affine_um": TURNED, "pairs": 4})),
        ("a.json", json.dumps({"matrix": TURNED})),
        ("a.csv", "0.6,-0.8,100\n0.8,0.6,-20\n"),
        ("a.csv", "0.6;-0.8;100\n0.8;0.6;-20\n0;0;1\n"),
        ("a.txt", "0.6 -0.8  100\n0.8 0.6 -20\n"),
    ],
)
def test_an_affine_is_read_from_json_and_tables(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_affine(tmp_path / name) == Affine.of(TURNED)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[1, 0], [0, 1]]", "no 2 x 3 or 3 x 3"),
        ("[[1, 0, NaN], [0, 1, 0]]", "no 2 x 3 or 3 x 3"),
        ("[[1, 0, 0], [0, 1, 0], [0.1, 0, 1]]", "last row must be 0 0 1"),
        ("[[1, 0, 0], [2, 0, 0]]", "cannot be right"),
        ("[[1000, 0, 0], [0, 1000, 0]]", "in um, not in pixels"),
        ("[[1, 0, 0], [0", "not valid JSON"),
        ("[" * 100000, "not valid JSON"),
        ('{"a": 1}', "has no affine_um"),
        ("one,two,three\n1,2,3", "no 2 x 3 or 3 x 3"),
        ("", "no 2 x 3 or 3 x 3"),
    ],
)
def test_what_is_no_affine_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(HaikuError, match=rf"a\.json.*{said}"):
        read_affine(tmp_path / "a.json")


def test_an_absent_file_or_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HaikuError, match="check the path"):
        read_affine(tmp_path / "gone.json")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(HaikuError, match="is no text"):
        read_affine(tmp_path / "b.csv")


def test_napari_counts_y_first() -> None:
    there = affine_from_napari([[2, 3, 5], [7, 11, 13], [0, 0, 1]], "layer")
    y, x = np.array([[2, 3], [7, 11]]) @ (10, 20) + (5, 13)
    assert there.apply([(20, 10)])[0].tolist() == [x, y]


@given(st.floats(-3, 3), st.floats(0.2, 5), st.floats(0.2, 5), st.floats(-1e4, 1e4), st.booleans())
def test_there_and_back_again(
    angle: float, across: float, down: float, shift: float, flip: bool
) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([across * (-1 if flip else 1), down])
    affine = Affine.of(np.column_stack([linear, [shift, -shift]]))
    points = np.array([[0, 0], [1000, 20], [-3, 500]])
    assert affine.inverse().apply(affine.apply(points)) == pytest.approx(points, abs=1e-6)
    assert affine.scale == pytest.approx(np.sqrt(across * down))
