"""Keeping, comparing and exporting hits of the Similar tissue dock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_haiku.storage import write_text
from napari_haiku.viewer.search.hit_cards import HitCard, with_pictures
from napari_haiku.viewer.search.hit_table import hit_csv
from napari_haiku.viewer.search.kept_hits import (
    ComparedLine,
    KeptHits,
    atlas_mark,
    compare,
    free_name,
)
from napari_haiku.widgets.similar.hit_objects import hit_geojson
from napari_haiku.widgets.similar.kept_bar import KeptBar
from napari_haiku.widgets.similar.similar_words import asked_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.viewer.session.parts import State
    from napari_haiku.widgets.similar.similar_dock import SimilarDock

ONE_BY_ONE = "My hits"
_FILTER = (
    "Table (*.csv);;Picture of the hits in view (*.png);;QuPath, hits on this slide (*.geojson)"
)


class Keeping:
    """The buttons at the bottom left of the dock, and the sets they make.

    Parameters
    ----------
    dock : SimilarDock
        Whose hits are kept.
    """

    def __init__(self, dock: SimilarDock) -> None:
        self._dock = dock
        self.bar = KeptBar()
        self.keep_button = dock.add_secondary(
            "Keep", self.keep, tooltip="Save these hits under a name. (K keeps the marked hit)"
        )
        self.compare_button = dock.add_secondary(
            "Compare", self.bar.compare, tooltip="Put two kept sets side by side."
        )
        self.export_button = dock.add_secondary(
            "Export...", self.choose_file, tooltip="Save these hits as a table or a picture."
        )
        for button in (self.keep_button, self.compare_button, self.export_button):
            button.setProperty("haiku", "small")
        self.bar.chosen.connect(self._choose)
        self.bar.changed.connect(self._changed)
        self.bar.compare_wanted.connect(self._compare)
        self._enable()

    def keep(self) -> None:
        """Keep the hits found now under a name that can be changed in its place."""
        dock, atlas = self._dock, self._dock.workspace.atlas
        if atlas is None or dock.found is None or not dock.found.cards:
            dock.strip.say("caution", "There are no hits to keep yet: click tissue first.")
            return
        found = dock.found
        name = free_name([one.name for one in self.bar.kept])
        self.bar.keep(
            KeptHits(
                name,
                atlas_mark(atlas),
                tuple(card.row for card in found.cards),
                tuple(card.similarity for card in found.cards),
                asked_in_words(found, dock.ask.words.text),
            )
        )
        dock.strip.say(
            "done", f"Kept as {name}; type another name over it to rename it.", key="kept"
        )

    def keep_one(self, rank: int) -> None:
        """Add one hit to the set of hits kept one by one."""
        dock, atlas = self._dock, self._dock.workspace.atlas
        if atlas is None or not 1 <= rank <= len(dock.cards):
            return
        card, mark = dock.cards[rank - 1], atlas_mark(atlas)
        old = next((o for o in self.bar.kept if o.name == ONE_BY_ONE and o.atlas == mark), None)
        rows, similarity = ((), ()) if old is None else (old.rows, old.similarity)
        if card.row in rows:
            return
        current = self.bar.names.currentIndex()
        self.bar.keep(
            KeptHits(
                ONE_BY_ONE,
                mark,
                (*rows, card.row),
                (*similarity, card.similarity),
                "hits kept one by one",
            )
        )
        if current == 0:
            # The user goes on through the hits found now.
            self.bar.show_now()
        dock.strip.say("done", f"Hit {rank} is kept: {len(rows) + 1} in {ONE_BY_ONE}.", key="kept")

    def choose_file(self) -> None:
        """Ask where the hits go."""
        chosen, kind = QFileDialog.getSaveFileName(self._dock, "Export hits", "hits.csv", _FILTER)
        if chosen:
            path = Path(chosen)
            if not path.suffix:
                path = path.with_suffix(
                    next((end for end in (".png", ".geojson") if end in kind), ".csv")
                )
            self.export(path)

    def export(self, path: Path) -> None:
        """Write the hits on show as a table, a picture of the gallery or objects for QuPath."""
        dock, atlas = self._dock, self._dock.workspace.atlas
        cards, encoding = tuple(dock.cards), dock.workspace.encoding
        if atlas is None or encoding is None or not cards:
            dock.strip.say("caution", "There are no hits to export yet: click tissue first.")
            return
        if path.suffix.lower() == ".png":
            saved = dock.gallery.grab().save(str(path))
            self._say_exported(path, saved=bool(saved))
            return
        current = self.bar.current
        asked = (
            current.asked
            if current is not None
            else asked_in_words(dock.found, dock.ask.words.text)
            if dock.found is not None
            else "kept hits"
        )

        def write() -> None:
            if path.suffix.lower() in (".geojson", ".json"):
                write_text(path, hit_geojson(encoding, cards, asked))
            else:
                write_text(path, hit_csv(atlas, cards, asked))

        dock.run(
            write,
            lambda _none: self._say_exported(path, saved=True),
            "Exporting",
            lane="export",
        )

    def state(self) -> list[State]:
        """Describe every kept set for the session."""
        return [one.to_state() for one in self.bar.kept]

    def restore(self, states: Sequence[State]) -> None:
        """Bring kept sets back."""
        self.bar.put([KeptHits.from_state(state) for state in states])
        self._enable()

    def _say_exported(self, path: Path, *, saved: bool) -> None:
        if saved:
            self._dock.strip.say("done", f"Saved as {path.name} in {path.parent.name}.")
        else:
            self._dock.strip.say("failed", f"{path.name} could not be written: choose another.")

    def _changed(self) -> None:
        self._enable()
        self._dock.session_changed()

    def _enable(self) -> None:
        two = len(self.bar.kept) > 1
        self.compare_button.setEnabled(two)
        tip = "Put two kept sets side by side."
        self.compare_button.setToolTip(tip if two else f"{tip} Keep two sets first.")

    def _choose(self, kept: KeptHits | None) -> None:
        dock, atlas, encoding = (
            self._dock,
            self._dock.workspace.atlas,
            self._dock.workspace.encoding,
        )
        if kept is None:
            if dock.found is not None:
                dock.show_cards(dock.found.cards, "")
            return
        if atlas is None or encoding is None or not self._belongs(kept):
            return

        def read() -> tuple[HitCard, ...]:
            return with_pictures(atlas, kept.cards(atlas, encoding.slide_id))

        dock.run(
            read,
            lambda cards: dock.show_cards(cards, f"{len(cards)} hits · {kept.asked}"[:48]),
            "Opening the kept hits",
            lane="kept",
        )

    def _compare(self, first: KeptHits, second: KeptHits) -> None:
        dock, atlas = self._dock, self._dock.workspace.atlas
        if atlas is None or not (self._belongs(first) and self._belongs(second)):
            return

        def show(lines: list[ComparedLine]) -> None:
            self.bar.show_comparison(first.name, second.name, lines)
            dock.bring_into_view(self.bar)

        dock.run(lambda: compare(atlas, first, second), show, "Comparing", lane="compare")

    def _belongs(self, kept: KeptHits) -> bool:
        atlas: Any = self._dock.workspace.atlas
        if atlas is not None and kept.atlas == atlas_mark(atlas):
            return True
        name = kept.atlas.split(" ")[0]
        self._dock.strip.say(
            "caution",
            f"{kept.name} was kept from the atlas {name} as it was then: open that atlas to see "
            "these hits.",
            key="kept",
        )
        return False
