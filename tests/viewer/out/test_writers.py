"""What napari's File > Save writes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels, Shapes

from napari_haiku.errors import HaikuError
from napari_haiku.export.geojson_reading import read_annotations
from napari_haiku.export.qupath_frame import QuPathFrame
from napari_haiku.viewer.out import writers

BOX = np.array([[0, 0], [0, 10], [20, 10], [20, 0]], float)
UM = {"units": ("um", "um")}


@pytest.fixture
def frame(monkeypatch):
    def set_frame(frame):
        monkeypatch.setattr(writers, "_frame", lambda: frame)

    set_frame(None)
    return set_frame


def save(layer, path, write):
    data, attributes, _ = layer.as_layer_data_tuple()
    assert write(str(path), data, attributes) == [str(path)]
    return path


def test_shapes_in_pixels_of_the_slide_in_view(tmp_path, frame):
    frame(QuPathFrame(0.5, (10.0, 20.0), (4, 0)))
    layer = Shapes([BOX], shape_type="polygon", scale=(2, 2), translate=(20, 10), **UM)
    path = save(layer, tmp_path / "drawn.geojson", writers.write_shapes)
    (feature,) = json.loads(path.read_text())["features"]
    ring = np.array(feature["geometry"]["coordinates"][0])
    assert ring.min(axis=0).tolist() == [-4, 0]
    assert ring.max(axis=0).tolist() == [36, 80]


def test_shapes_without_a_slide_say_that_they_are_in_um(tmp_path, frame):
    layer = Shapes([BOX], shape_type="rectangle", **UM)
    path = save(layer, tmp_path / "drawn.geojson", writers.write_shapes)
    assert json.loads(path.read_text())["napari_haiku"]["coordinates"] == "um"
    (region,) = read_annotations(path, QuPathFrame(0.25)).regions
    assert region.box_um == (0, 0, 10, 20)


def test_nothing_closed_is_refused(tmp_path, frame):
    layer = Shapes([BOX[:2]], shape_type="line", **UM)
    with pytest.raises(HaikuError, match="no closed shape"):
        save(layer, tmp_path / "drawn.geojson", writers.write_shapes)


def test_an_image_keeps_values_and_place(tmp_path):
    values = np.random.default_rng(0).random((30, 1100)).astype(np.float32)
    layer = Image(values, scale=(2, 2), translate=(101, 51), name="Map", **UM)
    path = save(layer, tmp_path / "map.zarr", writers.write_image)
    group = zarr.open_group(str(path), mode="r")
    np.testing.assert_array_equal(group["0"][:], values)
    (scale,) = group.attrs["ome"]["multiscales"]
    assert {axis["unit"] for axis in scale["axes"]} == {"micrometer"}
    steps = scale["datasets"][0]["coordinateTransformations"]
    assert steps[0]["scale"] == [2.0, 2.0]
    assert steps[1]["translation"] == [100.0, 50.0]


def test_colours_become_channels_and_come_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    layer = Image(picture, rgb=True, scale=(0.5, 0.5), **UM)
    path = save(layer, tmp_path / "he.zarr", writers.write_image)
    group = zarr.open_group(str(path), mode="r")
    colours = [channel["color"] for channel in group.attrs["ome"]["omero"]["channels"]]
    assert colours == ["FF0000", "00FF00", "0000FF"]
    np.testing.assert_array_equal(
        zarr.open_array(str(path / "0"), mode="r")[:], np.moveaxis(picture, -1, 0)
    )


def test_labels_are_marked_as_such(tmp_path):
    labels = np.arange(12).reshape(3, 4)
    layer = Labels(labels, scale=(5, 5))
    path = save(layer, tmp_path / "niches.zarr", writers.write_labels)
    group = zarr.open_group(str(path), mode="r")
    np.testing.assert_array_equal(group["0"][:], labels)
    assert "image-label" in group.attrs["ome"]
    assert "unit" not in group.attrs["ome"]["multiscales"][0]["axes"][0]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"scale": (1, 2)}, "not square"),
        ({"rotate": 30}, "turned"),
        ({"shear": [0.5]}, "sheared"),
        ({"affine": [[1, 0, 9], [0, 1, 9], [0, 0, 1]]}, "turned"),
    ],
)
def test_what_the_format_cannot_say_is_refused(tmp_path, how, words):
    layer = Image(np.zeros((4, 4)), **how)
    with pytest.raises(HaikuError, match=words):
        save(layer, tmp_path / "a.zarr", writers.write_image)
    assert list(tmp_path.iterdir()) == []


def test_stacks_are_refused(tmp_path):
    with pytest.raises(HaikuError, match="4 axes"):
        save(Image(np.zeros((2, 2, 4, 4))), tmp_path / "a.zarr", writers.write_image)


def test_a_folder_of_others_is_left_alone(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "mine").touch()
    with pytest.raises(HaikuError, match="something else"):
        save(Image(np.zeros((4, 4))), tmp_path / "a.zarr", writers.write_image)
