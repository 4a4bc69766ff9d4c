"""Presets and knobs: what each changes, and what it leaves alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from fake_model import FakeModel
from scipy import ndimage

from napari_haiku.atlas.cohort import build_from_manifest
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.simulation.cohort import SimulateRequest, simulate_cohort
from napari_haiku.simulation.difficulty import (
    PRESETS,
    STANDARD,
    Difficulty,
    difficulty_of,
    difficulty_preset,
    difficulty_settings,
    panel_markers,
    preset_name,
)
from napari_haiku.simulation.histology import draw_stain
from napari_haiku.simulation.patient import VirtualSlide, simulate_patient
from napari_haiku.simulation.record import SITES, STAGES, draw_patient
from napari_haiku.simulation.vocabulary import MARKERS

PANELS = replace(STANDARD, missing_markers=0.25)


def test_there_are_three_frozen_presets_and_standard_is_the_default() -> None:
    assert list(PRESETS) == ["easy", "standard", "hard"]
    assert PRESETS["standard"] == Difficulty() == STANDARD
    with pytest.raises(FrozenInstanceError):
        STANDARD.noise = 2.0  # type: ignore[misc]
    easy, hard = PRESETS["easy"], PRESETS["hard"]
    assert easy.effect > STANDARD.effect > hard.effect
    for knob in ("noise", "stain"):
        assert getattr(easy, knob) < getattr(STANDARD, knob) < getattr(hard, knob)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("confounding", [False, True])
def test_a_difficulty_is_read_back_from_what_the_cohort_says(name: str, confounding) -> None:
    difficulty = difficulty_preset(name, confounding=confounding)
    said = json.loads(json.dumps(difficulty_settings(difficulty)))
    assert said["preset"] == preset_name(difficulty) == name
    assert said["confounding"] is confounding
    assert difficulty_of(said) == difficulty


def test_single_knobs_make_a_custom_difficulty() -> None:
    assert preset_name(replace(STANDARD, shift_um=3.0)) == "custom"
    assert difficulty_of({}) == STANDARD
    with pytest.raises(HaikuError, match="does not know"):
        difficulty_of({"difficulty": {"gravity": 2}})


@pytest.mark.parametrize(
    ("knob", "value", "told"),
    [
        ("noise", -1, "noise -1 .*0 to 5"),
        ("effect", float("nan"), "effect nan"),
        ("shift_um", 11.0, "shift_um 11.0 .*0 to 10 um"),
        ("shear", "much", "shear 'much'"),
        ("stain", True, "stain True"),
        ("missing_markers", 0.5, "missing_markers 0.5"),
    ],
)
def test_a_knob_beyond_its_limits_is_refused(knob: str, value: object, told: str) -> None:
    with pytest.raises(HaikuError, match=told):
        Difficulty(**{knob: value})


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(HaikuError, match=r"no preset 'brutal'.*easy, standard, hard"):
        difficulty_preset("brutal")


def _stage_means(confounding: bool, count: int = 600) -> tuple[dict[str, float], float]:
    difficulty = replace(STANDARD, confounding=confounding)
    patients = [draw_patient(31, index, difficulty=difficulty).clinical for index in range(count)]
    stage = {
        site: [STAGES.index(p["stage"]) for p in patients if p["site"] == site] for site in SITES
    }
    error = np.sqrt(sum(np.var(values) / len(values) for values in stage.values()))
    return {site: float(np.mean(values)) for site, values in stage.items()}, float(error)


def test_site_is_independent_of_stage_unless_confounding_is_switched_on() -> None:
    plain, error = _stage_means(False)
    assert np.ptp(list(plain.values())) < 4 * error
    mixed, error = _stage_means(True)
    assert list(mixed) == sorted(mixed, key=lambda site: mixed[site])
    assert np.ptp(list(mixed.values())) > 1.0 > 4 * error


def test_confounding_changes_the_stage_and_what_follows_from_it_only() -> None:
    for index in range(60):
        plain = draw_patient(31, index)
        mixed = draw_patient(31, index, difficulty=replace(STANDARD, confounding=True))
        free = {"stage", "tnm", "type", "survival_status", "survival_months"}
        changed = {k for k in plain.clinical if plain.clinical[k] != mixed.clinical[k]}
        assert changed <= free
        assert plain.tone == mixed.tone
        assert plain.placebo == mixed.placebo


def test_under_confounding_a_twin_follows_the_site_as_its_field_does() -> None:
    difficulty = replace(STANDARD, confounding=True)
    patients = [draw_patient(31, index, difficulty=difficulty) for index in range(600)]
    for site in ("North", "Coast"):
        there = [p for p in patients if p.clinical["site"] == site]
        real = Counter(p.clinical["stage"] == "IV" for p in there)
        twin = Counter(p.twins["bin"] == "Brass" for p in there)
        limit = 4 * np.sqrt(2 * 0.25 / len(there))
        assert abs(real[True] - twin[True]) / len(there) < limit


def test_effects_grow_and_vanish_with_their_factor() -> None:
    edits = {"stage": "IV", "treatment": "Immunotherapy"}
    areas = {
        factor: draw_patient(
            4, 7, edits=edits, tone=1.0, difficulty=replace(STANDARD, effect=factor)
        ).area_logits()
        for factor in (0.0, 1.0, 2.0)
    }
    assert np.allclose(areas[2.0] - areas[0.0], 2 * (areas[1.0] - areas[0.0]))
    other = draw_patient(
        4, 7, edits={"stage": "I"}, tone=-1.0, difficulty=replace(STANDARD, effect=0.0)
    )
    assert np.array_equal(areas[0.0], other.area_logits())


def test_stain_varies_with_its_factor() -> None:
    def spread(factor: float) -> float:
        difficulty = replace(STANDARD, stain=factor)
        stains = [draw_stain(draw_patient(5, i, difficulty=difficulty)) for i in range(30)]
        return float(np.std([stain.hematoxylin for stain in stains], axis=0).mean())

    assert spread(0.0) == pytest.approx(0, abs=1e-6)
    assert 0 < spread(0.5) < spread(1.0) < spread(1.6)


def test_noise_is_what_the_factor_says(field_um: tuple[float, float]) -> None:
    quiet, plain, loud = (
        simulate_patient(2, 5, field_um=field_um, difficulty=replace(STANDARD, noise=factor))
        for factor in (0.0, 1.0, 3.0)
    )
    for picture in ("he", "mif"):
        without, with_, more = (
            getattr(slide, picture).astype(float) for slide in (quiet, plain, loud)
        )
        assert 0 < np.abs(with_ - without).mean() < np.abs(more - without).mean()
    assert quiet.cells.equals(loud.cells)


def test_the_knobs_of_the_pictures_leave_cells_niches_and_record_alone(
    slide: VirtualSlide, field_um: tuple[float, float]
) -> None:
    hard = replace(PRESETS["hard"], effect=1.0)
    other = simulate_patient(2, 5, field_um=field_um, difficulty=hard)
    assert other.cells.equals(slide.cells)
    assert np.array_equal(other.niche, slide.niche)
    assert other.record == slide.record
    assert not np.array_equal(other.he, slide.he)


def _aligned(slide: VirtualSlide) -> float:
    dark = 255 - slide.he[::2, ::2, 0].astype(float)
    nuclei = slide.mif[slide.markers.index("DAPI")].astype(float)
    return float(np.corrcoef(dark.ravel(), nuclei.ravel())[0, 1])


def test_the_next_section_has_the_same_architecture_and_other_nuclei(
    slide: VirtualSlide, field_um: tuple[float, float]
) -> None:
    serial = replace(STANDARD, serial_section=True)
    other = simulate_patient(2, 5, field_um=field_um, difficulty=serial)
    assert np.array_equal(other.he, slide.he)
    assert other.cells.equals(slide.cells)
    assert _aligned(other) < 0.6 * _aligned(slide)
    # At 25 um the sections agree: the same aggregate stands in both.
    for name in ("DAPI", "CD45"):
        blurred = [
            ndimage.gaussian_filter(s.mif[MARKERS.index(name)].astype(float), 12)
            for s in (slide, other)
        ]
        assert np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1] > 0.8


def test_panels_lack_markers_and_each_marker_is_in_two_of_them() -> None:
    panels = {panel_markers(3, index, PANELS) for index in range(40)}
    assert len(panels) == 3
    seen = Counter(name for panel in panels for name in panel)
    assert set(seen) == set(MARKERS)
    assert min(seen.values()) >= 2
    assert seen["DAPI"] == 3
    for panel in panels:
        assert len(panel) == 24 - int(0.25 * 23)
        assert list(panel) == sorted(panel, key=MARKERS.index)
    most = replace(STANDARD, missing_markers=0.33)
    assert set().union(*(panel_markers(3, index, most) for index in range(40))) == set(MARKERS)


def test_a_missing_marker_leaves_the_others_as_they_were(
    slide: VirtualSlide, field_um: tuple[float, float]
) -> None:
    other = simulate_patient(2, 5, field_um=field_um, difficulty=PANELS)
    assert other.markers == panel_markers(2, 5, PANELS)
    for number, name in enumerate(other.markers):
        assert np.array_equal(other.mif[number], slide.mif[MARKERS.index(name)])


def test_a_hard_cohort_says_so_and_becomes_an_atlas(tmp_path: Path) -> None:
    difficulty = difficulty_preset("hard", confounding=True)
    request = SimulateRequest(tmp_path / "c", 5, 3, (220.0, 210.0), difficulty=difficulty)
    made = run_job(simulate_cohort(request))
    said = json.loads((request.output / "simulation.json").read_text(encoding="utf-8"))
    assert (said["preset"], said["confounding"]) == ("hard", True)
    assert difficulty_of(said) == difficulty
    with pytest.raises(HaikuError, match="preset 'hard' not 'standard'"):
        run_job(simulate_cohort(replace(request, difficulty=STANDARD)))
    built = run_job(build_from_manifest(made.manifest, tmp_path / "atlas", FakeModel()))
    assert built.failed == ()
    assert set(built.atlas.markers) == set(MARKERS)
    of_slide = built.atlas.patches["slide_id"].to_numpy()
    lacking = set()
    for index in range(5):
        rows = of_slide == f"slide_{index:05d}"
        assert rows.any()
        measured = ~np.isnan(built.atlas.expression[rows]).any(axis=0)
        names = {name for name, there in zip(built.atlas.markers, measured, strict=True) if there}
        assert names == set(panel_markers(3, index, difficulty))
        lacking |= set(MARKERS) - names
    assert lacking
