"""Virtual patients and their records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.clinical import caption
from napari_haiku.errors import HaikuError
from napari_haiku.simulation.neutral import PLACEBO, TWINS
from napari_haiku.simulation.record import (
    GRADES,
    SITES,
    STAGES,
    TREATMENTS,
    draw_patient,
    log_hazard,
)

FIELDS = [
    "tissue_type",
    "disease",
    "type",
    "sex",
    "age",
    "smoking",
    "stage",
    "grade",
    "tnm",
    "treatment",
    "survival_status",
    "survival_months",
    "site",
    "scanner",
]


@pytest.fixture(scope="module")
def crowd():
    return [draw_patient(11, index) for index in range(800)]


def test_a_record_lists_its_fields_in_caption_order_and_half_of_those_without_effect() -> None:
    patient = draw_patient(1, 2)
    assert list(patient.record)[: len(FIELDS)] == FIELDS
    shown = list(patient.record)[len(FIELDS) :]
    assert shown == [name for name in (*PLACEBO, *TWINS) if name in shown]
    assert 8 <= len(shown) <= 10
    assert all(patient.record.values())


def test_a_caption_can_be_made_of_the_record() -> None:
    patient = draw_patient(1, 2)
    text = caption(patient.record)
    assert patient.clinical["disease"] in text
    assert f"stage: {patient.clinical['stage']}" in text


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(0, 10**6))
def test_the_same_patient_is_drawn_twice_alike_and_is_possible(seed: int, index: int) -> None:
    patient = draw_patient(seed, index)
    assert patient == draw_patient(seed, index)
    clinical = patient.clinical
    assert 28 <= int(clinical["age"]) <= 92
    assert int(clinical["survival_months"]) >= 1
    assert clinical["survival_status"] in ("Alive", "Deceased")
    assert ("M1" in clinical["tnm"]) == (clinical["stage"] == "IV")
    assert clinical["type"] == "Primary Tumor" or clinical["stage"] == "IV"
    if clinical["disease"] == "Breast Cancer":
        assert clinical["sex"] == "Female"


def test_every_level_occurs(crowd) -> None:
    for name, levels in (("stage", STAGES), ("grade", GRADES), ("treatment", TREATMENTS)):
        assert {p.clinical[name] for p in crowd} == set(levels)
    assert {p.clinical["site"] for p in crowd} == set(SITES)
    for name, (levels, _) in PLACEBO.items():
        assert {p.placebo[name] for p in crowd} == set(levels)


def test_the_living_have_the_better_tone_and_placebo_knows_nothing_of_it(crowd) -> None:
    tone = np.array([p.tone for p in crowd])
    alive = np.array([p.clinical["survival_status"] == "Alive" for p in crowd])
    assert 0.25 < alive.mean() < 0.75
    assert tone[alive].mean() - tone[~alive].mean() > 1.0
    for name, (levels, _) in PLACEBO.items():
        means = [np.mean(tone[[p.placebo[name] == level for p in crowd]]) for level in levels]
        assert np.ptp(means) < 0.6, name


@settings(max_examples=30)
@given(st.integers(0, 5000), st.floats(-2, 1), st.floats(0.1, 2))
def test_a_better_tone_never_shortens_a_life(index: int, tone: float, more: float) -> None:
    worse, better = (draw_patient(4, index, tone=value) for value in (tone, tone + more))
    assert log_hazard(better) < log_hazard(worse)
    assert int(better.clinical["survival_months"]) >= int(worse.clinical["survival_months"])


def test_an_edit_changes_its_field_and_what_follows_from_it_only() -> None:
    for index in range(30):
        before = draw_patient(5, index, edits={"stage": "I"})
        after = draw_patient(5, index, edits={"stage": "IV"})
        assert after.clinical["stage"] == "IV"
        changed = {k for k in FIELDS if before.clinical[k] != after.clinical[k]}
        assert changed <= {"stage", "survival_status", "survival_months"}
        assert before.tone == after.tone
        assert log_hazard(after) > log_hazard(before)


def test_a_placebo_edit_changes_nothing_else() -> None:
    before = draw_patient(5, 3)
    after = draw_patient(5, 3, edits={"ward_colour": "teal"})
    assert after.placebo["ward_colour"] == "teal"
    assert before.clinical == after.clinical
    assert np.array_equal(before.area_logits(), after.area_logits())


def test_survival_can_be_set_by_hand() -> None:
    patient = draw_patient(5, 3, edits={"survival_status": "Alive", "survival_months": "77"})
    assert patient.record["survival_status"] == "Alive"
    assert patient.record["survival_months"] == "77"


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(HaikuError, match=r"no field 'hair'.*stage"):
        draw_patient(1, 1, edits={"hair": "long"})
