"""The Counterfactual dock: what would shift if the record read differently."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from qtpy.QtCore import QTimer, Signal

from napari_haiku.notices import ASSOCIATION
from napari_haiku.viewer.counterfactual.shift_maps import ShiftMaps, remove_shift, show_shift
from napari_haiku.viewer.search.regions import rows_inside
from napari_haiku.widgets.counterfactual import asking
from napari_haiku.widgets.counterfactual.ask_settings import AskSettings
from napari_haiku.widgets.counterfactual.counterfactual_session import bring_back, state_of
from napari_haiku.widgets.counterfactual.edit_section import EditSection
from napari_haiku.widgets.counterfactual.keeping import Keeping
from napari_haiku.widgets.counterfactual.notice_frame import NoticeFrame
from napari_haiku.widgets.counterfactual.row_reveal import RowReveal
from napari_haiku.widgets.counterfactual.scenario_bar import ScenarioBar
from napari_haiku.widgets.counterfactual.shift_answer import ShiftAnswer
from napari_haiku.widgets.counterfactual.sides_section import SidesSection
from napari_haiku.widgets.counterfactual.support_gauge import SupportGauge
from napari_haiku.widgets.frame.atlas_opening import free_name
from napari_haiku.widgets.frame.dock import HaikuDock
from napari_haiku.widgets.frame.navigation import ENCODE
from napari_haiku.widgets.out.report_written import choose_report_folder, say_report_written

if TYPE_CHECKING:
    from napari_haiku.analysis.counterfactual.counterfactual import CounterfactualRequest
    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
    from napari_haiku.analysis.niches.niches import NicheResult
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel
    from napari_haiku.widgets.frame.dock import Need
    from napari_haiku.widgets.frame.jobs import Failure

_SHOW = "Show shift"
_REPORT = "Report..."
_DEBOUNCE_MS = 400
_LIVE_BELOW_S = 5.0


class CounterfactualDock(HaikuDock):
    """Asks what tissue like this looks like in patients recorded otherwise.

    Signals
    -------
    finished : (CounterfactualResult)
        An answer arrived and is drawn.
    """

    title: ClassVar[str] = "Counterfactual"
    needs: ClassVar[tuple[Need, ...]] = ("slide", "encoding", "atlas")
    finished = Signal(object)

    def build(self) -> None:
        """Lay out notice, record, support and answer."""
        self._stale = False
        self._pending: ShiftMaps | None = None
        self._last_run_s: float | None = None
        self._shown_for: tuple[object, object] = (None, None)
        self.region_um: tuple[float, float, float, float] | None = None
        # After a restart: the niches that the question is about are still on their way.
        self.waits_for_niches = False
        self._rerun = QTimer(self)
        self._rerun.setSingleShot(True)
        self._rerun.setInterval(_DEBOUNCE_MS)
        self._rerun.timeout.connect(self.ask)
        notice = NoticeFrame(ASSOCIATION)
        self.notice = notice.label
        self.body.addWidget(notice)
        self.edit = EditSection()
        self.edit.edited.connect(self._on_edited)
        self.edit.encode_wanted.connect(lambda: self.go_to(ENCODE))
        self.body.addWidget(self.edit)
        self.gauge = SupportGauge()
        self.row("Support", self.gauge)
        self.support_text = self.note()
        self.body.addWidget(self.support_text)
        self.scenario_bar = ScenarioBar()
        self.body.addWidget(self.scenario_bar)
        self.answer = ShiftAnswer()
        self.answer.marker_chosen.connect(self.show_marker)
        self._reveal = RowReveal(self._scroll, self.answer.chart)
        self.body.addWidget(self.answer)
        self.who = SidesSection(self)
        self.body.addWidget(self.who)
        self.settings = AskSettings()
        self.settings.changed.connect(self._on_settings)
        self.body.addWidget(self.settings)
        self.live, self.neighbours, self.seed = (
            self.settings.live,
            self.settings.neighbours,
            self.settings.seed,
        )
        self.body.addStretch(1)
        self.keeping = Keeping(self, self.scenario_bar, self.edit)
        self.run_button = self.primary
        self.follow(self.workspace.events.counterfactual, self._on_result)
        self.follow(self.workspace.events.niches, self._on_niches)
        self.follow(self.workspace.events.selection, self._show_sides)
        self.follow(self.workspace.events.within_patient_um, self._on_inputs_changed)
        self._show_sides()

    # -- what tests, the journey and other code may ask for ---

    @property
    def edits(self) -> dict[str, str]:
        """Fields that now read differently -> their new value."""
        return self.edit.record.edits

    def set_field(self, field: str, value: str) -> None:
        """Choose a value of a field as if it had been chosen in the form."""
        self.edit.set_field(field, value)

    def undo(self) -> None:
        """Take the last edit back."""
        self.edit.undo()

    def redo(self) -> None:
        """Make the edit again that was taken back last."""
        self.edit.redo()

    def reset(self) -> None:
        """Go back to the slide's record."""
        self.edit.reset()

    def set_niche(self, niche: int) -> None:
        """Show the markers of another niche."""
        self.answer.set_niche(niche)

    @property
    def fresh_maps(self) -> ShiftMaps | None:
        """The answer on show; None where something changed since."""
        return None if self._stale else self.answer.maps

    def show_answer(self, maps: ShiftMaps) -> None:
        """Show an answer that was given before."""
        self._rerun.stop()
        self._pending = maps
        if self.workspace.counterfactual is maps.result:
            self._on_result(maps.result)
        else:
            self.workspace.counterfactual = maps.result

    def show_again(self) -> None:
        """Draw the map in view anew."""
        if self.answer.chart.chosen is not None:
            self.show_marker(self.answer.chart.chosen)

    def show_marker(self, marker: str) -> None:
        """Show the shift map of a marker; one without any shift is ignored."""
        maps = self.answer.maps
        if maps is None or marker not in maps.markers:
            return
        self.workspace.marker = marker
        limit = self.keeping.show_compared(maps, marker)
        self.answer.mark(marker, stale=self._stale, limit=limit)
        if limit is None:
            show_shift(self.viewer, maps, marker)
        self._show_sides()
        self.session_changed()

    def ask(self) -> None:
        """Ask what would shift under the edited record."""
        encoding, atlas = self.workspace.encoding, self.workspace.atlas
        if encoding is None or atlas is None:
            return
        self._rerun.stop()
        self.strip.clear()
        started, request = time.monotonic(), self.request()
        self.run(
            asking.ask(encoding, atlas, self.workspace.model, request, self.workspace.niches),
            lambda found: self._on_answer(*found, encoding, request, time.monotonic() - started),
            "Comparing",
            on_failure=self._on_refused,
        )

    def request(self) -> CounterfactualRequest:
        """Give the request that the controls describe."""
        from napari_haiku.analysis.counterfactual.counterfactual import CounterfactualRequest

        encoding, region = self.workspace.encoding, self.region_um
        return CounterfactualRequest(
            edits=self.edits,
            k=self.neighbours.value(),
            within_patient_um=self.workspace.within_patient_um,
            seed=self.seed.value(),
            rows=None
            if region is None or encoding is None
            else rows_inside(encoding.centres_um, region),
        )

    def press_primary(self) -> None:
        """Ask, or write the report once the answer is there."""
        if self.fresh_maps is not None:
            self.choose_report()
        else:
            self.ask()

    def choose_report(self) -> None:
        """Ask for a folder and write report and tables into a new one inside it."""
        chosen = choose_report_folder(self, self.workspace.encoding)
        if chosen:
            self.write_report(Path(chosen))

    def write_report(self, folder: Path) -> None:
        """Write the report, the table of shifts and the maps into a new folder inside `folder`."""
        encoding, atlas, maps = self.workspace.encoding, self.workspace.atlas, self.answer.maps
        if encoding is None or atlas is None or maps is None:
            return
        target = free_name(folder, f"{encoding.path.stem}.counterfactual")
        result = maps.result
        self.run(
            lambda: asking.write_report(target, result, atlas),
            self._on_written,
            "Writing the report",
            lane="export",
        )

    # -- workspace ---

    def on_state(self) -> None:
        """Offer the fields that the slide's record shares with the atlas."""
        encoding, atlas = self.workspace.encoding, self.workspace.atlas
        if (encoding, atlas) != self._shown_for:
            same_slide = encoding is self._shown_for[0]
            self._shown_for = (encoding, atlas)
            if not same_slide:
                self.edit.start_from({} if encoding is None else encoding.record)
                self.keeping.forget_all()
                self._last_run_s = None
            values = asking.values_of(encoding, atlas, self.workspace.model)
            self.edit.show_fields(values, asking.without_meaning(values, self.workspace.model))
            self._show_count()
            self._on_inputs_changed()
        self._refresh_primary()

    def _on_answer(
        self,
        maps: ShiftMaps,
        model: TissueModel,
        encoding: Encoding,
        request: CounterfactualRequest,
        seconds: float,
    ) -> None:
        if encoding is not self.workspace.encoding:
            return
        self._last_run_s = seconds
        if self.workspace.model is None:
            self.workspace.model = model
        # The form may have gone on while this was computed.
        if self.edits:
            self._pending = maps
            self.workspace.counterfactual = maps.result
            if self.edits != request.edits:
                self._set_stale(True)

    def _on_refused(self, _failure: Failure) -> None:
        if self._stale:
            # The answer to an earlier edit would stand under the refusal of this one.
            self.workspace.counterfactual = None

    def _on_result(self, result: CounterfactualResult | None) -> None:
        encoding = self.workspace.encoding
        self._stale = False
        self.strip.clear("stale")
        if result is None or encoding is None:
            self._pending = None
            self.answer.clear()
            self.keeping.refresh()
            self._show_sides()
            remove_shift(self.viewer)
            self._show_count()
            self._refresh_primary()
            return
        maps = self._pending
        if maps is None or maps.result is not result:
            maps = ShiftMaps(encoding.grid, result)
        self._pending = None
        self.edit.fold(True)
        self.answer.show_maps(maps)
        self.keeping.refresh()
        self._show_support(result)
        self._refresh_primary()
        marker = self.answer.marker_for(self.workspace.marker)
        if marker is not None:
            self.show_marker(marker)
            self._reveal.start()
        self.finished.emit(result)

    def _on_inputs_changed(self, *_: object) -> None:
        if self.answer.maps is not None:
            self._set_stale(True)
        self.keeping.forget_answers()

    def _on_settings(self) -> None:
        self._on_inputs_changed()
        self.session_changed()

    def _on_niches(self, niches: NicheResult | None) -> None:
        maps = self.answer.maps
        if niches is not None and self.waits_for_niches:
            self.waits_for_niches = False
            self.ask()
            return
        if niches is not None and maps is not None:
            now = np.asarray(niches.labels[0])[maps.result.rows]
            if np.array_equal(now, maps.result.niches.labels):
                # Only names changed: the answer stands.
                self.answer.name_niches(niches.names)
                return
        self._on_inputs_changed()

    def _on_edited(self) -> None:
        self.session_changed()
        if self.strip.state == "failed":
            self.strip.clear()
        if not self.edits:
            # Nothing is asked any more, so nothing is answered.
            self.workspace.counterfactual = None
        maps = self.answer.maps
        if maps is None:
            self.keeping.refresh()
            self._show_count()
            self._refresh_primary()
        else:
            self._set_stale(self.edits != maps.result.edit.after)
        quick = self._last_run_s is not None and self._last_run_s < _LIVE_BELOW_S
        if self.live.isChecked() and quick and self.edits and self.fresh_maps is None:
            self._rerun.start()
        else:
            self._rerun.stop()

    def _show_sides(self, *_: object) -> None:
        self.who.show_patch(self.answer.maps, self.answer.chart.chosen)

    # -- what is kept between two visits ---

    def session_state(self) -> dict[str, Any]:
        """Edits, scenarios and settings."""
        return state_of(self)

    def restore_session(self, state: dict[str, Any]) -> None:
        """Bring edits, scenarios and settings back, and ask again."""
        bring_back(self, state)

    # -- what is said ---

    def _show_count(self) -> None:
        """Say before asking how many patients carry what is asked about."""
        atlas, edits = self.workspace.atlas, self.edits
        self.gauge.show_support(None)
        if atlas is None or not edits:
            self.support_text.setText("Change a field to ask." if self.edit.form.fields else "")
            return
        parts = []
        for field, value in edits.items():
            count = atlas.values_of(field).get(value, 0) if field in atlas.fields else 0
            verb = "carries" if count == 1 else "carry"
            name = field.replace("_", " ")
            parts.append(f"{count} of {atlas.n_patients} patients {verb} {name} {value}.")
        self.support_text.setText(" ".join(parts))

    def _show_support(self, result: CounterfactualResult) -> None:
        self.gauge.show_support(result.support)
        self.support_text.setText(result.support.sentence)

    def _set_stale(self, stale: bool) -> None:
        maps = self.answer.maps
        if maps is None:
            return
        self._stale = stale
        self.keeping.refresh()
        if stale:
            self.mark_stale(self.ask)
            self._show_count()
        else:
            self.strip.clear("stale")
            self._show_support(maps.result)
        self._refresh_primary()
        if self.answer.chart.chosen is not None:
            self.answer.mark(self.answer.chart.chosen, stale=stale)

    def _refresh_primary(self) -> None:
        done = self.fresh_maps is not None
        self.set_primary(
            _REPORT if done else _SHOW,
            enabled=self.missing() is None and (done or bool(self.edits)),
            tooltip="One page with the edit, the evidence and the limits."
            if done
            else "See what would shift. (Ctrl+Enter)",
        )

    def _on_written(self, target: Path) -> None:
        self.workspace.saved = target
        say_report_written(self, target)
