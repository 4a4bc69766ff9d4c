"""The truth beside a virtual cohort: signs, zeros, errors, and the file that ships."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from napari_haiku.simulation.difficulty import STANDARD, Difficulty
from napari_haiku.simulation.effects import EFFECTS
from napari_haiku.simulation.record import GRADES, draw_patient
from napari_haiku.simulation.truth import (
    AREA,
    COLUMNS,
    ROLES,
    parquet,
    truth_of,
    truth_table,
    write_truth,
)
from napari_haiku.simulation.truth_curves import measure_curves
from napari_haiku.simulation.truth_edits import Edit, edits_of, fields_with_effect
from napari_haiku.simulation.truth_estimates import KINDS, World, estimate
from napari_haiku.simulation.truth_population import OUTCOME, draw_population, measure_rim
from napari_haiku.simulation.truth_regression import slopes_on_looks
from napari_haiku.simulation.truth_response import TONES, measure_response, tone_weights
from napari_haiku.simulation.truth_tissue import make_tissue
from napari_haiku.simulation.vocabulary import MARKERS, NICHES, marker_index, niche_index

POOR, GOOD = ("Deceased", "15"), ("Alive", "66")
SURVIVAL = Edit(dict(zip(OUTCOME, POOR, strict=True)), dict(zip(OUTCOME, GOOD, strict=True)))
STAGE = Edit({"stage": "I"}, {"stage": "IV"})
PLACEBO = Edit({"ward_colour": "amber"}, {"ward_colour": "violet"})


@pytest.fixture(scope="module")
def world() -> World:
    """Return a small model: three people at every grade, 600 patients without tissue."""
    field = (300.0, 300.0)
    tissues = [
        make_tissue(7, person, {"grade": grade}, field) for person in range(3) for grade in GRADES
    ]
    curves = measure_curves(8, range(2), field_um=field)
    return World(
        people=draw_population(9, 600, STANDARD),
        response=measure_response(tissues, curves),
        slopes=slopes_on_looks(tissues, [tissue.patient for tissue in tissues], curves),
        unit=np.maximum(curves.unit, 0.1),
        rim=np.array((0.44, 0.71, 0.69)),
    )


def _at(values: np.ndarray, niche: str, marker: str) -> float:
    return float(values[niche_index(niche), marker_index(marker)])


def test_signs_agree_with_the_effect_table(world: World) -> None:
    favourable = estimate(world, SURVIVAL)
    for kind in ("conditional", "marginal", "interventional"):
        shift = favourable[kind].shift
        assert _at(shift, "immune aggregate", "CD8") > 0
        assert _at(shift, "immune aggregate", "GranzymeB") > 0
        assert _at(shift, "immune aggregate", "PDL1") < 0
    stage = estimate(world, STAGE)["interventional"].shift
    assert _at(stage, "stroma", "aSMA") > 0
    assert _at(stage, "stroma", "CollagenIV") < 0


def test_a_favourable_outcome_goes_with_more_immune_tissue_and_less_necrosis(world: World) -> None:
    area = estimate(world, SURVIVAL)["interventional"].area
    assert area[niche_index("immune aggregate")] > 0 > area[niche_index("necrosis")]
    assert abs(area.sum()) < 0.01


def test_placebo_and_twin_edits_shift_nothing_at_all(world: World) -> None:
    neutral = [edit for edit in edits_of(world.people) if edit.neutral]
    assert len(neutral) >= 6 + 10
    table = truth_table(world, [PLACEBO, neutral[-1]])
    assert (table["true_shift"] == 0).all()
    assert (table["se"] == 0).all()
    assert set(table.loc[table["marker"] != AREA, "role"]) == {"zero"}


def test_no_edit_shifts_nothing(world: World) -> None:
    for found in estimate(world, Edit({"stage": "II"}, {"stage": "II"})).values():
        assert not found.shift.any()
        assert not found.area.any()


def test_an_edit_without_an_arrow_has_exactly_no_conditional_shift(world: World) -> None:
    found = estimate(world, Edit({"smoking": "Never"}, {"smoking": "Former"}))
    assert np.abs(found["conditional"].shift).max() < 1e-9
    assert np.abs(found["interventional"].shift).max() < 1e-9
    # Former smokers have other organs, so the margin may move.
    assert np.abs(found["marginal"].shift).max() > 1e-6


def test_marginal_truth_of_the_edit_back_is_the_opposite(world: World) -> None:
    there, back = (estimate(world, edit)["marginal"] for edit in (STAGE, STAGE.reverse()))
    assert np.allclose(there.shift, -back.shift, atol=1e-9)
    assert np.allclose(there.area, -back.area, atol=1e-9)


def test_niches_that_no_effect_reaches_move_by_their_neighbours_alone(world: World) -> None:
    found = estimate(world, SURVIVAL)["conditional"]
    touched = {effect.niche for effect in EFFECTS if effect.field == "tone"}
    for niche in set(NICHES) - touched:
        assert np.abs(found.own[niche_index(niche)]).max() < 1e-9


def test_errors_shrink_with_patients() -> None:
    """The patients' part of the error, with the tissue held as it is."""
    sizes = [300, 2700]
    people = draw_population(4, sizes[-1], STANDARD)
    spread = []
    for size in sizes:
        blocks = np.array_split(people.tone[:size], 10)
        means = np.array([tone_weights(block).mean(0) for block in blocks])
        spread.append(means.std(0, ddof=1).mean() / np.sqrt(10))
    assert spread[1] < 0.6 * spread[0]


