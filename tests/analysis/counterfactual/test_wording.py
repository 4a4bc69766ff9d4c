"""Other wordings of one record."""

import numpy as np
from toy_cohort import DIM, PLACEBO_FIELDS, ToyModel, ask, text_vector

from napari_haiku.analysis.counterfactual.idle_fields import fields_without_meaning
from napari_haiku.analysis.counterfactual.irrelevant_text import WEAK
from napari_haiku.analysis.counterfactual.wording import NEUTRAL_WORDS, wording_placebos, wordings
from napari_haiku.clinical import CAPTION_TEMPLATES, caption

RECORD = {"tissue": "Colon", "disease": "Cancer", "stage": "II", "sex": "f", "grade": "G2"}
EDITED = {**RECORD, "stage": "IV"}


class Wordy(ToyModel):
    """A text tower that also reads openings, order and neutral sentences."""

    def _text_vectors(self, captions):
        import torch

        rows = []
        for words in captions:
            vector = text_vector(words).astype(float)
            rng = np.random.default_rng(list(words.replace("IV", "II").encode()))
            vector += 0.1 * rng.normal(size=DIM) / np.sqrt(DIM)
            rows.append(vector / np.linalg.norm(vector))
        return torch.from_numpy(np.stack(rows).astype(np.float32))


def test_the_first_wording_is_the_one_compared():
    pairs = wordings(RECORD, EDITED, seed=0)
    assert pairs[0] == (caption(RECORD), caption(EDITED))
    assert len(pairs) == len(set(pairs)) >= len(CAPTION_TEMPLATES) + 3


def test_both_captions_of_a_wording_differ_in_the_edit_only():
    for before, after in wordings(RECORD, EDITED, seed=0):
        assert before.replace("stage: II", "stage: IV") == after


def test_same_seed_same_wordings():
    assert wordings(RECORD, EDITED, seed=3) == wordings(RECORD, EDITED, seed=3)
    assert wordings(RECORD, EDITED, seed=3) != wordings(RECORD, EDITED, seed=4)


def test_wording_placebos_say_nothing_new():
    placebos = wording_placebos(RECORD, seed=0)
    assert len(placebos) >= 15
    for before, after in placebos:
        assert before != after
        bare = next((after.removesuffix(f" {end}") for end in NEUTRAL_WORDS if end in after), after)
        for field in ("stage", "sex", "grade"):
            assert f"{field}: {RECORD[field]}" in bare


def test_spread_over_wordings_is_a_column(query, atlas, bands):
    one = ask(query, atlas, {"stage": "IV"}, bands, Wordy())
    assert (one.shifts["wording_sd"] > 0).all()
    # The toy tower reads fields in any order and no opening: nothing hangs on the wording.
    deaf = ask(query, atlas, {"stage": "IV"}, bands)
    np.testing.assert_allclose(deaf.shifts["wording_sd"], 0, atol=0.02)


def test_without_trained_placebo_fields_wordings_rank_and_are_called_weak(query, atlas, bands):
    model = Wordy(placebo=False)
    result = ask(query, atlas, {"stage": "IV"}, bands, model)
    assert result.weak_placebo
    assert WEAK in result.inference
    assert result.shifts["placebo_p"].between(0, 1).all()
    assert result.shifts[["p", "q"]].isna().all().all()
    assert not result.shifts["supported"].any()
    assert 0 < result.whole_edit_p <= 1


def test_words_read_as_nothing_are_no_comparison(query, atlas, bands):
    result = ask(query, atlas, {"stage": "IV"}, bands, ToyModel(placebo=False))
    assert not (result.shifts["placebo_p"] < 1 / 40).any()


def test_twins_are_fields_without_meaning():
    card = {"placebo_fields": PLACEBO_FIELDS, "twin_fields": {"tray": "stage", "ward": "sex"}}
    assert fields_without_meaning(card) == (*PLACEBO_FIELDS, "tray")
