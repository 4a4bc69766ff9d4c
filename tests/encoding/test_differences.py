from __future__ import annotations

import copy

import pytest

from napari_haiku.encoding.differences import first_difference
from napari_haiku.encoding.plan import inputs_of


@pytest.fixture(scope="module")
def inputs(encoded):
    return inputs_of(encoded.request(), encoded.model)


def test_the_same_inputs_differ_in_nothing(inputs):
    assert first_difference(inputs, copy.deepcopy(inputs)) == ""


def _paths(tree, above=()):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _paths(value, (*above, key))
    else:
        yield above


def test_every_input_is_told(inputs):
    for path in _paths(inputs):
        if path == ("model", "name"):
            continue
        changed = copy.deepcopy(inputs)
        place = changed
        for key in path[:-1]:
            place = place[key]
        old = place[path[-1]]
        place[path[-1]] = old + 1 if isinstance(old, float) else ["changed"]
        assert first_difference(inputs, changed), path


def test_the_name_of_a_model_alone_does_not_matter(inputs):
    renamed = copy.deepcopy(inputs)
    renamed["model"]["name"] = "moved"
    assert first_difference(inputs, renamed) == ""


def test_values_of_a_record_are_never_told(inputs):
    changed = copy.deepcopy(inputs)
    changed["record"]["disease"] = "something private"
    del changed["record"]["stage"]
    told = first_difference(inputs, changed)
    assert told == "another clinical record (disease, stage)"


def test_the_order_of_a_record_matters_to_its_caption(inputs):
    turned = copy.deepcopy(inputs)
    turned["record"] = dict(reversed(turned["record"].items()))
    assert first_difference(inputs, turned) == "another clinical record (fields in another order)"


def test_markers_are_named(inputs):
    changed = copy.deepcopy(inputs)
    changed["markers"] = ["DAPI", "CD8", "CD20"]
    assert first_difference(inputs, changed) == "other markers (PanCK, CD20)"


def test_an_image_that_came_or_went_is_named(inputs):
    without = copy.deepcopy(inputs)
    del without["images"]["he"]
    assert first_difference(inputs, without) == "an H&E image too, while none is given now"
    assert first_difference(without, inputs) == "no H&E image, while one is given now"
