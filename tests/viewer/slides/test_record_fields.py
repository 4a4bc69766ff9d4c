from __future__ import annotations

from types import SimpleNamespace

from napari_haiku.atlas.shipped import shipped_atlas
from napari_haiku.atlas.store import Atlas
from napari_haiku.viewer.slides.record_fields import offered_fields


def test_fields_without_meaning_of_the_shipped_atlas_are_not_offered():
    offered = offered_fields(Atlas.open(shipped_atlas()).fields, None)
    assert {"stage", "grade", "survival_status"} <= set(offered)
    assert not {"cassette_colour", "label_printer", "tray", "lining", "lid"} & set(offered)


def test_the_card_of_the_model_in_use_says_which_they_are():
    card = {"placebo_fields": {"weather": ["dry", "wet"]}, "twin_fields": {"stair": "stage"}}
    model = SimpleNamespace(card=card)
    fields = ("stage", "weather", "stair", "tray")
    assert offered_fields(fields, model) == ("stage", "tray")


def test_what_the_record_has_is_offered():
    model = SimpleNamespace(card={"placebo_fields": {"weather": ["dry", "wet"]}})
    assert offered_fields(("stage", "weather"), model, ("weather",)) == ("stage", "weather")
