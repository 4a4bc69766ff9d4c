"""The whole loop in a real window by its own buttons, and what is then on the layers."""

from __future__ import annotations

import napari
import numpy as np
import pytest

from napari_haiku.viewer.layers.layer_slots import SLOT, layer_in_slot
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame import jobs
from napari_haiku.widgets.journey import JourneyPlan, walk

pytestmark = pytest.mark.e2e
RECORD = {"tissue": "Colon", "disease": "Carcinoma", "grade": "low", "stage": "II"}


def plan_for(slide, **changes):
    settings = {
        "he": slide.he,
        "mif": slide.mif,
        "encoding": slide.encoding,
        "atlas": slide.atlas,
        "model": "default",
        "record": RECORD,
        "at_um": (650.0, 450.0),
        "marker": "PanCK",
        "clusters": 3,
        "edits": {"stage": "IV"},
        "within_patient_um": None,
        "region_um": None,
        "seed": 0,
    }
    return JourneyPlan(**(settings | changes))


def placed(layer, step, first_centre):
    """Whether a layer lies where its pixels were measured, in um."""
    return (
        [str(unit) for unit in layer.units] == ["micrometer"] * 2
        and tuple(layer.axis_labels) == ("y", "x")
        and tuple(layer.scale) == (step, step)
        and tuple(layer.translate) == (first_centre, first_centre)
    )


def visible(viewer):
    """What of the plugin is on the canvas, in one view or two."""
    shown = (layer.metadata.get(SLOT) for layer in viewer.layers if layer.visible)
    return {"beside" if slot.startswith("beside") else slot for slot in shown if slot is not None}


@pytest.fixture
def pictured(monkeypatch):
    """What every picture that is taken shows."""
    seen = []
    take = napari.Viewer.screenshot

    def noted(viewer, *args, **kwargs):
        seen.append(visible(viewer))
        return take(viewer, *args, **kwargs)

    monkeypatch.setattr(napari.Viewer, "screenshot", noted)
    return seen


def test_the_whole_loop_and_once_more_where_it_was_walked(
    make_napari_viewer, slide, tmp_path, pictured
):
    viewer = make_napari_viewer(show=True)
    pictures = walk(viewer, plan_for(slide), tmp_path / "pictures")
    assert [picture.stat().st_size > 20_000 for picture in pictures] == [True] * 5
    workspace = workspace_of(viewer)
    encoding, result = workspace.encoding, workspace.biomarkers
    grid = encoding.grid

    # The slide lies in um, and so does everything said about it.
    assert placed(layer_in_slot(viewer, "he"), 1.0, 0.5)
    assert placed(layer_in_slot(viewer, "mif PanCK"), 2.0, 1.0)
    for slot in ("similarity", "marker predicted", "marker measured", "marker shift"):
        assert placed(layer_in_slot(viewer, slot), 100.0, 50.0), slot

    # A click rings the patch under the pointer; hits come from other patients, best first.
    assert tuple(encoding.centres_um[workspace.selection]) == (650.0, 450.0)
    np.testing.assert_allclose(layer_in_slot(viewer, "query").data, [[450.0, 650.0]] * 2)
    rows = workspace.hits.indices[0]
    assert (rows >= 0).all()
    assert "patient 0" not in set(workspace.atlas.patches["patient_id"].iloc[rows])
    assert (np.diff(workspace.hits.similarity[0]) <= 1e-6).all()

    # The maps show the values that were computed, patch by patch.
    shown = layer_in_slot(viewer, "marker predicted").data[grid.rows, grid.cols]
    told = ~np.asarray(result.outside_atlas)
    column = result.markers.index("PanCK")
    np.testing.assert_allclose(shown[told], result.values[told, column], rtol=1e-6)
    measured = layer_in_slot(viewer, "marker measured").data[grid.rows, grid.cols]
    expression = encoding.expression[:, encoding.markers.index("PanCK")]
    np.testing.assert_allclose(measured, expression, rtol=1e-6)
    # PanCK follows the pattern, and the pattern is in the H&E.
    assert result.pearson_r["PanCK"] > 0.9
    assert np.corrcoef(measured, slide.z[grid.rows, grid.cols])[0, 1] > 0.95

    labels = np.asarray(layer_in_slot(viewer, "niches").data)
    assert set(np.unique(labels)) - {0} == {1, 2, 3}
    # Stage IV stands for more of the pattern than stage II, so PanCK goes up.
    shift = layer_in_slot(viewer, "marker shift")
    low, high = shift.contrast_limits
    assert low == -high
    assert np.nanmean(shift.data) > 0

    # The session comes back, and the same steps show the same of it.
    found = workspace.biomarkers.values
    viewer.close()
    again = make_napari_viewer(show=True)
    walk(again, plan_for(slide), tmp_path / "again")
    assert pictured[6:] == pictured[1:5]
    workspace = workspace_of(again)
    np.testing.assert_array_equal(workspace.biomarkers.values, found)
    np.testing.assert_array_equal(layer_in_slot(again, "niches").data, labels)
    assert workspace.counterfactual.edit.after == {"stage": "IV"}


def test_a_one_patient_atlas_refuses_the_edit_and_says_so(make_napari_viewer, slide, tmp_path):
    viewer = make_napari_viewer(show=True)
    pictures = walk(viewer, plan_for(slide, atlas=slide.one_patient), tmp_path / "pictures")
    assert pictures[-1].is_file()
    assert workspace_of(viewer).counterfactual is None
    assert layer_in_slot(viewer, "marker shift") is None


def test_closing_the_window_in_the_middle_stops_the_work(make_napari_viewer, slide, qtbot):
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-haiku", "Encode")
    dock.slides.open([slide.he, slide.mif])
    qtbot.waitUntil(lambda: dock.ready, timeout=60_000)
    dock.primary.click()
    viewer.close()
    assert not jobs._threads
