"""Raising one dock from another without either knowing the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel

if TYPE_CHECKING:
    import napari

# Ends the label of a button that leads on.
NEXT = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
PREVIOUS = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"

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
    bar = dock.titleBarWidget()
    for label in bar.findChildren(QLabel) if bar is not None else ():
        if label.text().startswith(name):
            label.setText(name)
    dock.show()
    dock.raise_()
    # A proxied viewer answers with proxies; Qt wants the widget itself.
    return getattr(widget, "__wrapped__", widget)
