"""Placebo fields and twins: same effort for a text tower, nothing behind them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.clinical import CAPTION_TEMPLATES, caption, is_identifying
from napari_haiku.errors import HaikuError
from napari_haiku.simulation.neutral import (
    PLACEBO,
    TWIN_LEVELS,
    TWINS,
    twin_edits,
    twin_level,
)
from napari_haiku.simulation.record import draw_patient

_PATIENTS = 600


@pytest.fixture(scope="module")
def crowd():
    return [draw_patient(21, index) for index in range(_PATIENTS)]


def _most_tokens(text: str) -> int:
    """Count as badly as a subword vocabulary could: four letters a token, each sign its own."""
    parts = re.findall(r"[A-Za-z]+|\d|[^\sA-Za-z\d]", text)
    return sum(-(-len(part) // 4) for part in parts)


def test_every_field_a_user_may_edit_has_a_twin_but_the_site(crowd) -> None:
    assert set(TWINS.values()) == set(crowd[0].clinical) - {"site"}
    assert not any(is_identifying(name) for name in TWINS)
    assert set(TWINS).isdisjoint({*crowd[0].clinical, *PLACEBO})


def test_a_twin_says_its_levels_in_words_of_its_own(crowd) -> None:
    real = {value for patient in crowd for value in patient.clinical.values()}
    words = {word for value in real for word in re.findall(r"\w+", value)}
    for patient in crowd:
        for value in patient.twins.values():
            assert words.isdisjoint(re.findall(r"\w+", value)), value
    levels = [level for _, levels in TWIN_LEVELS.items() for level in levels]
    levels += [level for levels, _ in PLACEBO.values() for level in levels]
    assert len(set(levels)) == len(levels)


@pytest.mark.parametrize("twin", TWINS)
def test_a_twin_has_the_levels_and_frequencies_of_its_field(crowd, twin: str) -> None:
    real = Counter(twin_level(twin, patient.clinical[TWINS[twin]]) for patient in crowd)
    ghost = Counter(patient.twins[twin] for patient in crowd)
    if twin in TWIN_LEVELS:
        assert set(real) == set(ghost) == set(TWIN_LEVELS[twin])
    if len(real) <= 4:
        for level, count in real.items():
            # Two samples of one share: four standard errors of their difference.
            share = count / _PATIENTS
            limit = 4 * np.sqrt(2 * share * (1 - share) / _PATIENTS)
            assert abs(ghost[level] - count) / _PATIENTS < limit
    else:
        values = [[int(re.sub(r"\D", "", level)) for level in sample.elements()]
                  for sample in (real, ghost)]  # fmt: skip
        means, spreads = np.mean(values, axis=1), np.std(values, axis=1)
        assert abs(means[0] - means[1]) < 4 * spreads[0] * np.sqrt(2 / _PATIENTS)


def test_twins_hang_together_as_their_fields_do(crowd) -> None:
    for patient in crowd:
        assert ("B1" in patient.twins["docket"]) == (patient.twins["bin"] == "Brass")
        assert patient.twins["lining"].startswith(
            {"Check/Stripe": "Dune", "Dots": "Reed", "Plain": "Moss", "Zigzag": "Slate"}[
                patient.twins["tray"]
            ]
        )


def test_a_twin_knows_nothing_of_the_patient(crowd) -> None:
    tone = np.array([patient.tone for patient in crowd])
    for twin, levels in TWIN_LEVELS.items():
        groups = [tone[[p.twins[twin] == level for p in crowd]] for level in levels]
        error = np.sqrt(sum(tone.var() / len(group) for group in groups))
        assert np.ptp([group.mean() for group in groups]) < 4 * error, twin
    for twin in ("bin", "seal", "carton", "lamp"):
        same = [p.twins[twin] == twin_level(twin, p.clinical[TWINS[twin]]) for p in crowd]
        shares = np.array(list(Counter(p.twins[twin] for p in crowd).values())) / _PATIENTS
        chance = (shares**2).sum()
        assert np.mean(same) == pytest.approx(chance, abs=4 * np.sqrt(0.25 / _PATIENTS))


def test_each_field_without_effect_is_shown_by_about_half_the_patients(crowd) -> None:
    shown = Counter(name for patient in crowd for name in patient.shown)
    for name in (*PLACEBO, *TWINS):
        assert 0.38 < shown[name] / _PATIENTS < 0.56, name
    for patient in crowd:
        assert ("lamp" in patient.shown) == ("wattage" in patient.shown)
        assert ("tray" in patient.shown) == ("lining" in patient.shown)


def test_showing_a_field_does_not_depend_on_its_value(crowd) -> None:
    by_level = defaultdict(list)
    for patient in crowd:
        by_level[patient.twins["lamp"]].append("lamp" in patient.shown)
    dark, lit = (np.mean(values) for values in by_level.values())
    assert abs(dark - lit) < 4 * np.sqrt(0.5 / (_PATIENTS / 2))


def test_every_caption_stays_under_two_hundred_tokens(crowd) -> None:
    for number, patient in enumerate(crowd):
        text = caption(patient.record, template=number % len(CAPTION_TEMPLATES))
        assert _most_tokens(text) + 2 < 200, text


@given(st.integers(0, 10**6), st.sampled_from(sorted(TWIN_LEVELS)), st.data())
def test_editing_a_twin_changes_that_field_alone(index: int, twin: str, data) -> None:
    level = data.draw(st.sampled_from(TWIN_LEVELS[twin]))
    before, after = draw_patient(9, index), draw_patient(9, index, edits={twin: level})
    assert after.twins[twin] == level
    assert before.clinical == after.clinical
    assert before.twins | {twin: level} == after.twins
    assert np.array_equal(before.area_logits(), after.area_logits())


@given(st.integers(0, 10**6), st.sampled_from(["North", "West"]), st.floats(-2, 2))
def test_a_twin_does_not_follow_its_patient(index: int, site: str, tone: float) -> None:
    edits = {"stage": "IV", "grade": "G3", "site": site}
    assert draw_patient(9, index, edits=edits, tone=tone).twins == draw_patient(9, index).twins


def test_an_edit_is_told_in_the_twins_words() -> None:
    edit = {"survival_status": "Alive", "survival_months": "77", "site": "West"}
    assert twin_edits(edit) == {"lamp": "Lit", "wattage": "577"}
    assert twin_edits({"tnm": "T2N1M0"}) == {"docket": "K2V1B0"}


@pytest.mark.parametrize(("twin", "level"), [("bin", "V"), ("crate", "old")])
def test_a_level_that_no_patient_has_is_refused(twin: str, level: str) -> None:
    with pytest.raises(HaikuError, match=f"{TWINS[twin]} '{level}'"):
        twin_level(twin, level)
