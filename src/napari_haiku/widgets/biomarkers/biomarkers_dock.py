"""The Biomarkers dock: which markers this tissue probably carries, and why one may think so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLabel

from napari_haiku.markers import MARKER_GROUPS
from napari_haiku.viewer.biomarkers.marker_maps import MarkerMaps, atlas_sample
from napari_haiku.viewer.biomarkers.marker_rows import not_measured_sentence
from napari_haiku.viewer.biomarkers.marker_view import MarkerView
from napari_haiku.viewer.search.query_layers import show_query
from napari_haiku.viewer.search.regions import rows_inside
from napari_haiku.widgets.biomarkers.biomarker_table import BiomarkerTable
from napari_haiku.widgets.biomarkers.biomarkers_session import bring_back, state_of
from napari_haiku.widgets.biomarkers.evidence_section import EvidenceSection
from napari_haiku.widgets.biomarkers.interval_check import IntervalCheck
from napari_haiku.widgets.biomarkers.map_settings import MapSettingsForm
from napari_haiku.widgets.biomarkers.predict_settings import PredictSettings
from napari_haiku.widgets.biomarkers.predicting import (
    agreement_by_niche,
    export_maps,
    predict_maps,
    rows_of,
    seen_words,
)
from napari_haiku.widgets.frame.atlas_opening import free_name
from napari_haiku.widgets.frame.dock import HaikuDock
from napari_haiku.widgets.frame.legend_bar import LegendBar
from napari_haiku.widgets.frame.navigation import NICHES
from napari_haiku.widgets.frame.segments import Segments
from napari_haiku.widgets.out.export_menu import attach_export_menu

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, BiomarkerResult
    from napari_haiku.analysis.niches.niches import NicheResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.biomarkers.marker_maps import Show
    from napari_haiku.widgets.frame.dock import Need

_PREDICT = "Predict"
SIDE_BY_SIDE, BLEND, ONE = "Side by side", "Blend", "One map"
_NEXT = "Find niches \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"


class BiomarkersDock(HaikuDock):
    """Predicts marker maps from the atlas and shows the evidence behind them.

    Signals
    -------
    finished : (BiomarkerResult)
        A prediction arrived and is drawn.
    """

    title: ClassVar[str] = "Biomarkers"
    needs: ClassVar[tuple[Need, ...]] = ("slide", "encoding", "atlas")
    finished = Signal(object)

    def build(self) -> None:
        """Lay out table, settings, legend and evidence."""
        self._maps: MarkerMaps | None = None
        self._view = MarkerView(self.viewer)
        self._atlas_of_result: Atlas | None = None
        self._stale = False
        self._intervals = IntervalCheck(self, self._on_intervals)
        self.region_um: tuple[float, float, float, float] | None = None
        beside = self.note("r with measured")
        beside.setWordWrap(False)
        self.heading("Markers", beside)
        self.table = BiomarkerTable()
        self.body.addWidget(self.table)
        self.arrange = Segments(
            {
                SIDE_BY_SIDE: "Up to six ticked markers, each in its own view; they zoom together.",
                BLEND: "Up to three ticked markers over each other in yellow, cyan, magenta.",
                ONE: "Only the marker whose row is selected.",
            }
        )
        self.arrange.setAccessibleName("Arrange the ticked markers")
        self.arrange.hide()
        self.body.addWidget(self.arrange)
        self.settings = MapSettingsForm()
        self.body.addWidget(self.settings)
        self.legend = LegendBar()
        self.body.addWidget(self.legend)
        self.evidence_section = EvidenceSection(self)
        self.evidence = self.evidence_section.panel
        self.body.addWidget(self.evidence_section)
        self.notes: dict[str, QLabel] = {}
        for key in ("same patient", "seen", "outside"):
            self.notes[key] = self.note(look="caution" if key != "outside" else "secondary")
            self.notes[key].hide()
            self.body.addWidget(self.notes[key])
        more = PredictSettings()
        self.neighbours, self.record_share = more.neighbours, more.record_share
        more.changed.connect(self._on_request_changed)
        self.body.addWidget(more)
        self.body.addStretch(1)
        self.export_button = self.add_secondary(
            "Export...", tooltip="Tables and maps (OME-Zarr) into a new folder."
        )
        attach_export_menu(
            self.export_button, self, self.choose_export, "Tables and maps into a folder..."
        )
        self.run_button = self.primary
        self.table.marker_chosen.connect(self._on_marker)
        self.table.marker_clicked.connect(self._on_clicked)
        self.table.ticks_changed.connect(self._draw)
        self.arrange.chosen.connect(lambda _how: self._draw())
        self.settings.changed.connect(self._draw)
        self.follow(self.workspace.events.biomarkers, self._on_result)
        self.follow(self.workspace.events.selection, self._on_selection)
        self.follow(self.workspace.events.within_patient_um, self._on_request_changed)
        self.follow(self.workspace.events.niches, self._on_niches)
        self._on_result(self.workspace.biomarkers)

    # -- what tests, the journey and other code may ask for ---

    def show_marker(self, marker: str) -> None:
        """Choose a marker as if its row had been clicked."""
        self.table.set_current(marker)
        self._on_clicked(marker)

    def set_show(self, show: Show) -> None:
        """Choose which maps to show as if the button had been pressed."""
        self.settings.chosen_by_hand = True
        self.settings.want(show)
        self._draw()

    def request(self) -> BiomarkerRequest:
        """Give the request that the controls describe."""
        from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest

        encoding = self.workspace.encoding
        rows = None if encoding is None else self._rows(encoding)
        share = self.record_share.value()
        has_record = encoding is not None and bool(encoding.caption)
        return BiomarkerRequest(
            k=self.neighbours.value(),
            weights={"he": 1 - share, "text": share} if has_record else {"he": 1.0},
            within_patient_um=self.workspace.within_patient_um,
            rows=rows,
        )

    def predict(self) -> None:
        """Predict every marker of the atlas for this slide."""
        encoding, atlas = self.workspace.encoding, self.workspace.atlas
        if encoding is None or atlas is None:
            return
        self.strip.clear()
        self._intervals.stop()
        self.run(
            predict_maps(encoding, atlas, self.request(), self.workspace.niches),
            lambda maps: self._on_predicted(maps, encoding, atlas),
            "Predicting",
        )

    @property
    def fresh(self) -> bool:
        """Whether there is a result, and of the settings as they are."""
        return self._maps is not None and not self._stale

    def press_primary(self) -> None:
        """Predict, or go on to the niches once the prediction is there."""
        if self.fresh:
            self.go_to(NICHES)
        else:
            self.predict()

    def choose_export(self) -> None:
        """Ask for a folder and write tables and maps into a new one inside it."""
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the tables and maps")
        if chosen:
            self.export(Path(chosen))

    def export(self, folder: Path) -> None:
        """Write tables and maps into a new folder inside `folder`."""
        encoding, maps = self.workspace.encoding, self._maps
        if encoding is None or maps is None:
            return
        target = free_name(folder, f"{encoding.path.stem}.biomarkers")
        self.run(lambda: export_maps(target, maps), self._on_exported, "Writing", lane="export")

    # -- workspace ---

    def on_state(self) -> None:
        """Mark the result stale when the atlas is no longer the one it was read from."""
        if self._maps is not None and self.workspace.atlas is not self._atlas_of_result:
            self._on_request_changed()
        self._refresh_primary()

    def _on_predicted(self, maps: MarkerMaps, encoding: Encoding, atlas: Atlas) -> None:
        if encoding is not self.workspace.encoding:
            return
        self._maps, self._atlas_of_result = maps, atlas
        self.workspace.biomarkers = maps.result
        self._intervals.start(maps.result, atlas)

    def _on_intervals(self, result: BiomarkerResult) -> None:
        maps = self._maps
        if maps is None or maps.result.values is not result.values:
            return
        maps.result = result
        # The same values, told more of: nobody has to draw anything anew.
        with self.workspace.events.biomarkers.blocked():
            self.workspace.biomarkers = result
        self._show_table()
        self._show_evidence()

    def _on_result(self, result: BiomarkerResult | None) -> None:
        encoding, atlas = self.workspace.encoding, self.workspace.atlas
        self._stale = False
        self.strip.clear("stale")
        if result is None or encoding is None or atlas is None:
            self._maps = None
            self.legend.show_legend(None)
            self.evidence.clear()
            self.arrange.hide()
            for note in self.notes.values():
                note.hide()
            self._view.remove()
            self.table.show_rows((), MARKER_GROUPS)
            self._refresh_primary()
            return
        if self._maps is None or self._maps.result is not result:
            self._maps = MarkerMaps(encoding.grid, result, atlas_sample(atlas))
            self._atlas_of_result = atlas
        self._show_table()
        self._show_notes()
        self._refresh_primary()
        self._choose_marker()
        self._draw()
        self.finished.emit(result)

    def _on_niches(self, niches: NicheResult | None) -> None:
        maps = self._maps
        if maps is None or maps.result.measured is None:
            return
        self.run(
            lambda: agreement_by_niche(maps, niches),
            lambda found: self._on_agreement(maps, found),
            "Comparing with what was measured",
            lane="agreement",
            quiet=True,
        )

    def _on_agreement(self, maps: MarkerMaps, found: pd.DataFrame | None) -> None:
        maps.agreement = found
        if maps is self._maps:
            self._show_table()

    def _show_table(self) -> None:
        maps = self._maps
        if maps is None:
            return
        rows = rows_of(maps)
        self.table.show_rows(rows, MARKER_GROUPS)
        self._show_limits()
        if any(row.measured for row in rows) and not self.settings.chosen_by_hand:
            self.settings.want("Both")

    def _show_limits(self) -> None:
        if self._maps is not None:
            settings = self.settings.settings
            possible = [row.marker for row in self.table.rows if row.predictable]
            self.table.show_limits({m: self._maps.limits(m, settings) for m in possible})

    def _choose_marker(self) -> None:
        possible = [row.marker for row in self.table.rows if row.predictable]
        wanted = self.workspace.marker
        if self.table.current in possible or not possible:
            return
        self.table.set_current(wanted if wanted in possible else possible[0])

    def _show_notes(self) -> None:
        maps, encoding = self._maps, self.workspace.encoding
        if maps is None or encoding is None:
            return
        share = maps.outside_share
        texts = {
            "same patient": maps.result.label,
            "seen": seen_words(self.workspace.model, encoding, maps.result),
            "outside": f"{share:.0%} of the tissue is unlike anything in the atlas; it is hatched "
            "and has no value."
            if share > 0
            else "",
        }
        for key, text in texts.items():
            self.notes[key].setText(text)
            self.notes[key].setVisible(bool(text))

    # -- drawing ---

    def _on_marker(self, marker: str) -> None:
        self.workspace.marker = marker
        row = next((row for row in self.table.rows if row.marker == marker), None)
        if row is not None and not row.predictable:
            self.strip.say("caution", not_measured_sentence(marker), key="not measured")
            return
        self.strip.clear("not measured")
        self._draw()

    def _on_clicked(self, marker: str) -> None:
        # Chosen before, but perhaps another question's map was looked at since.
        if marker == self.table.current and not self._view.in_view:
            self._draw()

    def _draw(self) -> None:
        maps, marker = self._maps, self.table.current
        if maps is None or marker is None or marker not in maps.predictable():
            return
        settings = self.settings.settings
        self.settings.offer(measured=maps.has_measured(marker))
        if settings.rule != "fixed":
            self.settings.propose_fixed(maps.limits(marker, settings))
        possible = maps.predictable()
        ticked = [name for name in self.table.ticked if name in possible]
        how = self.arrange.choice if len(ticked) > 1 else ONE
        self.arrange.setVisible(len(ticked) > 1)
        self.evidence_section.close_other()
        if how == BLEND:
            # Each blended layer is named with its colour on the canvas.
            self._view.blend(maps, ticked, settings)
            self.legend.show_legend(None)
        elif how == SIDE_BY_SIDE:
            # Each view carries its own colour bar.
            self._view.several(maps, ticked, settings)
            self.legend.show_legend(None)
        else:
            self._view.show(maps, marker, settings)
            self.legend.show_legend(maps.legend(marker, settings, stale=self._stale))
        self._show_limits()
        self._show_evidence()
        self.session_changed()

    def _on_selection(self, patch: int | None) -> None:
        encoding = self.workspace.encoding
        if patch is not None and encoding is not None:
            x, y = encoding.centres_um[patch]
            show_query(self.viewer, float(x), float(y), encoding.grid.patch_um)
        self._show_evidence()

    def _show_evidence(self) -> None:
        result = None if self._maps is None else self._maps.result
        self.evidence_section.show_patch(result, self._atlas_of_result, self.table.current)

    # -- what is kept between two visits ---

    def session_state(self) -> dict[str, Any]:
        """Give settings and markers."""
        return state_of(self)

    def restore_session(self, state: dict[str, Any]) -> None:
        """Bring settings and markers back, and predict again."""
        bring_back(self, state)

    # -- state of the result ---

    def _on_request_changed(self, *_: object) -> None:
        if self._maps is None:
            return
        self._stale = True
        self.mark_stale(self.predict)
        self._refresh_primary()
        if self.table.current is not None and self.table.current in self._maps.predictable():
            settings = self.settings.settings
            self.legend.show_legend(self._maps.legend(self.table.current, settings, stale=True))

    def _refresh_primary(self) -> None:
        ready = self.missing() is None
        done = self.fresh
        self.set_primary(
            _NEXT if done else _PREDICT,
            enabled=ready,
            tooltip="Group the patches into niches."
            if done
            else "Predict every marker. (Ctrl+Enter)",
        )
        self.export_button.setEnabled(self._maps is not None)

    def _on_exported(self, target: Path) -> None:
        self.workspace.saved = target
        self.strip.say("done", f"Written to {target.name}.")

    def _rows(self, encoding: Encoding) -> NDArray[np.int64] | None:
        if self.region_um is None:
            return None
        return rows_inside(encoding.centres_um, self.region_um)
