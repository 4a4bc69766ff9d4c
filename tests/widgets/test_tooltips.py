"""Every control of the docks says in plain words what it does."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QScrollBar,
    QTableView,
)

from napari_haiku.widgets.biomarkers.biomarkers_dock import BiomarkersDock
from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock
from napari_haiku.widgets.encode.encode_dock import EncodeDock
from napari_haiku.widgets.niches.niches_dock import NichesDock
from napari_haiku.widgets.similar.similar_dock import SimilarDock

CONTROLS = (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QTableView,
)
# Parts of other controls, which carry the tooltip.
INSIDE = (QComboBox, QAbstractSpinBox, QHeaderView, QTableView)


def controls_of(dock):
    for control in dock.findChildren(CONTROLS):
        parents = []
        parent = control.parent()
        while parent is not None and parent is not dock:
            parents.append(parent)
            parent = parent.parent()
        inside = any(isinstance(one, INSIDE) for one in parents)
        view = any(isinstance(one, QAbstractScrollArea) for one in parents[:1])
        if isinstance(control, QScrollBar) or inside or (view and isinstance(control, QHeaderView)):
            continue
        yield control


def name_of(control):
    text = getattr(control, "text", lambda: "")()
    return f"{type(control).__name__} {control.accessibleName() or text or control.objectName()!r}"


@pytest.mark.parametrize(
    "kind", [EncodeDock, SimilarDock, BiomarkersDock, NichesDock, CounterfactualDock]
)
def test_every_control_has_a_tooltip(open_dock, workspace, kind, monkeypatch, stores):
    monkeypatch.setattr("napari_haiku.model.loading.load_model", lambda *_a, **_k: stores.model)
    workspace.record = {"stage": "II", "patient_id": "C01"}
    dock = open_dock(kind)
    controls = list(controls_of(dock))
    assert len(controls) > 8
    silent = sorted({name_of(control) for control in controls if not control.toolTip().strip()})
    assert silent == []
