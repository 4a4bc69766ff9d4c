"""The upper part of the Similar tissue dock: what is looked for, how it is weighed and filtered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_haiku.atlas.question_defaults import usual_target
from napari_haiku.widgets.frame.appearance import LABEL_WIDTH
from napari_haiku.widgets.frame.segments import Segments
from napari_haiku.widgets.similar.filter_chips import FilterChips
from napari_haiku.widgets.similar.weight_sliders import WeightSliders
from napari_haiku.widgets.similar.word_line import WordLine

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_haiku.viewer.session.parts import State

CLICK, BOX, LASSO, TEXT = "Click", "Box", "Lasso", "Text"
TARGETS = {"H&E patches": "he", "mIF patches": "mif", "Records": "text"}
ASKS = {
    CLICK: "Click anywhere on tissue.",
    BOX: "Drag a box over tissue.",
    LASSO: "Drag around tissue.",
    TEXT: "Describe tissue in words, then press Enter.",
}


class QuestionPanel(QWidget):
    """Controls of the question.

    Emits :attr:`kind_changed` with how it is asked, :attr:`changed` when the
    answer would be another one, :attr:`weights_moved` while a slider moves, and
    :attr:`within_wanted` with a distance or None.
    """

    kind_changed = Signal(str)
    changed = Signal()
    weights_moved = Signal()
    within_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look_for = Segments(
            {
                CLICK: "Point at tissue. (H looks for what is under the pointer.)",
                BOX: "Drag a box over tissue; its patches ask as one.",
                LASSO: "Drag around tissue; its patches ask as one.",
                TEXT: "Describe tissue in words; Enter starts.",
            }
        )
        self.target = Segments(
            {
                "H&E patches": "Hits are H&E patches.",
                "mIF patches": "Hits are mIF patches: what tissue like this was measured to carry.",
                "Records": "Hits are patients whose record fits.",
            }
        )
        self.words = WordLine()
        self.words.hide()
        self.weights = WeightSliders()
        self.chips = FilterChips()
        self._weights_heading = QLabel("How much each part of the question counts")
        self._weights_heading.setProperty("haiku", "secondary")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for label, tooltip, control in (
            ("Look for", "Point at tissue, outline it, or describe it.", self.look_for),
            ("Show me", "What the hits should be.", self.target),
        ):
            name = QLabel(label)
            name.setFixedWidth(LABEL_WIDTH)
            name.setToolTip(tooltip)
            control.setAccessibleName(label)
            line = QHBoxLayout()
            line.setSpacing(6)
            line.addWidget(name)
            line.addWidget(control, 1)
            column.addLayout(line)
            if control is self.look_for:
                column.addWidget(self.words)
        column.addWidget(self._weights_heading)
        column.addWidget(self.weights)
        column.addWidget(self.chips)
        self.look_for.chosen.connect(self.set_kind)
        self.target.chosen.connect(lambda _label: self.changed.emit())
        self.words.entered.connect(self.changed)
        self.weights.changed.connect(self.changed)
        self.weights.moved.connect(self.weights_moved)
        self.chips.filters_changed.connect(self.changed)
        self.chips.within_wanted.connect(self.within_wanted)

    @property
    def kind(self) -> str:
        """How it is asked."""
        return self.look_for.choice

    @property
    def target_modality(self) -> str:
        """What the hits should be: "he", "mif" or "text"."""
        return TARGETS[self.target.choice]

    def keep_to(self, modalities: Collection[str]) -> None:
        """Ask for what the atlas holds where it lacks what was asked for."""
        if self.target_modality not in modalities:
            usual = usual_target(modalities)
            self.target.set_choice(next(label for label, one in TARGETS.items() if one == usual))

    def set_kind(self, kind: str) -> None:
        """Ask by clicking, a box, a lasso or words."""
        self.look_for.set_choice(kind)
        self.words.setVisible(kind == TEXT)
        self.weights.setVisible(kind != TEXT)
        self._weights_heading.setVisible(kind != TEXT)
        if kind == TEXT:
            self.words.line.setFocus()
        self.kind_changed.emit(kind)

    def state(self) -> State:
        """Describe the controls."""
        return {
            "kind": self.kind,
            "target": self.target.choice,
            "weights": self.weights.weights(),
            "filters": self.chips.filters,
            "words": self.words.text,
        }

    def restore(self, state: State) -> None:
        """Set the controls as they were; nothing is asked yet."""
        before = self.blockSignals(True)
        try:
            target: Any = state.get("target")
            if target in TARGETS and self.target.buttons[target].isEnabled():
                self.target.set_choice(target)
            self.words.line.setText(str(state.get("words", "")))
            self.weights.remember(state.get("weights") or {})
            self.chips.clear()
            for name, value in (state.get("filters") or {}).items():
                self.chips.set_filter(str(name), str(value))
        finally:
            self.blockSignals(before)
        if state.get("kind") in ASKS:
            self.set_kind(str(state["kind"]))
