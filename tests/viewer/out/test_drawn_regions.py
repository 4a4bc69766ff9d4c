"""Shapes as regions and back."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Shapes

from napari_haiku.analysis.regions.region import Region
from napari_haiku.viewer.out.drawn_regions import regions_of_layer, shapes_of_regions

BOX = np.array([[0, 0], [0, 10], [20, 10], [20, 0]], float)
UM = {"units": ("um", "um")}


def test_scale_and_place_of_the_layer_count():
    layer = Shapes([BOX], shape_type="polygon", scale=(2, 2), translate=(100, 50), **UM)
    (region,) = regions_of_layer(layer)
    assert region.box_um == (50, 100, 70, 140)
    assert region.name == "Shapes 1"


def test_lines_enclose_nothing_and_ellipses_are_round():
    layer = Shapes(name="Drawn", **UM)
    layer.add_lines(np.array([[0, 0], [5, 5]], float))
    layer.add_paths(BOX)
    layer.add_ellipses(BOX)
    layer.add_rectangles(BOX)
    round_, square = regions_of_layer(layer)
    assert square.area_um2 == pytest.approx(200)
    assert round_.area_um2 == pytest.approx(200 * np.pi / 4, rel=0.01)
    assert square.name == "Drawn 4"


def test_names_and_classes_come_from_features():
    features = {"name": ["Front", ""], "class": ["Tumour", None]}
    layer = Shapes([BOX, BOX], shape_type="polygon", features=features, **UM)
    first, second = regions_of_layer(layer)
    assert (first.name, first.kind) == ("Front", "Tumour")
    assert (second.name, second.kind) == ("Shapes 2", "")


def test_a_layer_in_a_stack_of_channels():
    corners = np.column_stack([np.full(4, 3.0), BOX])
    (region,) = regions_of_layer(Shapes([corners], shape_type="polygon"))
    assert region.box_um == (0, 0, 10, 20)


def test_regions_drawn_and_read_back():
    given = Region.of_box("Edge", (5.0, 7.0, 30.0, 90.0))
    data, how = shapes_of_regions([given], "from QuPath")
    (read,) = regions_of_layer(Shapes(data, **how))
    assert (read.name, read.box_um) == ("Edge", given.box_um)


def test_an_empty_layer():
    assert regions_of_layer(Shapes()) == ()
