"""Edits that the atlas or the model cannot speak to, each with its sentence."""

import pytest
from toy_cohort import ToyModel, ask, toy_atlas

from napari_haiku.analysis.counterfactual.counterfactual import CounterfactualRequest
from napari_haiku.errors import HaikuError


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ({"stage": "V"}, "has no patient with stage V, so it cannot say what would shift"),
        ({"smoking": "never"}, "no field.*tissue, disease, stage, sex"),
        ({"stage": "II"}, "changes nothing"),
        ({}, "Nothing was edited"),
        ({"patient_id": "x"}, "no field"),
    ],
)
def test_refusals(query, atlas, edits, sentence):
    with pytest.raises(HaikuError, match=sentence):
        ask(query, atlas, edits)


def test_one_patient_atlas_refuses_the_edited_value(query, lone_atlas):
    right = query.grid.cols >= 8
    with pytest.raises(HaikuError, match="no patient with stage IV"):
        ask(query, lone_atlas, {"stage": "IV"}, rows=right, within_patient_um=200.0)


def test_a_value_that_only_the_slides_own_patient_carries_is_refused(tmp_path, encodings):
    """Stage IV is in this atlas, but only with the patient asked about."""
    atlas = toy_atlas(tmp_path, [encodings[0], encodings[1], encodings[2]])
    assert atlas.values_of("stage") == {"II": 1, "III": 1, "IV": 1}
    with pytest.raises(HaikuError, match="no patient with stage IV"):
        ask(encodings[2], atlas, {"stage": "IV"}, record={**encodings[2].record, "stage": "II"})


def test_an_edit_that_the_model_does_not_read_is_refused(query, atlas, encodings):
    class Deaf(ToyModel):
        def _text_vectors(self, captions):
            return super()._text_vectors(["stage: II"] * len(captions))

    with pytest.raises(HaikuError, match="reads the edited record exactly as"):
        ask(query, atlas, {"stage": "IV"}, model=Deaf())


def test_words_never_read_are_noted(query, atlas, bands):
    record = {**query.record, "comment": "gibberish"}
    result = ask(query, atlas, {"stage": "IV"}, bands, record=record, resamples=0, placebo=False)
    assert any('never read "gibberish"' in note for note in result.notes)


def test_another_model_is_refused(query, atlas):
    with pytest.raises(HaikuError, match="model"):
        ask(query, atlas, {"stage": "IV"}, model=ToyModel(fingerprint="other"))


@pytest.mark.parametrize("bad", [{"k": 0}, {"resamples": -1}, {"seed": -1}])
def test_impossible_requests_are_refused(bad):
    with pytest.raises(HaikuError):
        CounterfactualRequest(edits={"stage": "IV"}, **bad)
