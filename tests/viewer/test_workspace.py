from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from weakref import ref

import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_haiku.viewer.workspace import Workspace, workspace_of

FIELDS = [
    "he",
    "mif",
    "encoding",
    "model",
    "atlas",
    "selection",
    "hits",
    "biomarkers",
    "niches",
    "counterfactual",
    "marker",
    "saved",
    "busy",
]


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_emits_its_own_signal_once(field):
    workspace, heard = Workspace(), []
    getattr(workspace.events, field).connect(heard.append)
    value = SimpleNamespace()
    setattr(workspace, field, value)
    setattr(workspace, field, value)
    assert heard == [value]
    assert getattr(workspace, field) is value


def test_plain_values_are_compared_by_content_and_by_type():
    workspace, heard = Workspace(), []
    workspace.events.record.connect(heard.append)
    workspace.record = {"stage": "II"}
    workspace.record = {"stage": "II"}
    workspace.record = {"stage": "IV"}
    assert [record["stage"] for record in heard] == ["II", "IV"]
    picked = []
    workspace.events.selection.connect(picked.append)
    workspace.selection = 0
    workspace.selection = None
    assert picked == [0, None]


def test_two_workspaces_do_not_share_the_default_record():
    first, second = Workspace(), Workspace()
    first.record = {"stage": "II"}
    assert second.record == {}


def test_another_slide_drops_everything_said_about_the_old_one():
    workspace = Workspace()
    old = SimpleNamespace()
    workspace.open_slide(old, None)
    workspace.encoding = SimpleNamespace()
    for field in ("selection", "hits", "biomarkers", "niches", "counterfactual"):
        setattr(workspace, field, SimpleNamespace())
    opened = []
    workspace.events.opened.connect(lambda: opened.append(True))
    workspace.open_slide(SimpleNamespace(), None)
    assert opened == [True]
    for field in ("encoding", "selection", "hits", "biomarkers", "niches", "counterfactual"):
        assert getattr(workspace, field) is None


def test_the_same_slide_again_drops_nothing():
    workspace = Workspace()
    slide, encoding = SimpleNamespace(), SimpleNamespace()
    workspace.open_slide(slide, None)
    workspace.encoding = encoding
    workspace.open_slide(slide, None)
    assert workspace.encoding is encoding


def test_results_are_gone_before_the_next_encoding_is_announced():
    workspace = Workspace()
    workspace.encoding = SimpleNamespace()
    workspace.biomarkers = SimpleNamespace()
    seen = []
    workspace.events.encoding.connect(lambda _e: seen.append(workspace.biomarkers))
    workspace.open_encoding(SimpleNamespace(path=Path("s.haiku.zarr")))
    assert seen == [None]


def test_one_workspace_per_viewer_even_through_a_proxy():
    one, other = ViewerModel(), ViewerModel()
    assert workspace_of(one) is workspace_of(one)
    assert workspace_of(PublicOnlyProxy(one)) is workspace_of(one)
    assert workspace_of(other) is not workspace_of(one)


def test_a_workspace_does_not_keep_its_viewer_alive():
    viewer = ViewerModel()
    workspace_of(viewer).selection = 3
    gone = ref(viewer)
    del viewer
    gc.collect()
    assert gone() is None
