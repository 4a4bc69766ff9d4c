"""Counterfactual by clicking: edit, show, keep, another edit, compare, who answers, report."""

from __future__ import annotations

import pytest
from e2e.test_journeys import PATIENCE_MS, bench, open_and_encode, picture, pictures, press
from qtpy.QtWidgets import QFileDialog

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.layers.stacking import SEVERAL_SLOTS
from napari_haiku.widgets.journey import click_tissue

__all__ = ["bench", "pictures"]
pytestmark = pytest.mark.e2e


def choose(dock, field, value):
    """Pick a value in the form as a user does."""
    if not dock.edit.form.boxes[field].isVisible():
        dock.edit.unfold_button.click()
    box = dock.edit.form.boxes[field]
    index = box.findData(value)
    box.setCurrentIndex(index)
    box.activated.emit(index)


def answered(qtbot, dock, edits):
    qtbot.waitUntil(
        lambda: dock.fresh_maps is not None and dock.fresh_maps.result.edit.after == edits,
        timeout=PATIENCE_MS,
    )
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)


def test_counterfactual(bench, qtbot, slide, pictures, tmp_path, monkeypatch):
    viewer, workbench = bench
    open_and_encode(qtbot, workbench, slide)
    dock = workbench.docks["Counterfactual"]
    dock.go_to("Counterfactual")
    dock.atlases.open(slide.atlas)
    qtbot.waitUntil(lambda: dock.workspace.atlas is not None, timeout=PATIENCE_MS)
    dock.live.setChecked(False)

    choose(dock, "stage", "IV")
    press(qtbot, dock.primary)
    answered(qtbot, dock, {"stage": "IV"})
    viewer.fit_to_view()
    press(qtbot, dock.scenario_bar.keep)
    click_tissue(viewer, dock, 650.0, 450.0)
    assert dock.who.sides.sides is not None
    picture(viewer, pictures / "counterfactual.png")

    choose(dock, "stage", "I")
    press(qtbot, dock.primary)
    answered(qtbot, dock, {"stage": "I"})
    press(qtbot, dock.scenario_bar.keep)
    press(qtbot, dock.scenario_bar.compare)
    layers = [layer_in_slot(viewer, slot) for slot in SEVERAL_SLOTS[:2]]
    assert layers[0].contrast_limits == layers[1].contrast_limits
    dock.bring_into_view(dock.scenario_bar)
    picture(viewer, pictures / "counterfactual_compared.png")

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_a, **_k: str(tmp_path))
    press(qtbot, dock.primary)
    pages = tmp_path.glob("*.counterfactual/report.html")
    qtbot.waitUntil(lambda: any(tmp_path.glob("*.counterfactual/report.html")), timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    assert "stage" in next(pages).read_text(encoding="utf-8")