def test_weights_of_tones_reproduce_a_smooth_answer() -> None:
    tone = np.linspace(-2.4, 2.4, 50)
    weights = tone_weights(tone)
    assert np.allclose(weights.sum(-1), 1)
    assert np.abs(weights @ np.exp(0.5 * TONES) - np.exp(0.5 * tone)).max() < 0.005


def test_the_rim_is_found_again() -> None:
    rng = np.random.default_rng(2)
    tumour = rng.uniform(0.1, 0.6, 200)
    own = rng.normal(0, 0.5, 200)
    near = 1 / (1 + np.exp(-(0.4 + 0.7 * np.log(tumour / (1 - tumour)) + 0.6 * own)))
    shares = np.zeros((200, len(NICHES)))
    shares[:, niche_index("tumour")] = tumour
    shares[:, niche_index("stroma")] = (1 - tumour) * (1 - near)
    shares[:, niche_index("tumour margin")] = (1 - tumour) * near
    assert np.allclose(measure_rim(shares, own), (0.4, 0.7, 0.6), atol=0.01)


def test_fields_with_effect_are_those_of_the_table() -> None:
    assert {effect.field for effect in EFFECTS} - {"tone"} <= set(fields_with_effect())
    assert set(OUTCOME) <= set(fields_with_effect())
    assert not {"site", "sex", "scanner", "ward_colour"} & set(fields_with_effect())


def test_table_has_every_row_and_role(world: World) -> None:
    table = truth_table(world, [SURVIVAL])
    assert tuple(table.columns) == COLUMNS
    assert len(table) == len(NICHES) * (len(MARKERS) * len(KINDS) + len(KINDS) - 1)
    assert set(table["role"]) <= set(ROLES)
    assert set(table["field"]) == {"survival_status+survival_months"}
    assert set(table["to"]) == {"Alive+66"}
    real = table[(table["role"] == "real") & (table["kind"] == "conditional")]
    assert (real["true_shift"].abs() >= 0.2 - 1e-4).all()
    assert (real["path"] == "niche").all()
    again = pd.read_parquet(io.BytesIO(parquet(table)))
    assert again["true_shift"].equals(table["true_shift"])


def test_patients_and_truth_are_written_beside_the_cohort(tmp_path) -> None:
    known = write_truth(tmp_path, 5, {0: ("slide_00000", "patient_00000")}, STANDARD)
    patients = pd.read_parquet(tmp_path / "patients.parquet")
    assert list(patients) == ["slide_id", "patient_id", "log_hazard", "tone"]
    assert patients["tone"][0] == draw_patient(5, 0).tone
    assert (tmp_path / "truth.parquet").exists() == known


def test_knobs_of_ones_own_have_no_shipped_truth(tmp_path) -> None:
    own = Difficulty(effect=1.234)
    assert not write_truth(tmp_path, 5, {0: ("slide_00000", "patient_00000")}, own)
    assert not (tmp_path / "truth.parquet").exists()


@pytest.fixture(scope="module")
def shipped() -> pd.DataFrame:
    """Return the shipped truth of the standard preset."""
    content = truth_of(STANDARD)
    assert content is not None
    assert len(content) < 300_000
    return pd.read_parquet(io.BytesIO(content))


def test_shipped_truth_has_enough_real_effects_of_both_signs(shipped: pd.DataFrame) -> None:
    real = shipped[(shipped["role"] == "real") & (shipped["kind"] == "conditional")]
    counts = real.groupby(["field", "from", "to"], observed=True)["true_shift"].agg(
        n="size", up=lambda shift: (shift > 0).sum()
    )
    enough = counts[counts["n"] >= 20]
    fields = set(enough.index.get_level_values("field"))
    assert {"survival_status+survival_months", "stage", "stage+grade"} <= fields
    assert (enough["up"] > 3).all()
    assert (enough["n"] - enough["up"] > 3).all()


def test_shipped_truth_of_every_placebo_field_is_zero(shipped: pd.DataFrame) -> None:
    placebo = shipped[shipped["field"].isin(("ward_colour", "courier_route", "tape", "bin"))]
    assert len(placebo)
    assert (placebo["true_shift"] == 0).all()


def test_signs_and_order_of_the_shipped_truth_are_found_again_on_little_tissue(
    shipped: pd.DataFrame, world: World
) -> None:
    field = SURVIVAL.names[0]
    rows = shipped[(shipped["field"] == field) & (shipped["kind"] == "interventional")]
    rows = rows[rows["from"].str.startswith("Deceased") & (rows["marker"] != AREA)]
    rows = rows[rows["niche"] == "immune aggregate"]
    told = (
        rows.set_index("marker")["true_shift"].reindex(MARKERS).to_numpy() * rows["unit"].to_numpy()
    )
    again = estimate(world, SURVIVAL)["interventional"].shift[niche_index("immune aggregate")]
    again = again * world.unit
    # Three people's small fields lack whole architectures, so sizes are too small here (their
    # error cannot be read from three people); signs and order must be those of the file.
    strong = np.abs(told) >= 0.2 * rows.set_index("marker")["unit"].reindex(MARKERS).to_numpy()
    assert strong.sum() >= 5
    assert (np.sign(again[strong]) == np.sign(told[strong])).all()
    assert np.corrcoef(again, told)[0, 1] > 0.8
