"""Raising one dock from another without either knowing the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari

PLUGIN = "napari-haiku"
WORKBENCH = "Workbench"
ENCODE = "Encode"
SIMILAR = "Similar tissue"
BIOMARKERS = "Biomarkers"
NICHES = "Niches"
COUNTERFACTUAL = "Counterfactual"
DOCKS = (ENCODE, SIMILAR, BIOMARKERS, NICHES, COUNTERFACTUAL)
TAB_NAMES = {SIMILAR: "Similar"}


def raise_dock(viewer: napari.Viewer, name: str) -> Any:
    """Open a dock of the plugin as a tab beside the others, or bring it to the front.

    Returns
    -------
    QWidget
        The widget inside the dock.
    """
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
    dock.setWindowTitle(TAB_NAMES.get(name, name))
    dock.show()
    dock.raise_()
    return widget
