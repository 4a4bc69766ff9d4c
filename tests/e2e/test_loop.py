"""The whole loop in a real window by its own buttons, and what is then on the layers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.atlas.store import Atlas
from napari_haiku.viewer.layer_slots import layer_in_slot
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.journey import JourneyPlan, walk

pytestmark = pytest.mark.e2e


def plan_for(scene, **changes):
    settings = {
        "he": scene.he,
        "mif": scene.mif,
        "encoding": scene.he.parent / "query.haiku.zarr",
        "atlas": scene.atlas,
        "model": "default",
        "record": scene.record,
        "at_um": (350.0, 450.0),
        "marker": "PanCK",
        "clusters": 3,
        "edits": {"stage": "IV"},
        "within_patient_um": None,
        "region_um": None,
        "seed": 0,
    }
    return JourneyPlan(**(settings | changes))


def test_the_loop_ends_with_the_right_layers(make_napari_viewer, scene, tmp_path):
    viewer = make_napari_viewer(show=True)
    pictures = walk(viewer, plan_for(scene), tmp_path / "pictures")
    assert [picture.stat().st_size > 20_000 for picture in pictures] == [True] * 5
    workspace = workspace_of(viewer)
    encoding = workspace.encoding
    grid = encoding.grid

    for layer in viewer.layers:
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 2, layer.name
        assert tuple(layer.axis_labels) == ("y", "x"), layer.name
    he = layer_in_slot(viewer, "he")
    assert tuple(he.scale) == (1.0, 1.0)
    assert tuple(he.translate) == (0.5, 0.5)
    assert he.rgb

    similarity = layer_in_slot(viewer, "similarity")
    assert tuple(similarity.scale) == (100.0, 100.0)
    assert tuple(similarity.translate) == (50.0, 50.0)
    assert similarity.data.shape == grid.shape

    predicted = layer_in_slot(viewer, "marker predicted")
    result = workspace.biomarkers
    column = result.markers.index("PanCK")
    shown = predicted.data[grid.rows, grid.cols]
    told = ~np.asarray(result.outside_atlas)
    np.testing.assert_allclose(shown[told], result.values[told, column], rtol=1e-6)
    assert tuple(predicted.scale) == (100.0, 100.0)
    assert tuple(predicted.translate) == (50.0, 50.0)

    measured = layer_in_slot(viewer, "marker measured")
    expression = encoding.expression[:, encoding.markers.index("PanCK")]
    np.testing.assert_allclose(measured.data[grid.rows, grid.cols], expression, rtol=1e-6)

    niches = layer_in_slot(viewer, "niches")
    labels = np.asarray(niches.data)
    assert set(np.unique(labels)) - {0} == {1, 2, 3}
    factor = labels.shape[0] // grid.shape[0]
    assert tuple(niches.scale) == (100.0 / factor, 100.0 / factor)

    shift = layer_in_slot(viewer, "marker shift")
    assert tuple(shift.scale) == (100.0, 100.0)
    low, high = shift.contrast_limits
    assert low == -high


def test_a_click_rings_the_patch_under_the_pointer(make_napari_viewer, scene, tmp_path):
    viewer = make_napari_viewer(show=True)
    walk(viewer, plan_for(scene, at_um=(250.0, 350.0)), tmp_path)
    workspace = workspace_of(viewer)
    x, y = workspace.encoding.centres_um[workspace.selection]
    assert (x, y) == (250.0, 350.0)
    ring = layer_in_slot(viewer, "query")
    np.testing.assert_allclose(ring.data, [[350.0, 250.0]] * 2)


def test_hits_come_from_other_patients(make_napari_viewer, scene, tmp_path):
    viewer = make_napari_viewer(show=True)
    walk(viewer, plan_for(scene), tmp_path)
    workspace = workspace_of(viewer)
    atlas = Atlas.open(scene.atlas)
    rows = workspace.hits.indices[0]
    assert (rows >= 0).all()
    assert "patient-q" not in set(atlas.patches["patient_id"].iloc[rows])
    assert (np.diff(workspace.hits.similarity[0]) <= 1e-6).all()
