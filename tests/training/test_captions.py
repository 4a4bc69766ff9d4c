"""Training captions: fields come and go, tissue stays, seeds repeat."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.training.captions import training_caption

RECORD = {"tissue_type": "Colon", "disease": "Colon Cancer", "stage": "II", "grade": "G2"}


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_tissue_and_disease_are_always_said(seed: int, dropped: float) -> None:
    text = training_caption(RECORD, dropped, (0, seed)).lower()
    assert "colon" in text
    assert training_caption(RECORD, dropped, (0, seed)).lower() == text


def test_fields_are_left_out_at_the_rate_asked_for() -> None:
    texts = [training_caption(RECORD, 0.25, (0, i)) for i in range(400)]
    said = sum("stage: II" in text for text in texts) / 400
    assert 0.68 < said < 0.82
    assert all("stage: II" in training_caption(RECORD, 0, (0, i)) for i in range(20))
    assert len({text.split(".")[0] for text in texts}) == 5
