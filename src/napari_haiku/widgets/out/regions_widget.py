"""Plugins > Haiku > Regions: a table of what lies inside drawn shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QComboBox, QFileDialog, QHeaderView, QTableWidget, QTableWidgetItem

from napari_haiku.errors import HaikuError
from napari_haiku.export.exporting import describe_regions
from napari_haiku.export.geojson_reading import read_annotations
from napari_haiku.export.provenance import provenance
from napari_haiku.export.region_file import write_regions
from napari_haiku.export.tables import write_table
from napari_haiku.viewer.layers.layer_slots import SLOT
from napari_haiku.viewer.out.drawn_regions import regions_of_layer, shapes_of_regions
from napari_haiku.viewer.out.slide_results import frame_in_view, slide_results
from napari_haiku.widgets.frame.dock import HaikuDock

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Shapes

    from napari_haiku.analysis.regions.region import Region
    from napari_haiku.widgets.frame.dock import Need

_FEWEST_ROWS = 6
_FILTER = "Table (*.csv);;Table (*.parquet);;QuPath annotations (*.geojson)"


class RegionsWidget(HaikuDock):
    """Describes the closed shapes of a Shapes layer, live as they are drawn."""

    title: ClassVar[str] = "Regions"
    needs: ClassVar[tuple[Need, ...]] = ("slide", "encoding")

    def build(self) -> None:
        """Lay out the choice of layer and the table."""
        self.layers = QComboBox()
        self.row(
            "Shapes",
            self.layers,
            tooltip="The layer whose closed shapes are described. Draw one with napari's tools.",
        )
        self.said = self.note("", look="secondary")
        self.body.addWidget(self.said)
        self.table = QTableWidget()
        self.table.setToolTip("Drag over cells and copy them, or copy the whole table.")
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setMinimumHeight(25 * _FEWEST_ROWS)
        header, numbers = self.table.horizontalHeader(), self.table.verticalHeader()
        if numbers is not None:
            # The first column names the region already.
            numbers.hide()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.body.addWidget(self.table, 1)
        self.import_button = self.add_secondary(
            "Import...", self.choose_import, tooltip="Annotations drawn in QuPath (GeoJSON)."
        )
        self.export_button = self.add_secondary(
            "Export...", self.choose_export, tooltip="The table, or the regions for QuPath."
        )
        self.frame: pd.DataFrame | None = None
        self.regions: tuple[Region, ...] = ()
        self._watched: Shapes | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(200)
        self._later.timeout.connect(self.describe)
        self.layers.currentIndexChanged.connect(self._on_layer)
        events = self.viewer.layers.events
        for signal in (events.inserted, events.removed):
            self.follow(signal, self._list_layers)
        for field in (self.workspace.events.biomarkers, self.workspace.events.niches):
            self.follow(field, self._soon)
        self._list_layers()

    def on_state(self) -> None:
        """Name the blue button and describe again."""
        self.set_primary(
            "Copy table", enabled=bool(self.regions), tooltip="For a spreadsheet, with headings."
        )
        self._soon()

    def press_primary(self) -> None:
        """Copy the table."""
        clipboard = QGuiApplication.clipboard()
        if self.frame is not None and clipboard is not None:
            clipboard.setText(self.frame.to_csv(sep="\t", index=False, lineterminator="\n"))
            self.strip.say("done", f"{len(self.frame)} regions copied.", key="regions")

    def describe(self) -> None:
        """Read the shapes and fill the table."""
        layer = self.layer()
        self.regions, self.frame = (), None
        if layer is None or self.missing() is not None:
            self._show("Draw a shape: New shapes layer, then a polygon, box or ellipse.")
            return
        try:
            self.regions = regions_of_layer(layer)
            if self.regions:
                self.frame = describe_regions(self.regions, slide_results(self.workspace))
        except HaikuError as error:
            self.strip.say("failed", str(error), key="regions")
        if not self.regions:
            self._show("This layer holds no closed shape yet: draw a polygon, box or ellipse.")
            return
        self._show(
            f"{len(self.regions)} regions. A patch counts where its centre lies inside; r is "
            "Pearson's, measured against predicted, from ten patches on."
        )

    def layer(self) -> Shapes | None:
        """Give the chosen layer; None when there is none any more."""
        chosen = self.layers.currentData()
        return next((one for one in self.viewer.layers if one is chosen), None)

    def choose_import(self) -> None:
        """Ask for annotations."""
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Annotations", "", "GeoJSON (*.geojson *.json)"
        )
        if chosen:
            self.bring_in(Path(chosen))

    def bring_in(self, path: Path) -> None:
        """Show annotations drawn in QuPath as a Shapes layer."""
        try:
            frame = frame_in_view(self.workspace)
            if frame is None:
                raise HaikuError("Open the slide first, so that its pixels can be placed.")
            found = read_annotations(path, frame)
        except HaikuError as error:
            self.strip.say("failed", str(error), key="regions")
            return
        from napari.layers import Shapes

        data, how = shapes_of_regions(found.regions, path.stem)
        layer = Shapes(data, **how)
        self.viewer.layers.append(layer)
        self.layers.setCurrentIndex(self.layers.findData(layer))
        holes = sum(len(rings) > 1 for r in found.regions for rings in r.polygons)
        words = f"{len(found.regions)} annotations from {path.name}."
        if holes:
            words += f" {holes} have holes, which shapes in napari cannot: their holes count here."
        if found.left_out:
            words += f" {found.left_out} points or lines are left out."
        self.strip.say("caution" if holes else "done", words, key="regions")

    def choose_export(self) -> None:
        """Ask where to."""
        if not self.regions:
            self.strip.say("caution", "There is no region to export yet.", key="regions")
            return
        chosen, _ = QFileDialog.getSaveFileName(self, "Export regions", "regions.csv", _FILTER)
        if chosen:
            path = Path(chosen)
            self.export(path if path.suffix else path.with_suffix(".csv"), replace=True)

    def export(self, path: Path, *, replace: bool = False) -> None:
        """Write the table, or the outlines for QuPath."""
        try:
            if path.suffix.casefold() in (".geojson", ".json"):
                write_regions(path, self.regions, frame_in_view(self.workspace), replace=replace)
            elif self.frame is not None:
                notes = provenance(slide_results(self.workspace))
                write_table(path, self.frame, notes, replace=replace)
        except HaikuError as error:
            self.strip.say("failed", str(error), key="regions")
            return
        self.workspace.saved = path
        self.strip.say("done", f"{path.name}: {len(self.regions)} regions.", key="regions")

    def shut_down(self) -> None:
        """Let go of the layer too."""
        self._later.stop()
        self._watch(None)
        super().shut_down()

    # -- inside -----------------------------------------------------------------------------------

    def _soon(self, *_: object) -> None:
        self._later.start()

    def _list_layers(self, *_: object) -> None:
        from napari.layers import Shapes

        chosen = self.layers.currentData()
        self.layers.blockSignals(True)
        self.layers.clear()
        for layer in self.viewer.layers:
            # The docks' own shapes (rings, boxes) are no annotations.
            if isinstance(layer, Shapes) and SLOT not in layer.metadata:
                self.layers.addItem(str(layer.name), layer)
        place = self.layers.findData(chosen)
        self.layers.setCurrentIndex(place if place >= 0 else self.layers.count() - 1)
        self.layers.blockSignals(False)
        self._on_layer()

    def _on_layer(self, *_: object) -> None:
        self._watch(self.layer())
        self._soon()

    def _watch(self, layer: Shapes | None) -> None:
        if layer is self._watched:
            return
        for one, connect in ((self._watched, False), (layer, True)):
            if one is None:
                continue
            for signal, slot in (
                (one.events.data, self._soon),
                (one.events.features, self._soon),
                (one.events.name, self._rename),
            ):
                (signal.connect if connect else signal.disconnect)(slot)
        self._watched = layer

    def _rename(self, *_: object) -> None:
        for row in range(self.layers.count()):
            self.layers.setItemText(row, str(self.layers.itemData(row).name))
        self._soon()

    def _show(self, words: str) -> None:
        self.said.setText(words)
        frame, table = self.frame, self.table
        table.setRowCount(0)
        table.setColumnCount(0)
        self.primary.setEnabled(frame is not None)
        self.export_button.setEnabled(bool(self.regions))
        if frame is None:
            return
        columns = [str(name) for name in frame.columns]
        table.setColumnCount(len(columns))
        table.setHorizontalHeaderLabels([_headed(name) for name in columns])
        classes = frame["class"].astype(str).str.strip() if "class" in columns else ()
        for place, name in enumerate(columns):
            table.setColumnHidden(place, name == "class" and not any(classes))
        table.setRowCount(len(frame))
        for row, values in enumerate(frame.itertuples(index=False)):
            for column, value in enumerate(values):
                table.setItem(row, column, _cell(value))


def _headed(column: str) -> str:
    words = column.replace("area_mm2", "area, mm\N{SUPERSCRIPT TWO}").replace("_", " ")
    return words[:1].upper() + words[1:]


def _cell(value: Any) -> QTableWidgetItem:
    if isinstance(value, str):
        return QTableWidgetItem(value)
    item = QTableWidgetItem("" if not np.isfinite(value) else f"{value:.4g}")
    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item
