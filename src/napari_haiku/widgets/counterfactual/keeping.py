"""Keeping edits under a name, coming back to them, and comparing up to three."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_haiku.viewer.counterfactual.scenarios import Scenarios, show_compared

if TYPE_CHECKING:
    from napari_haiku.viewer.counterfactual.shift_maps import ShiftMaps
    from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock
    from napari_haiku.widgets.counterfactual.edit_section import EditSection
    from napari_haiku.widgets.counterfactual.scenario_bar import ScenarioBar


class Keeping(QObject):
    """The scenarios of one slide, and the bar that shows them.

    Parameters
    ----------
    dock : CounterfactualDock
        Asks and shows.
    bar : ScenarioBar
        The controls.
    edit : EditSection
        The record that is edited.
    """

    def __init__(self, dock: CounterfactualDock, bar: ScenarioBar, edit: EditSection) -> None:
        super().__init__(dock)
        self._dock = dock
        self._bar = bar
        self._edit = edit
        self.scenarios = Scenarios()
        bar.chosen.connect(self.choose)
        bar.renamed.connect(self.rename)
        bar.keep_wanted.connect(self.keep)
        bar.forget_wanted.connect(self.forget)
        bar.compare_wanted.connect(self._on_compare)

    def keep(self) -> None:
        """Keep the answer in view."""
        maps = self._dock.fresh_maps
        if maps is not None:
            self.scenarios.keep(maps)
            self._changed()

    def rename(self, name: str, wanted: str) -> None:
        """Call a kept scenario otherwise."""
        self.scenarios.rename(name, wanted)
        self._changed()

    def forget(self) -> None:
        """Take the scenario in view off the list."""
        if self._bar.current is not None:
            self.scenarios.forget(self._bar.current)
            self._changed()

    def choose(self, name: str) -> None:
        """Go back to a kept scenario; one without an answer is asked again."""
        scenario = self.scenarios.named(name)
        if scenario is None:
            return
        self._edit.set_edits(scenario.edits)
        if scenario.maps is None:
            self._dock.ask()
        else:
            self._dock.show_answer(scenario.maps)

    def forget_all(self) -> None:
        """Another slide."""
        self.scenarios = Scenarios()
        self._bar.leave_comparing()
        self.refresh()

    def forget_answers(self) -> None:
        """Keep the edits only: what they were asked of is another now."""
        self.scenarios.forget_answers()
        self._bar.leave_comparing()
        self.refresh()

    def refresh(self) -> None:
        """Show the list, and which of it is in view."""
        current = self.scenarios.of(self._edit.record.edits)
        maps = self._dock.fresh_maps
        if maps is not None and current is not None and current.maps is None:
            # Asked again: the answer belongs to the name that was kept.
            current = self.scenarios.keep(maps)
        self._bar.show_names(
            self.scenarios.names,
            None if current is None else current.name,
            answered=maps is not None,
            comparable=len(self.scenarios.compared(maps)),
        )

    def show_compared(self, maps: ShiftMaps, marker: str) -> float | None:
        """Show a marker under several scenarios where that is wanted; give their limit."""
        chosen = self.scenarios.compared(maps)
        if not self._bar.compare.isChecked() or len(chosen) < 2:
            return None
        return show_compared(self._dock.viewer, chosen, marker)

    def _on_compare(self, _on: bool) -> None:
        self._dock.show_again()

    def _changed(self) -> None:
        self.refresh()
        self._dock.show_again()
        self._dock.session_changed()
