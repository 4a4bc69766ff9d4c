"""The Niches dock: which kinds of tissue this slide is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog

from napari_haiku.viewer.layers.canvas import fly_to
from napari_haiku.viewer.niches.niche_rows import niche_rows
from napari_haiku.viewer.niches.niche_view import (
    bring_back_niches,
    draw_niches,
    light_up,
    name_niches,
    niches_in_view,
    remove_niches,
    show_marker_of,
    show_niches,
)
from napari_haiku.viewer.niches.projecting import project_apart
from napari_haiku.viewer.niches.spotlight import remove_spotlight, show_spotlight, spotlight_layer
from napari_haiku.widgets.frame.atlas_opening import free_name
from napari_haiku.widgets.frame.dock import HaikuDock
from napari_haiku.widgets.frame.navigation import COUNTERFACTUAL
from napari_haiku.widgets.niches import finding_niches
from napari_haiku.widgets.niches.beside_niches import BesideNiches
from napari_haiku.widgets.niches.correcting import Correcting
from napari_haiku.widgets.niches.map_section import MapSection
from napari_haiku.widgets.niches.niche_figures import NicheFigures
from napari_haiku.widgets.niches.niche_session import bring_back, state_of
from napari_haiku.widgets.niches.niche_settings import NicheSettings
from napari_haiku.widgets.niches.niche_table import NicheTable
from napari_haiku.widgets.niches.niche_tools import NicheTools
from napari_haiku.widgets.out.export_menu import attach_export_menu

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niches import GroupBy, NicheResult
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.niches.niche_view import NichePictures
    from napari_haiku.widgets.frame.dock import Need
    from napari_haiku.widgets.niches.finding_niches import Found

_FIND = "Find niches"
_NEXT = "Ask what would shift \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
_DEBOUNCE_MS = 150
LIVE_PATCHES = 20_000
CORRECTED = "Corrected by hand: the figures per niche are from before."
WOULD_REPLACE = "Finding niches anew replaces what was corrected by hand."


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
    # How the map of patches is made; tests that look elsewhere put something quicker here.
    project: Callable[..., Any] = staticmethod(project_apart)

    def build(self) -> None:
        """Lay out the controls, the table, the map and the figures per niche."""
        self._pictures: NichePictures | None = None
        self._drawn: NDArray[np.int64] | None = None
        self._stale = False
        self._restart_wanted = QTimer(self)
        self._restart_wanted.setSingleShot(True)
        self._restart_wanted.setInterval(_DEBOUNCE_MS)
        self._restart_wanted.timeout.connect(self.group_patches)
        self.settings = NicheSettings()
        self.table = NicheTable()
        self.tools = NicheTools()
        self.correcting = Correcting(self, self.table, self.tools)
        self.map_section = MapSection(self)
        self.figures = NicheFigures()
        for part in (self.settings, self.table, self.tools, self.map_section, self.figures):
            self.body.addWidget(part)
        self.body.addStretch(1)
        self.heat = self.figures.heat
        self.beside = BesideNiches(self, self.settings, self.figures)
        self.export_button = self.add_secondary(
            "Export...", tooltip="Niche of every patch, and markers per niche."
        )
        attach_export_menu(
            self.export_button, self, self.choose_export, "Tables of niches into a folder..."
        )
        self.run_button = self.primary
        self.settings.clusters_changed.connect(self._on_clusters)
        self.settings.changed.connect(self._on_settings)
        self.table.selected.connect(self._on_selected)
        self.table.cellClicked.connect(lambda _row, _column: self.show_niches())
        self.correcting.confirmed_as_it_is.connect(self._show_rows)
        self.map_section.chosen.connect(self._on_chosen)
        self.map_section.patch_chosen.connect(self._on_patch)
        self.map_section.niche_wanted.connect(self.make_niche)
        self.map_section.drawn.connect(self._on_map)
        self.figures.cell_chosen.connect(self._on_cell)
        self.figures.niche_chosen.connect(self.select_niche)
        self.follow(self.workspace.events.niches, self._on_result)
        self.follow(self.workspace.events.selection, self.map_section.map.ring)
        self.follow(self.viewer.events.theme, self._on_theme)
        self._on_theme()
        self._on_result(self.workspace.niches)

    # -- what tests, the journey and other code may ask for ---

    def set_clusters(self, clusters: int) -> None:
        """Set the number of niches as if the slider had been moved."""
        self.settings.clusters.setValue(clusters)

    def set_group_by(self, modality: GroupBy) -> None:
        """Choose what makes two patches alike."""
        self.settings.group_by.setCurrentIndex(self.settings.group_by.findData(modality))

    def select_niche(self, niche: int | None) -> None:
        """Light one niche up, or none."""
        self.table.select(() if niche is None else (niche,))

    def show_niches(self) -> None:
        """Bring the niches back to the canvas if another map was looked at."""
        if self._pictures is not None and not niches_in_view(self.viewer):
            bring_back_niches(self.viewer)

    def make_niche(self, patches: NDArray[np.bool_]) -> None:
        """Make a niche of some patches."""
        self.map_section.choose_none()
        self.correcting.make_niche(patches)

    def group_patches(self) -> None:
        """Group the patches."""
        encoding, result = self.workspace.encoding, self.workspace.niches
        if encoding is None:
            return
        self._restart_wanted.stop()
        self.strip.clear()
        self.correcting.brush.put_down()
        self.run(
            finding_niches.find(
                encoding,
                clusters=self.settings.clusters.value(),
                modality=self.settings.modality,
                smooth=self.settings.smooth.isChecked(),
                method=self.settings.chosen_method,
                atlas=self.workspace.atlas if self.settings.whole_atlas else None,
                predicted=self.workspace.biomarkers,
                before=None if result is None else result.labels[0],
                kept=self.correcting.kept_names,
            ),
            lambda found: self.take(found, encoding),
            "Grouping",
        )

    def describe(self) -> None:
        """Compare the niches anew after they were corrected by hand."""
        encoding, result = self.workspace.encoding, self.workspace.niches
        if encoding is None or result is None:
            return
        kept = self.correcting.kept_names
        self.run(
            lambda: finding_niches.describe(result, encoding, kept),
            lambda found: self.take(found, encoding, by_hand=True),
            "Comparing the niches",
            lane="edit",
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

    def shut_down(self) -> None:
        """Let go of the canvas too."""
        self._restart_wanted.stop()
        self.correcting.brush.leave()
        super().shut_down()

    # -- what is kept between two visits ---

    def session_state(self) -> dict[str, Any]:
        """Labels, names, settings and the map."""
        return state_of(self)

    def restore_session(self, state: dict[str, Any]) -> None:
        """Bring niches, names and map back as they were."""
        bring_back(self, state)

    # -- workspace ---

    def on_state(self) -> None:
        """Offer what the slide has to group by."""
        encoding = self.workspace.encoding
        self.settings.offer(() if encoding is None else encoding.modalities)
        self.settings.offer_atlas(self.workspace.atlas is not None)
        self._refresh_primary()

    def take(self, found: Found, encoding: Encoding, *, by_hand: bool = False) -> None:
        """Put niches in place that a job found for this slide."""
        if encoding is not self.workspace.encoding:
            return
        self._pictures = found.pictures
        self._stale = False
        self.correcting.start_from(found.confirmed, by_hand=by_hand)
        self.workspace.niches = found.result

    def _on_result(self, result: NicheResult | None) -> None:
        encoding = self.workspace.encoding
        if result is None or encoding is None:
            self._forget()
            return
        selected = [n for n in self.table.selected_niches if n in result.niches]
        self._show_rows()
        self.figures.show_niches(result, stale=self.correcting.undescribed)
        self.map_section.show_niches(encoding, result.labels[0], result.names)
        self._draw(encoding, result)
        self.table.select(selected)
        self.correcting.remember(result)
        self.map_section.draw(self.project, result.request.modality)
        if encoding.n_patches <= LIVE_PATCHES:
            self.beside.suggest_number(encoding, result.request.modality)
        self._show_stale()
        self.finished.emit(result)

    def _show_rows(self) -> None:
        result = self.workspace.niches
        if result is not None:
            self.table.show_rows(niche_rows(result, confirmed=self.correcting.confirmed))
            self.tools.offer((), len(result.niches))
            self.session_changed()

    def _draw(self, encoding: Encoding, result: NicheResult) -> None:
        own = result.labels[0]
        if self._drawn is not None and np.array_equal(self._drawn, own):
            name_niches(self.viewer, result.names)
        elif self.correcting.undescribed and self._drawn is not None:
            # Painted: the layer holds it already, with its undo steps.
            if self._pictures is not None:
                light_up(self.viewer, replace(self._pictures, labels=own), ())
            name_niches(self.viewer, result.names)
        else:
            if self._pictures is None or self._pictures.labels is not own:
                self._pictures = draw_niches(encoding.grid, own)
            show_niches(self.viewer, self._pictures, result.names)
            self.correcting.drawn(encoding, result)
        self._drawn = own
        if self._pictures is not None:
            self._pictures = replace(self._pictures, labels=own)

    def _forget(self) -> None:
        self._pictures = self._drawn = None
        self._stale = False
        self.correcting.forget()
        self.table.show_rows(())
        self.tools.offer((), 0)
        self.figures.clear()
        self.beside.forget()
        self.map_section.clear()
        self.strip.clear("stale")
        remove_niches(self.viewer)
        self._refresh_primary()

    # -- changes ---

    def _on_clusters(self) -> None:
        encoding = self.workspace.encoding
        if self.workspace.niches is None or encoding is None:
            return
        if self._patches_to_group(encoding) <= LIVE_PATCHES and not self.correcting.by_hand:
            self._restart_wanted.start()
        else:
            self._on_settings()

    def _patches_to_group(self, encoding: Encoding) -> int:
        atlas = self.workspace.atlas
        of_atlas = self.settings.whole_atlas and atlas is not None
        return atlas.n_patches if of_atlas and atlas is not None else encoding.n_patches

    def _on_settings(self) -> None:
        self.session_changed()
        if self.workspace.niches is not None:
            self._stale = True
            self._show_stale()

    def _show_stale(self) -> None:
        if self._stale and self.correcting.by_hand:
            self.strip.say(
                "caution", WOULD_REPLACE, actions=[("Find anew", self.group_patches)], key="stale"
            )
        elif self._stale:
            self.mark_stale(self.group_patches)
        elif self.correcting.undescribed:
            self.strip.say("caution", CORRECTED, actions=[("Update", self.describe)], key="stale")
        else:
            self.strip.clear("stale")
        self._refresh_primary()

    def _on_selected(self, niches: tuple[int, ...]) -> None:
        result = self.workspace.niches
        if self._pictures is None or result is None:
            return
        self.tools.offer(niches, len(result.niches))
        if niches:
            self.show_niches()
        light_up(self.viewer, self._pictures, niches)
        remove_spotlight(self.viewer)
        self.map_section.light(np.isin(result.labels[0], niches) if niches else None)
        if self.correcting.brush.active and len(niches) == 1:
            self.correcting.brush.take_up(niches[0])

    def _on_chosen(self, patches: NDArray[np.bool_] | None) -> None:
        encoding = self.workspace.encoding
        if patches is None or encoding is None:
            remove_spotlight(self.viewer)
            return
        self.run(
            lambda: spotlight_layer(encoding.grid, patches),
            lambda layer: show_spotlight(self.viewer, layer),
            "Lighting up",
            lane="spotlight",
            quiet=True,
        )

    def _on_patch(self, patch: int) -> None:
        encoding = self.workspace.encoding
        if encoding is not None:
            self.workspace.selection = patch
            x, y = encoding.centres_um[patch]
            fly_to(self.viewer, float(x), float(y))

    def _on_map(self) -> None:
        self.map_section.map.ring(self.workspace.selection)
        self.session_changed()

    def _on_cell(self, niche: int, marker: str) -> None:
        result, encoding = self.workspace.niches, self.workspace.encoding
        self.workspace.marker = marker
        self.table.select((niche,))
        if result is None or encoding is None or self._pictures is None:
            return
        slide = result.slides[0]
        if slide.expression is not None and marker in slide.markers:
            values = slide.expression[:, slide.markers.index(marker)]
            measured = encoding.expression is not None
            show_marker_of(self.viewer, self._pictures, marker, values, measured=measured)

    def _on_theme(self, *_: object) -> None:
        self.map_section.set_background(get_theme(self.viewer.theme).canvas.as_hex())

    def _on_exported(self, target: Path) -> None:
        self.workspace.saved = target
        self.strip.say("done", f"Written to {target.name}.")

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
