from __future__ import annotations

from dataclasses import replace

from napari_haiku.viewer.biomarkers.map_layers import OUTSIDE
from napari_haiku.viewer.counterfactual.shift_layers import SHIFT
from napari_haiku.viewer.layers.layer_slots import layer_in_slot


def answer_supporting(dock, *rows):
    """Show the same answer with these rows, and no others, supported."""
    shifts = dock.workspace.counterfactual.shifts.copy()
    pairs = zip(shifts["niche"], shifts["marker"], strict=True)
    shifts["supported"] = [pair in rows for pair in pairs]
    dock.workspace.counterfactual = replace(dock.workspace.counterfactual, shifts=shifts)


def test_an_answer_opens_on_a_supported_row_in_view(answered, qtbot, viewer, workspace):
    answered.answer.set_niche(1)
    answered.show_marker("DAPI")
    answered.resize(382, 420)
    answer_supporting(answered, (2, "PanCK"))
    chart = answered.answer.chart
    assert answered.answer.niche.currentData() == 2
    assert chart.rows[0].marker == chart.chosen == workspace.marker == "PanCK"
    assert layer_in_slot(viewer, SHIFT).name == "PanCK shift: Stage IV"

    def in_view():
        return (
            answered._scroll.viewport()
            .rect()
            .contains(chart.mapTo(answered._scroll.viewport(), chart.row_centre("PanCK").toPoint()))
        )

    qtbot.waitUntil(in_view, timeout=5_000)


def test_a_supported_row_that_was_looked_at_stays(answered, workspace):
    answered.answer.set_niche(2)
    answered.show_marker("CD8")
    answer_supporting(answered, (1, "PanCK"), (2, "CD8"), (2, "PanCK"))
    assert answered.answer.niche.currentData() == 2
    assert answered.answer.chart.chosen == "CD8"


def test_without_a_supported_row_the_earlier_marker_stays_and_says_so(answered, viewer):
    answered.show_marker("CD8")
    answer_supporting(answered)
    assert answered.answer.chart.chosen == "CD8"
    assert layer_in_slot(viewer, SHIFT).name == "CD8 shift: Stage IV - not supported"
    assert answered.answer.legend.legend.title == (
        "CD8 shift, stage II to IV - not supported, SD of the atlas"
    )


def test_a_refused_edit_takes_the_answer_before_away(answered, qtbot, viewer, workspace):
    answered.set_field("stage", "V")
    answered.ask()
    qtbot.waitUntil(lambda: answered.strip.state == "failed", timeout=60_000)
    assert answered.strip.text.startswith("The atlas has no patient with stage V")
    assert workspace.counterfactual is None
    assert not answered.answer.isVisible()
    assert layer_in_slot(viewer, SHIFT) is None
    answered.reset()
    assert answered.strip.text == ""


def test_no_edit_has_no_answer_and_nothing_to_update(answered, qtbot, viewer, workspace):
    answered.reset()
    assert answered.strip.text == ""
    assert workspace.counterfactual is None
    assert not answered.answer.isVisible()
    assert layer_in_slot(viewer, SHIFT) is None
    assert not layer_in_slot(viewer, OUTSIDE).visible
    assert answered.support_text.text() == "Change a field to ask."
    answered._last_run_s = 0.1
    answered.live.setChecked(True)
    with qtbot.waitSignal(answered.finished, timeout=120_000):
        answered.set_field("stage", "IV")
    assert answered.fresh_maps is not None


def test_an_answer_that_comes_after_the_reset_is_dropped(answered, qtbot, workspace):
    answered.set_field("stage", "I")
    answered.ask()
    answered.reset()
    qtbot.waitUntil(lambda: not answered.is_running("main"), timeout=120_000)
    qtbot.wait(50)
    assert workspace.counterfactual is None
    assert not answered.answer.isVisible()
