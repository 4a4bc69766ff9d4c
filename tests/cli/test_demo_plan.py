"""The plan that goes to the window's process."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_haiku.cli.demo_plan import DemoPlan


@pytest.fixture
def plan(tmp_path):
    return DemoPlan(
        he=tmp_path / "hé.tif",
        mif=None,
        encoding=tmp_path / "e.zarr",
        atlas=tmp_path / "atlas",
        model="default",
        record={"stage": "II", "disease": "Ménière"},
        at_um=(150.0, 250.0),
        marker="ECad",
        clusters=4,
        edits={"stage": "IV"},
        within_patient_um=500.0,
        region_um=(0.0, 0.0, 10.0, 20.0),
        seed=3,
        notice="Seen before.",
    )


def test_a_plan_comes_back_as_it_went(plan, tmp_path):
    plan.write(tmp_path / "plan.json")
    assert DemoPlan.read(tmp_path / "plan.json") == plan


def test_paths_are_absolute_for_a_process_with_another_folder(plan, tmp_path, monkeypatch):
    from dataclasses import replace

    monkeypatch.chdir(tmp_path)
    replace(plan, atlas=Path("atlas")).write(tmp_path / "plan.json")
    assert DemoPlan.read(tmp_path / "plan.json").atlas == tmp_path / "atlas"


def test_the_window_knows_every_field(plan):
    from dataclasses import fields

    from napari_haiku.widgets.journey import JourneyPlan

    assert {field.name for field in fields(DemoPlan)} == {
        field.name for field in fields(JourneyPlan)
    }
