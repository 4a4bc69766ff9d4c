"""Edits that the atlas can speak to, and refusals of those it cannot."""

import pandas as pd
import pytest

from napari_haiku.analysis.counterfactual.record_edit import plan_edit
from napari_haiku.analysis.counterfactual.record_fields import patient_records
from napari_haiku.errors import HaikuError

SLIDES = pd.DataFrame(
    {
        "patient_id": ["a", "b", "c"],
        "disease": ["Colon cancer"] * 3,
        "stage": ["II", "II", "III"],
        "grade": ["1", "2", "3"],
    }
)
RECORD = {
    "patient_id": "SECRET-17",
    "tissue": "Colon",
    "disease": "Colon cancer",
    "stage": "II",
    "grade": "1",
    "ward": "blue",
}


def records():
    return patient_records(SLIDES, ("disease", "stage", "grade"))


def test_edit_keeps_order_and_drops_identifying_fields():
    edit = plan_edit(records(), RECORD, {"stage": "iii"})
    assert list(edit.edited) == ["tissue", "disease", "stage", "grade", "ward"]
    assert edit.before == {"stage": "II"}
    assert edit.after == {"stage": "III"}
    assert edit.words == "stage II to III"
    assert "stage: III" in edit.edited_caption
    assert "stage: II," in edit.baseline_caption
    assert "SECRET" not in edit.baseline_caption + edit.edited_caption


def test_unchanged_fields_are_no_part_of_the_edit():
    assert plan_edit(records(), RECORD, {"stage": "III", "grade": "1"}).after == {"stage": "III"}


def test_no_patient_with_the_value():
    with pytest.raises(HaikuError) as refusal:
        plan_edit(records(), RECORD, {"stage": "IV"})
    assert (
        str(refusal.value)
        == "The atlas has no patient with stage IV, so it cannot say what would shift."
    )


def test_an_emptied_field_is_carried_by_nobody():
    with pytest.raises(HaikuError, match="no patient with stage"):
        plan_edit(records(), RECORD, {"stage": ""})


def test_a_field_that_the_record_lacks_names_those_there_are():
    with pytest.raises(HaikuError, match="tissue, disease, stage, grade, ward"):
        plan_edit(records(), RECORD, {"smoking": "never"})


def test_a_field_that_the_atlas_lacks_names_those_shared():
    with pytest.raises(HaikuError, match=r'no field "ward".*disease, stage, grade'):
        plan_edit(records(), RECORD, {"ward": "red"})


def test_an_edit_that_changes_nothing():
    with pytest.raises(HaikuError, match="changes nothing: the record already reads stage II"):
        plan_edit(records(), RECORD, {"stage": "II"})


def test_no_edit_and_no_record():
    with pytest.raises(HaikuError, match="Nothing was edited"):
        plan_edit(records(), RECORD, {})
    with pytest.raises(HaikuError, match="no clinical record"):
        plan_edit(records(), {"patient_id": "x"}, {"stage": "IV"})


def test_no_refusal_repeats_an_identifying_value():
    for edits in ({"stage": "IV"}, {"nonsense": "x"}, {"patient_id": "y"}, {"stage": "II"}):
        with pytest.raises(HaikuError) as refusal:
            plan_edit(records(), RECORD, edits)
        assert "SECRET" not in str(refusal.value)


def test_caption_parts_rebuild_both_captions():
    edit = plan_edit(records(), RECORD, {"stage": "III", "grade": "2"})
    parts = edit.caption_parts()
    before = "".join(text for kind, text in parts if kind != "added")
    after = "".join(text for kind, text in parts if kind != "removed")
    assert before == edit.baseline_caption
    assert after == edit.edited_caption
    assert ("removed", "II") in parts
    assert ("added", "III") in parts
