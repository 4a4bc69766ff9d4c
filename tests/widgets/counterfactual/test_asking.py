from __future__ import annotations

from types import SimpleNamespace

from napari_haiku.atlas.shipped import shipped_atlas
from napari_haiku.atlas.store import Atlas
from napari_haiku.widgets.counterfactual.asking import values_of, without_meaning


def test_fields_without_meaning_come_after_those_that_have_some():
    record = {"lid": "Matte Lacquer", "stage": "III", "cassette_colour": "green", "grade": "G2"}
    atlas = Atlas.open(shipped_atlas())
    offered = values_of(SimpleNamespace(record=record), atlas)
    assert list(offered) == ["stage", "grade", "lid", "cassette_colour"]
    assert offered["stage"] == atlas.values_of("stage")


def test_a_field_that_the_atlas_lacks_is_not_offered():
    atlas = Atlas.open(shipped_atlas())
    assert list(values_of(SimpleNamespace(record={"ward": "7", "sex": "Male"}), atlas)) == ["sex"]


def test_fields_without_meaning_are_named():
    assert without_meaning(["stage", "lid", "cassette_colour"]) == {"lid", "cassette_colour"}
