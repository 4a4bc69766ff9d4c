"""Annotations as QuPath writes them."""

from __future__ import annotations

import json

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.export.geojson_reading import read_annotations
from napari_haiku.export.qupath_frame import QuPathFrame

FRAME = QuPathFrame(0.5, (0.0, 0.0), (100, 0))
RING = [[0, 0], [200, 0], [200, 100], [0, 100], [0, 0]]
HOLE = [[50, 20], [100, 20], [100, 60], [50, 60], [50, 20]]
# As QuPath 0.5 exports what was drawn by hand.
DRAWN = {
    "type": "Feature",
    "id": "0b3d1f5e-0000-4000-8000-000000000001",
    "geometry": {"type": "Polygon", "coordinates": [RING, HOLE]},
    "properties": {
        "objectType": "annotation",
        "name": "Invasive front",
        "classification": {"name": "Tumor", "color": [200, 0, 0]},
    },
}
UNNAMED = {
    "type": "Feature",
    "geometry": {"type": "MultiPolygon", "coordinates": [[RING], [RING]]},
    "properties": {"objectType": "annotation", "classification": {"names": ["Immune", "CD8"]}},
}
POINTS = {
    "type": "Feature",
    "geometry": {"type": "MultiPoint", "coordinates": [[1, 1]]},
    "properties": {"objectType": "annotation"},
}
CELL = {**DRAWN, "properties": {"objectType": "cell"}}


def write(tmp_path, content):
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("wrap", [lambda f: {"type": "FeatureCollection", "features": f}, list])
def test_areas_names_classes_and_holes(tmp_path, wrap):
    found = read_annotations(write(tmp_path, wrap([DRAWN, UNNAMED, POINTS, CELL])), FRAME)
    first, second = found.regions
    assert found.left_out == 1
    assert (first.name, first.kind) == ("Invasive front", "Tumor")
    assert first.box_um == (50, 0, 150, 50)
    assert first.area_um2 == pytest.approx((200 * 100 - 50 * 40) * 0.25)
    assert (second.name, second.kind) == ("Region 2", "Immune: CD8")
    assert len(second.polygons) == 2


def test_a_single_feature(tmp_path):
    assert len(read_annotations(write(tmp_path, DRAWN), FRAME).regions) == 1


def test_a_file_in_um_says_so(tmp_path):
    content = {
        "type": "FeatureCollection",
        "napari_haiku": {"coordinates": "um"},
        "features": [DRAWN],
    }
    (region,) = read_annotations(write(tmp_path, content), FRAME).regions
    assert region.box_um == (0, 0, 200, 100)


@pytest.mark.parametrize("content", [{"type": "FeatureCollection", "features": [CELL]}, []])
def test_nothing_drawn(tmp_path, content):
    with pytest.raises(HaikuError, match="no annotated area"):
        read_annotations(write(tmp_path, content), FRAME)


@pytest.mark.parametrize("text", ["", "{", "3", '{"a": 1}', '[{"a": 1}]', "[[1]]"])
def test_no_geojson(tmp_path, text):
    path = tmp_path / "drawn.geojson"
    path.write_text(text)
    with pytest.raises(HaikuError, match="cannot be read as GeoJSON"):
        read_annotations(path, FRAME)


def test_an_outline_that_crosses_out_of_numbers(tmp_path):
    broken = {**DRAWN, "geometry": {"type": "Polygon", "coordinates": [[["a", 0]]]}}
    with pytest.raises(HaikuError):
        read_annotations(write(tmp_path, broken), FRAME)
