"""The Similar tissue dock: click tissue or type words, and see the patches most alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QLineEdit

from napari_haiku.errors import HaikuError
from napari_haiku.notices import SAME_PATIENT
from napari_haiku.viewer.layers.canvas import fly_to
from napari_haiku.viewer.layers.captions import caption
from napari_haiku.viewer.layers.layer_slots import drop_layer, layer_in_slot
from napari_haiku.viewer.layers.legend import Legend
from napari_haiku.viewer.layers.one_map import show_only
from napari_haiku.viewer.search import query_layers
from napari_haiku.viewer.search.finding import Found, Question, find, vectors_of
from napari_haiku.widgets.frame.dock import HaikuDock, Need
from napari_haiku.widgets.frame.legend_bar import LegendBar
from napari_haiku.widgets.frame.navigation import BIOMARKERS, NEXT, SIMILAR
from napari_haiku.widgets.frame.segments import Segments
from napari_haiku.widgets.similar.filter_chips import FilterChips
from napari_haiku.widgets.similar.gallery import Gallery
from napari_haiku.widgets.similar.weight_sliders import WeightSliders

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel
    from napari_haiku.widgets.frame.jobs import Failure

CLICK, TEXT = "Click", "Text"
TARGETS = {"H&E patches": "he", "mIF patches": "mif", "Records": "text"}
_ASK = "Click anywhere on tissue."
_COUNTS = (20, 50, 100, 200)
_LANE = "search"


class SimilarDock(HaikuDock):
    """Finds the patches of the atlas that are most alike a patch of the slide."""

    title: ClassVar[str] = SIMILAR
    needs: ClassVar[tuple[Need, ...]] = ("slide", "encoding", "atlas")

    def build(self) -> None:
        """Lay out question, filters and gallery."""
        self.found: Found | None = None
        self._asked_with: Encoding | None = None
        self._words: tuple[str, np.ndarray[Any, Any]] | None = None
        self.look_for = Segments(
            {CLICK: "Point at tissue.", TEXT: "Describe tissue in words; Enter starts."}
        )
        self.target = Segments(
            {
                "H&E patches": "Hits are H&E patches.",
                "mIF patches": "Hits are mIF patches: what tissue like this was measured to carry.",
                "Records": "Hits are patients whose record fits.",
            }
        )
        self.typed = QLineEdit()
        self.typed.setPlaceholderText("e.g. lymphoid aggregate at the tumour edge")
        self.typed.setAccessibleName("Words to look for")
        self.typed.hide()
        self.weights = WeightSliders()
        self.chips = FilterChips()
        self.count = QComboBox()
        for n in _COUNTS:
            self.count.addItem(f"{n} hits", n)
        self.count.setCurrentIndex(_COUNTS.index(50))
        self.count.setToolTip("How many hits are looked for.")
        self.header = self.note()
        self.gallery = Gallery()
        self.overlay = QCheckBox("Similarity on the whole slide")
        self.overlay.setChecked(True)
        self.overlay.setToolTip("Colours every patch by its likeness to the ringed one.")
        self.remark = self.note()
        self.legend = LegendBar()
        self.row("Look for", self.look_for)
        self.body.addWidget(self.typed)
        self.row("Show me", self.target)
        self.body.addWidget(self.note("How much each part of the question counts"))
        self.body.addWidget(self.weights)
        self.body.addWidget(self.chips)
        line = QHBoxLayout()
        line.addWidget(self.count)
        line.addStretch(1)
        line.addWidget(self.header)
        self.header.setWordWrap(False)
        self.body.addLayout(line)
        self.prompt = QLabel(_ASK)
        self.prompt.setProperty("haiku", "secondary")
        self.body.addWidget(self.prompt)
        self.body.addWidget(self.gallery)
        under = QHBoxLayout()
        under.addWidget(self.overlay)
        under.addStretch(1)
        under.addWidget(self.gallery.pager)
        self.body.addLayout(under)
        self.body.addWidget(self.legend)
        self.body.addWidget(self.remark)
        self.body.addStretch(1)
        self._show_nothing()
        self.look_for.chosen.connect(self._change_kind)
        self.target.chosen.connect(lambda _label: self.search())
        self.typed.returnPressed.connect(self.search)
        self.weights.changed.connect(self.search)
        self.chips.within_wanted.connect(self._set_within)
        self.chips.filters_changed.connect(self.search)
        self.count.activated.connect(lambda _index: self.search())
        self.gallery.hovered.connect(self._hover)
        self.gallery.clicked.connect(self._fly)
        self.gallery.turned.connect(self._number_hits)
        self.overlay.toggled.connect(self._toggle_overlay)
        events = self.workspace.events
        self.follow(events.selection, self._selected)
        self.follow(events.glass, self._clicked_glass)
        self.follow(events.within_patient_um, self._within_changed)
        self.follow(events.atlas, self._atlas_changed)
        self.follow(events.encoding, self._encoding_changed)
        self.follow(self.viewer.events.theme, self._retheme)
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

    # -- asking -----------------------------------------------------------------------------------

    def question(self) -> Question | None:
        """Describe what would be asked now; None while something is missing."""
        encoding, atlas = self.workspace.encoding, self.workspace.atlas
        if encoding is None or atlas is None:
            return None
        by_text = self.look_for.choice == TEXT
        patch = None if by_text else self.workspace.selection
        if patch is None and self._words is None:
            return None
        weights = {"text": 1.0} if by_text else self.weights.weights()
        return Question(
            encoding=encoding,
            atlas=atlas,
            patch=patch,
            words=self._words[1] if by_text and self._words is not None else None,
            target=TARGETS[self.target.choice],
            weights=weights,
            k=int(self.count.currentData()),
            filters=self.chips.filters,
            within_patient_um=None if by_text else self.workspace.within_patient_um,
        )

    def search(self) -> None:
        """Ask the atlas; an earlier answer on its way is dropped."""
        if self.look_for.choice == TEXT and not self._read_words():
            return
        question = self.question()
        if question is None:
            return
        query_layers.dim_hits(self.viewer)
        self.run(
            lambda: find(question), self._show, "Searching", on_failure=self._failed, lane=_LANE
        )

    def _read_words(self) -> bool:
        """Have typed words encoded; False while they are not yet."""
        text = self.typed.text().strip()
        if not text:
            return False
        if self._words is not None and self._words[0] == text:
            return True
        encoding, model = self.workspace.encoding, self.workspace.model
        if encoding is None:
            return False
        fingerprint = encoding.model_fingerprint

        def take(answer: tuple[TissueModel, np.ndarray[Any, Any], tuple[str, ...]]) -> None:
            loaded, vector, unknown = answer
            self.workspace.model = loaded
            self._words = (text, vector)
            if unknown:
                names = ", ".join(f'"{word}"' for word in unknown)
                self.strip.say(
                    "caution", f"The model has never read {names}; ignored.", key="words"
                )
            else:
                self.strip.clear("words")
            self.search()

        self.run(lambda: _read(text, model, fingerprint), take, "Reading the words", lane=_LANE)
        return False

    def _change_kind(self, kind: str) -> None:
        self.typed.setVisible(kind == TEXT)
        self.weights.setVisible(kind == CLICK)
        if kind == TEXT:
            self.typed.setFocus()
        self.search()

    def _set_within(self, within_um: float | None) -> None:
        self.workspace.within_patient_um = within_um

    # -- the workspace ----------------------------------------------------------------------------

    def _selected(self, selection: int | None) -> None:
        if selection is None:
            self._show_nothing()
            return
        self.strip.clear("glass")
        self.look_for.set_choice(CLICK)
        self.typed.hide()
        self.weights.show()
        self.search()

    def _clicked_glass(self, distance_um: float) -> None:
        if self.isVisible():
            away = (
                f"{distance_um / 1000:.1f} mm" if distance_um >= 1000 else f"{distance_um:.0f} µm"
            )
            self.strip.say("caution", f"That is glass; nearest tissue is {away} away.", key="glass")

    def _within_changed(self, within_um: float | None) -> None:
        self.chips.show_within(within_um)
        self.search()

    def _atlas_changed(self, *_: object) -> None:
        atlas = self.workspace.atlas
        self.chips.show_within(self.workspace.within_patient_um)
        if atlas is not None:
            self.chips.offer({name: atlas.values_of(name) for name in atlas.fields})
            for label, target in TARGETS.items():
                self.target.set_enabled(label, target in atlas.modalities)
        if self.found is not None:
            self.search()

    def _encoding_changed(self, *_: object) -> None:
        encoding = self.workspace.encoding
        if encoding is self._asked_with:
            return
        self._asked_with = encoding
        self._show_nothing()
        drop_layer(self.viewer, query_layers.HITS)
        drop_layer(self.viewer, query_layers.SIMILARITY)
        if encoding is not None:
            self.run(
                lambda: _parts_at_hand(encoding),
                self.weights.offer,
                "Reading the encoding",
                lane="parts",
                quiet=True,
            )

    # -- the answer -------------------------------------------------------------------------------

    def _show(self, found: Found) -> None:
        if found.question.encoding is not self.workspace.encoding:
            return
        self.found = found
        self.workspace.hits = found.hits
        self.prompt.hide()
        self.gallery.show_cards(found.cards)
        self.gallery.show()
        patients = "1 patient" if found.patients == 1 else f"{found.patients} patients"
        self.header.setText(f"{patients} · found in {found.milliseconds:.0f} ms")
        here = [card for card in found.cards if card.this_slide]
        query_layers.show_hits(
            self.viewer,
            np.array([card.position_um for card in here], float).reshape(-1, 2),
            [card.rank for card in here],
            found.question.encoding.patch_um,
        )
        self._number_hits()
        self._show_overlay()
        self.remark.setText(_same_patient(found))
        self.remark.setVisible(bool(self.remark.text()))

    def _number_hits(self) -> None:
        query_layers.number_hits(self.viewer, self.gallery.ranks_in_view)

    def _show_overlay(self) -> None:
        found = self.found
        likeness = None if found is None else found.likeness
        wanted = likeness is not None and self.overlay.isChecked()
        self.legend.setVisible(wanted)
        layer = layer_in_slot(self.viewer, query_layers.SIMILARITY)
        if not wanted or found is None or likeness is None:
            if layer is not None:
                layer.visible = False
            return
        shown = query_layers.show_similarity(self.viewer, found.question.encoding.grid, likeness)
        show_only(self.viewer, (query_layers.SIMILARITY, query_layers.HITS))
        caption(shown, colour_bar=True)
        low, high = shown.contrast_limits
        self.legend.show_legend(
            Legend(
                "Similarity to the ringed patch",
                query_layers.similarity_stops(),
                f"{low:.2f}",
                f"{high:.2f}",
            )
        )

    def _toggle_overlay(self, _checked: bool) -> None:
        self._show_overlay()

    def _show_nothing(self) -> None:
        self.found = None
        self.gallery.show_cards(())
        self.gallery.hide()
        self.prompt.show()
        self.header.setText("")
        self.remark.hide()
        self.legend.hide()

    def _failed(self, failure: Failure) -> None:
        actions: list[tuple[str, Callable[[], object]]] = []
        if self.chips.filters and "filter" in failure.sentence:
            actions.append(("Remove last filter", self.chips.remove_last))
        elif self.workspace.within_patient_um is None and "own patient" in failure.sentence:
            actions.append(("This slide, 500 µm away or more", lambda: self._set_within(500.0)))
        if actions:
            sentence = failure.sentence.split(":")[0] + "."
            self.strip.say("failed", sentence, actions=actions, details=failure.details)

    def _hover(self, rank: int) -> None:
        cards = () if self.found is None else self.found.cards
        card = cards[rank - 1] if 1 <= rank <= len(cards) else None
        query_layers.mark_hit(self.viewer, rank if card is not None and card.this_slide else None)

    def _fly(self, rank: int) -> None:
        if self.found is None:
            return
        card = self.found.cards[rank - 1]
        if card.this_slide:
            fly_to(self.viewer, *card.position_um)
        else:
            self.remark.setText(f"Hit {rank}, {card.whose}: {card.record or 'no record'}")
            self.remark.show()

    def _retheme(self, *_: object) -> None:
        self.gallery.set_theme(self.viewer.theme)


def _parts_at_hand(encoding: Encoding) -> dict[str, float]:
    from napari_haiku.atlas.query import default_weights

    parts = {name: vectors_of(encoding, name) for name in ("he", "mif", "text")}
    weights = default_weights(parts)
    return {name: weights.get(name, 0.0) for name, part in parts.items() if part is not None}


def _same_patient(found: Found) -> str:
    ranks = found.same_patient
    if not ranks:
        return ""
    if len(ranks) == len(found.cards):
        which = "All hits are"
    elif len(ranks) == 1:
        which = f"Hit {ranks[0]} is"
    else:
        named = ", ".join(str(rank) for rank in ranks[:8]) + (", ..." if len(ranks) > 8 else "")
        which = f"Hits {named} are"
    return f"{which} from the same patient. {SAME_PATIENT}"


def _read(
    text: str, model: TissueModel | None, fingerprint: str
) -> tuple[TissueModel, np.ndarray[Any, Any], tuple[str, ...]]:
    from napari_haiku.model.loading import load_model

    if model is None or model.fingerprint != fingerprint:
        model = load_model()
    if model.fingerprint != fingerprint:
        raise HaikuError(
            "The slide was encoded with another model: choose it in the Encode dock to search "
            "by words."
        )
    vector, unknown = model.encode_words(text)
    return model, vector, unknown
