"""The Similar tissue dock: point at tissue or describe it, and see the patches most alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.search.finding import Found, rank_anew, with_all_pictures
from napari_haiku.viewer.search.question import forget_text, vectors_of
from napari_haiku.viewer.slides.record_fields import offered_fields
from napari_haiku.widgets.frame.dock import HaikuDock, Need
from napari_haiku.widgets.frame.legend_bar import LegendBar
from napari_haiku.widgets.frame.navigation import BIOMARKERS, NEXT, SIMILAR
from napari_haiku.widgets.frame.segments import Segments
from napari_haiku.widgets.similar import similar_words
from napari_haiku.widgets.similar.asking import Asking
from napari_haiku.widgets.similar.gallery import SHOWN, Gallery
from napari_haiku.widgets.similar.hits_on_canvas import HitsOnCanvas
from napari_haiku.widgets.similar.keeping import Keeping
from napari_haiku.widgets.similar.question_panel import ASKS, CLICK, TARGETS, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.search.hit_cards import HitCard
    from napari_haiku.widgets.frame.jobs import Failure

BEFORE = "Hits of the question before"


class SimilarDock(HaikuDock):
    """Finds the patches of the atlas that are most alike what is asked about."""

    title: ClassVar[str] = SIMILAR
    needs: ClassVar[tuple[Need, ...]] = ("slide", "encoding", "atlas")

    def build(self) -> None:
        """Lay out question, filters and gallery."""
        self.found: Found | None = None
        self.cards: Sequence[HitCard] = ()
        self._asked_with: Encoding | None = None
        self.asking = Asking(self, self._show, self._failed)
        self.ask = self.asking.panel
        self.header = self.note()
        self.header.setWordWrap(False)
        self.gallery = Gallery()
        self.pictures = Segments({name: f"Show the {name} picture of each hit." for name in SHOWN})
        self.pictures.buttons["Both"].setToolTip("Show both pictures of each hit.")
        self.overlay = QCheckBox("Similarity on the whole slide")
        self.overlay.setChecked(True)
        self.overlay.setToolTip("Colours every patch by its likeness to what is asked. (W)")
        self.remark = self.note()
        self.legend = LegendBar()
        self.prompt = QLabel(ASKS[CLICK])
        self.prompt.setProperty("haiku", "secondary")
        self.canvas = HitsOnCanvas(self)
        self.keeping = Keeping(self)
        self._lay_out_body()
        self.show_nothing()
        self._listen()
        self.set_primary(f"Biomarkers here {NEXT}", tooltip="Go to the Biomarkers dock.")
        self._atlas_changed()
        self._encoding_changed()
        self._retheme()

    def press_primary(self) -> None:
        """Hand over to Biomarkers."""
        self.go_to(BIOMARKERS)

    def no_atlas_actions(self) -> list[tuple[str, Callable[[], object]]]:
        """Offer the slide itself besides the atlases."""
        return [
            *super().no_atlas_actions(),
            ("Search this slide only", self.atlases.of_this_slide),
        ]

    def key_actions(self) -> dict[str, Callable[[], object]]:
        """Answer the keys of searching."""
        return {
            "find similar": self.asking.find_under_cursor,
            "next hit": lambda: self._step(1),
            "previous hit": lambda: self._step(-1),
            "back to the query": self.canvas.back,
            "keep": lambda: self.keeping.keep_one(self.gallery.selected),
        }

    # -- the workspace ----------------------------------------------------------------------------

    def _clicked_glass(self, distance_um: float) -> None:
        if self.isVisible():
            self.strip.say("caution", similar_words.glass(distance_um), key="glass")

    def _within_changed(self, within_um: float | None) -> None:
        self.ask.chips.show_within(within_um)
        self.asking.search()

    def _atlas_changed(self, *came: object) -> None:
        atlas = self.workspace.atlas
        self.ask.chips.show_within(self.workspace.within_patient_um)
        if atlas is not None:
            offered = offered_fields(atlas.fields, self.workspace.model)
            self.ask.chips.offer({name: atlas.values_of(name) for name in offered})
            for label, target in TARGETS.items():
                self.ask.target.set_enabled(label, target in atlas.modalities)
            for label, modalities in SHOWN.items():
                self.pictures.set_enabled(label, set(modalities) <= set(atlas.modalities))
            self.ask.keep_to(atlas.modalities)
        # What was pointed at before there was an atlas is asked of the one that comes.
        if came or self.found is not None:
            self.asking.refused.clear()
            self.asking.search()

    def _encoding_changed(self, *_: object) -> None:
        encoding = self.workspace.encoding
        if encoding is self._asked_with:
            return
        self._asked_with = encoding
        self.show_nothing()
        self.canvas.clear()
        self.asking.forget()
        if encoding is not None:
            self._read_parts(encoding)

    def _read_parts(self, encoding: Encoding) -> None:
        self.run(
            lambda: _parts_at_hand(encoding),
            self.ask.weights.offer,
            "Reading the encoding",
            lane="parts",
            quiet=True,
        )

    def _record_read(self, encoding: Encoding) -> None:
        forget_text(encoding)
        self._read_parts(encoding)
        if self.found is not None:
            self.asking.search()

    # -- the answer -------------------------------------------------------------------------------

    def show_cards(self, cards: Sequence[HitCard], header: str) -> None:
        """Show hits in the gallery."""
        self.cards = cards
        self.prompt.hide()
        self.gallery.show_cards(cards)
        self.gallery.show()
        self.pictures.show()
        self.header.setText(header)

    def _show(self, found: Found) -> None:
        if found.question.encoding is not self.workspace.encoding:
            return
        self.found = found
        self.workspace.hits = found.hits
        self.keeping.bar.show_now()
        self.canvas.close_beside()
        patients = "1 patient" if found.patients == 1 else f"{found.patients} patients"
        self.show_cards(found.cards, f"{patients} · found in {found.milliseconds:.0f} ms")
        self.canvas.ring(found.cards, found.question.encoding.patch_um, self.gallery.ranks_in_view)
        self._show_overlay()
        self.remark.setText(similar_words.same_patient(found))
        self.remark.setVisible(bool(self.remark.text()))
        self.run(
            lambda: with_all_pictures(found),
            self._fill_pictures,
            "Reading the pictures",
            lane="pictures",
            quiet=True,
        )

    def _fill_pictures(self, complete: Found) -> None:
        if self.found is None or self.found.hits is not complete.hits:
            return
        self.found = complete
        if self.keeping.bar.current is None:
            self.cards = complete.cards
            self.gallery.change_cards(complete.cards)

    def _rank_anew(self) -> None:
        found = self.found
        if found is None or self.ask.kind == TEXT or self.keeping.bar.current is not None:
            return
        try:
            self.found = rank_anew(found, self.ask.weights.weights())
        except HaikuError:
            return
        self.cards = self.found.cards
        self.gallery.change_cards(self.cards)
        if any(card.this_slide for card in self.cards):
            patch_um = found.question.encoding.patch_um
            self.canvas.ring(self.cards, patch_um, self.gallery.ranks_in_view)
        self._show_overlay()

    def _show_overlay(self) -> None:
        legend = self.canvas.show_likeness(self.found, wanted=self.overlay.isChecked())
        self.legend.show_legend(legend)

    def show_nothing(self) -> None:
        """Show no hits."""
        self.found = None
        self.cards = ()
        self.gallery.show_cards(())
        self.gallery.hide()
        self.pictures.hide()
        self.prompt.show()
        self.header.setText("")
        self.remark.hide()
        self.legend.hide()

    def _failed(self, failure: Failure) -> None:
        # Hits on show would read as the answer to what was just refused.
        if self.ask.kind == TEXT:
            self.workspace.hits = None
            self.show_nothing()
            self.canvas.clear()
        elif self.found is not None:
            self.header.setText(BEFORE)
        actions: list[tuple[str, Callable[[], object]]] = []
        if self.ask.chips.filters and "filter" in failure.sentence:
            actions.append(("Remove last filter", self.ask.chips.remove_last))
        elif self.workspace.within_patient_um is None and "own patient" in failure.sentence:
            actions.append(("This slide, 500 µm away or more", lambda: self._set_within(500.0)))
        if actions:
            sentence = failure.sentence.split(":")[0] + "."
            self.strip.say("failed", sentence, actions=actions, details=failure.details)

    def _set_within(self, within_um: float | None) -> None:
        self.workspace.within_patient_um = within_um

    def _hover(self, rank: int) -> None:
        self.canvas.mark(self.cards[rank - 1] if 1 <= rank <= len(self.cards) else None)

    def _fly(self, rank: int) -> None:
        if not 1 <= rank <= len(self.cards):
            return
        card = self.cards[rank - 1]
        self.canvas.go_to(card)
        self.canvas.mark(card)
        if not card.this_slide:
            self.remark.setText(f"Hit {rank}, {card.whose}: {card.record or 'no record'}")
            self.remark.show()

    def _step(self, by: int) -> None:
        if self.cards:
            rank = (max(self.gallery.selected, int(by < 0)) - 1 + by) % len(self.cards) + 1
            self.gallery.select(rank)
            self._fly(rank)

    # -- between two visits -----------------------------------------------------------------------

    def session_state(self) -> dict[str, Any]:
        """Keep question, filters, what was refused and every kept set."""
        return {
            **self.asking.state(),
            "overlay": self.overlay.isChecked(),
            "pictures": self.pictures.choice,
            "kept": self.keeping.state(),
        }

    def restore_session(self, state: dict[str, Any]) -> None:
        """Set the controls as they were and ask again."""
        self.keeping.restore(state.get("kept") or [])
        self.overlay.setChecked(bool(state.get("overlay", True)))
        if state.get("pictures") in SHOWN:
            self.pictures.set_choice(str(state["pictures"]))
            self.gallery.show_pictures(SHOWN[self.pictures.choice])
        self.asking.restore(state)

    # -- inside -----------------------------------------------------------------------------------

    def _lay_out_body(self) -> None:
        self.body.addWidget(self.ask)
        line = QHBoxLayout()
        line.addWidget(self.asking.count)
        line.addStretch(1)
        line.addWidget(self.header)
        self.body.addLayout(line)
        self.body.addWidget(self.prompt)
        self.body.addWidget(self.gallery)
        shown = QHBoxLayout()
        shown.addWidget(self.pictures)
        shown.addStretch(1)
        shown.addWidget(self.gallery.pager)
        self.body.addLayout(shown)
        self.body.addWidget(self.overlay)
        self.body.addWidget(self.legend)
        self.body.addWidget(self.remark)
        self.body.addWidget(self.keeping.bar)
        self.body.addStretch(1)

    def _listen(self) -> None:
        self.ask.weights_moved.connect(self._rank_anew)
        self.ask.within_wanted.connect(self._set_within)
        self.gallery.hovered.connect(self._hover)
        self.gallery.clicked.connect(self._fly)
        self.gallery.refused.connect(self.asking.refuse)
        self.gallery.turned.connect(lambda: self.canvas.number(self.gallery.ranks_in_view))
        self.pictures.chosen.connect(lambda name: self.gallery.show_pictures(SHOWN[name]))
        self.overlay.toggled.connect(lambda _checked: self._show_overlay())
        events = self.workspace.events
        self.follow(events.selection, self.asking.selected)
        self.follow(events.region, self.asking.region_changed)
        self.follow(events.glass, self._clicked_glass)
        self.follow(events.within_patient_um, self._within_changed)
        self.follow(events.atlas, self._atlas_changed)
        self.follow(events.encoding, self._encoding_changed)
        self.follow(events.record_read, self._record_read)
        self.follow(self.viewer.events.theme, self._retheme)

    def showEvent(self, event: Any) -> None:
        """Take the drags of the canvas if a box or a lasso is wanted."""
        super().showEvent(event)
        self.asking.draw_if_wanted()
        if self.canvas.withheld:
            self._show_overlay()

    def hideEvent(self, event: Any) -> None:
        """Let the canvas pan again."""
        super().hideEvent(event)
        self.asking.drawing.take(None)
        self.canvas.close_beside()

    def _retheme(self, *_: object) -> None:
        self.gallery.set_theme(self.viewer.theme)


def _parts_at_hand(encoding: Encoding) -> dict[str, float]:
    from napari_haiku.atlas.query import default_weights

    parts = {name: vectors_of(encoding, name) for name in ("he", "mif", "text")}
    weights = default_weights(parts)
    return {name: weights.get(name, 0.0) for name, part in parts.items() if part is not None}
