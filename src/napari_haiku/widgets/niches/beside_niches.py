"""What is worked out beside the niches: a number to suggest, and which niches touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_haiku.widgets.niches import finding_niches

if TYPE_CHECKING:
    from napari_haiku.analysis.niches.niches import GroupBy, NicheResult
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.niches.contacts import Contact
    from napari_haiku.widgets.frame.dock import HaikuDock
    from napari_haiku.widgets.niches.niche_figures import NicheFigures
    from napari_haiku.widgets.niches.niche_settings import NicheSettings


class BesideNiches(QObject):
    """Runs the small jobs of the dock and drops answers that came too late.

    Parameters
    ----------
    dock : HaikuDock
        Runs them.
    settings : NicheSettings
        Shows the number suggested.
    figures : NicheFigures
        Shows which niches touch.
    """

    def __init__(self, dock: HaikuDock, settings: NicheSettings, figures: NicheFigures) -> None:
        super().__init__(dock)
        self._dock = dock
        self._settings = settings
        self._figures = figures
        self._suggested_for: tuple[Encoding, str, bool] | None = None
        figures.neighbours_wanted.connect(self.count_contacts)

    def suggest_number(self, encoding: Encoding, modality: GroupBy) -> None:
        """Work out which number of niches is most repeatable, once per slide and modality."""
        smooth = self._settings.smooth.isChecked()
        asked = (encoding, modality, smooth)
        if asked == self._suggested_for:
            return
        self._suggested_for = asked
        self._settings.suggest(None)
        self._dock.run(
            finding_niches.suggest(encoding, modality, smooth=smooth),
            self._settings.suggest,
            "Suggesting a number",
            on_failure=lambda _failure: self._settings.suggest(None),
            lane="suggest",
            quiet=True,
        )

    def count_contacts(self) -> None:
        """Count which niches touch."""
        result = self._dock.workspace.niches
        if result is not None:
            self._dock.run(
                finding_niches.count_contacts(result),
                lambda contacts: self._on_contacts(contacts, result),
                "Counting neighbours",
                lane="contacts",
            )

    def forget(self) -> None:
        """Another slide."""
        self._suggested_for = None
        self._settings.suggest(None)

    def _on_contacts(self, contacts: list[Contact], result: NicheResult) -> None:
        if result is self._dock.workspace.niches:
            self._figures.show_contacts(contacts)
