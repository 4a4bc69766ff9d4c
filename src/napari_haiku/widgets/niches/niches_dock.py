"""The Niches dock: which kinds of tissue this slide is made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog
from superqt import QLabeledSlider
from superqt.utils import signals_blocked

from napari_haiku.viewer.layers.heat_cells import heat_table
from napari_haiku.viewer.niches.niche_rows import niche_rows, renamed
from napari_haiku.viewer.niches.niche_view import (
    draw_niches,
    light_up,
    name_niches,
    remove_niches,
    show_niches,
)
from napari_haiku.widgets.frame.atlas_opening import free_name
from napari_haiku.widgets.frame.dock import HaikuDock
from napari_haiku.widgets.frame.heat_map import HeatMap
from napari_haiku.widgets.frame.navigation import COUNTERFACTUAL
from napari_haiku.widgets.niches.niche_table import NicheTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.analysis.niches.niches import GroupBy, NicheResult
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.jobs import Job
    from napari_haiku.viewer.niches.niche_view import NichePictures
    from napari_haiku.widgets.frame.dock import Need

FEWEST, MOST = 2, 12
_FIND = "Find niches"
_NEXT = "Ask what would shift \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
_WORDS: dict[GroupBy, str] = {"he": "H&E", "mif": "mIF", "both": "H&E and mIF"}
_DEBOUNCE_MS = 150
_LIVE_PATCHES = 20_000


class NichesDock(HaikuDock):
    """Groups the patches of the slide and says what stands out in each group.

    Signals
    -------
    finished : (NicheResult)
        Niches arrived and are drawn.
    """

    title: ClassVar[str] = "Niches"
    needs: ClassVar[tuple[Need, ...]] = ("slide", "encoding")
    finished = Signal(object)

    def build(self) -> None:
        """Lay out the controls, the table and the heat map."""
        self._pictures: NichePictures | None = None
        self._drawn: NDArray[np.int64] | None = None
        self._stale = False
        self._restart_wanted = QTimer(self)
        self._restart_wanted.setSingleShot(True)
        self._restart_wanted.setInterval(_DEBOUNCE_MS)
        self._restart_wanted.timeout.connect(self.group_patches)
        self.clusters = QLabeledSlider(Qt.Orientation.Horizontal)
        self.clusters.setRange(FEWEST, MOST)
        self.clusters.setValue(4)
        self.row("Niches", self.clusters, tooltip="How many kinds of tissue to tell apart.")
        self.group_by = QComboBox()
        self.smooth = QCheckBox("smooth edges")
        self.smooth.setChecked(True)
        self.smooth.setToolTip("Each patch also listens to its eight neighbours.")
        self.row("Group by", self.group_by, self.smooth, tooltip="What makes two patches alike.")
        self.table = NicheTable()
        self.body.addWidget(self.table)
        beside = self.note("against the rest")
        beside.setWordWrap(False)
        self.heading("Markers per niche", beside)
        self.heat = HeatMap()
        self.body.addWidget(self.heat)
        self.caution = self.note(
            "Neighbouring patches are not independent: this describes this tissue and is no "
            "evidence beyond it."
        )
        self.body.addWidget(self.caution)
        self.body.addStretch(1)
        self.export_button = self.add_secondary(
            "Export...", self.choose_export, tooltip="Niche of every patch, and markers per niche."
        )
        self.run_button = self.primary
        self.clusters.valueChanged.connect(self._on_clusters)
        self.group_by.currentIndexChanged.connect(self._on_settings)
        self.smooth.toggled.connect(self._on_settings)
        self.table.renamed.connect(self.rename)
        self.table.selected.connect(self._on_selected)
        self.heat.cell_chosen.connect(self._on_cell)
        self.follow(self.workspace.events.niches, self._on_result)
        self._on_result(self.workspace.niches)

    # -- what tests, the journey and other code may ask for ---

    def set_clusters(self, clusters: int) -> None:
        """Set the number of niches as if the slider had been moved."""
        self.clusters.setValue(clusters)

    def set_group_by(self, modality: GroupBy) -> None:
        """Choose what makes two patches alike."""
        self.group_by.setCurrentIndex(self.group_by.findData(modality))

    def select_niche(self, niche: int | None) -> None:
        """Light one niche up, or none."""
        self.table.select(() if niche is None else (niche,))

    def rename(self, niche: int, name: str) -> None:
        """Give a niche another name; an empty one is ignored."""
        result = self.workspace.niches
        if result is None:
            return
        changed = renamed(result, niche, name)
        if changed is result:
            self.table.show_rows(niche_rows(result))
        else:
            self.workspace.niches = changed

    def group_patches(self) -> None:
        """Group the patches."""
        encoding = self.workspace.encoding
        if encoding is None:
            return
        self._restart_wanted.stop()
        self.strip.clear()
        self.run(
            _find(
                encoding,
                self.clusters.value(),
                self._modality(),
                self.smooth.isChecked(),
                self.workspace.biomarkers,
            ),
            lambda answer: self._on_found(answer, encoding),
            "Grouping",
        )

    def press_primary(self) -> None:
        """Find niches, or go on to the counterfactual once they are there."""
        if self.workspace.niches is not None and not self._stale:
            self.go_to(COUNTERFACTUAL)
        else:
            self.group_patches()

    def choose_export(self) -> None:
        """Ask for a folder and write the tables into a new one inside it."""
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the tables")
        if chosen:
            self.export(Path(chosen))

    def export(self, folder: Path) -> None:
        """Write the tables into a new folder inside `folder`."""
        encoding, result = self.workspace.encoding, self.workspace.niches
        if encoding is None or result is None:
            return
        target = free_name(folder, f"{encoding.path.stem}.niches")
        self.run(
            lambda: result.save(target),
            lambda _none: self._on_exported(target),
            "Writing",
            lane="export",
        )

    # -- workspace ---

    def on_state(self) -> None:
        """Offer what the slide has to group by."""
        encoding = self.workspace.encoding
        present: Sequence[str] = () if encoding is None else encoding.modalities
        offered: list[GroupBy] = [name for name in _WORDS if name in present]
        if len(offered) > 1:
            offered.append("both")
        now = [self.group_by.itemData(index) for index in range(self.group_by.count())]
        if offered != now:
            with signals_blocked(self.group_by):
                self.group_by.clear()
                for name in offered:
                    self.group_by.addItem(_WORDS[name], name)
                self.group_by.setCurrentIndex(len(offered) - 1)
        self._refresh_primary()

    def _on_found(self, answer: tuple[NicheResult, NichePictures], encoding: Encoding) -> None:
        if encoding is not self.workspace.encoding:
            return
        result, self._pictures = answer
        self._stale = False
        self.workspace.niches = result

    def _on_result(self, result: NicheResult | None) -> None:
        encoding = self.workspace.encoding
        self._stale = False
        self.strip.clear("stale")
        self._refresh_primary()
        if result is None or encoding is None:
            self._pictures = self._drawn = None
            self.table.show_rows(())
            self.heat.hide()
            self.caution.hide()
            remove_niches(self.viewer)
            return
        self.table.show_rows(niche_rows(result))
        known = len(result.enrichment) > 0
        self.heat.setVisible(known)
        self.caution.setVisible(known)
        if known:
            self.heat.show_table(
                heat_table(
                    result.enrichment,
                    "effect",
                    niches=result.niches,
                    unit="SD",
                    hints=(("mean", "mean here"), ("mean_rest", "elsewhere"), ("q", "q")),
                ),
                dict(result.names),
                "SD (Cohen's d)",
            )
        own = result.labels[0]
        if self._pictures is not None and self._drawn is own:
            # Only names changed.
            name_niches(self.viewer, result.names)
            return
        if self._pictures is None or self._pictures.labels is not own:
            self._pictures = draw_niches(encoding.grid, own)
        show_niches(self.viewer, self._pictures, result.names)
        self._drawn = own
        self.finished.emit(result)

    # -- changes ---

    def _on_clusters(self, _value: int) -> None:
        encoding = self.workspace.encoding
        if self.workspace.niches is None or encoding is None:
            return
        if encoding.n_patches <= _LIVE_PATCHES:
            self._restart_wanted.start()
        else:
            self._on_settings()

    def _on_settings(self, *_: object) -> None:
        if self.workspace.niches is None:
            return
        self._stale = True
        self.mark_stale(self.group_patches)
        self._refresh_primary()

    def _on_selected(self, niches: tuple[int, ...]) -> None:
        if self._pictures is not None:
            light_up(self.viewer, self._pictures, niches)

    def _on_cell(self, niche: int, marker: str) -> None:
        self.workspace.marker = marker
        self.table.select((niche,))

    def _on_exported(self, target: Path) -> None:
        self.workspace.saved = target
        self.strip.say("done", f"Written to {target.name}.")

    def _modality(self) -> GroupBy:
        modality: GroupBy = self.group_by.currentData() or "he"
        return modality

    def _refresh_primary(self) -> None:
        done = self.workspace.niches is not None and not self._stale
        self.set_primary(
            _NEXT if done else _FIND,
            enabled=self.missing() is None,
            tooltip="Edit the clinical record and see what would shift."
            if done
            else "Group the patches. (Ctrl+Enter)",
        )
        self.export_button.setEnabled(self.workspace.niches is not None)


def _find(
    encoding: Encoding,
    clusters: int,
    modality: GroupBy,
    smooth: bool,
    predicted: BiomarkerResult | None,
) -> Job[tuple[NicheResult, NichePictures]]:
    # Loaded here, in the worker: clustering and statistics take seconds to load.
    from napari_haiku.analysis.niches.niches import find_niches

    result = yield from find_niches(
        [encoding],
        clusters=clusters,
        modality=modality,
        smooth=smooth,
        predicted=None if predicted is None else [predicted],
    )
    return result, draw_niches(encoding.grid, result.labels[0])
