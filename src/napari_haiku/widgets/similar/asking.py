"""What the Similar tissue dock asks: a click, an outline or words, and what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox

from napari_haiku.atlas.question_defaults import USUAL_HITS
from napari_haiku.viewer.search import query_layers
from napari_haiku.viewer.search.finding import find
from napari_haiku.viewer.search.question import Question
from napari_haiku.viewer.search.region_drawing import RegionDrawing, hide_region
from napari_haiku.viewer.search.regions import rows_in_outline
from napari_haiku.viewer.search.selecting import select_at
from napari_haiku.widgets.frame.navigation import SIMILAR
from napari_haiku.widgets.similar import similar_words
from napari_haiku.widgets.similar.question_panel import ASKS, BOX, CLICK, LASSO, TEXT, QuestionPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from napari_haiku.model.base import TissueModel
    from napari_haiku.viewer.search.finding import Found
    from napari_haiku.viewer.session.parts import State
    from napari_haiku.widgets.frame.jobs import Failure
    from napari_haiku.widgets.similar.similar_dock import SimilarDock

COUNTS = (20, 50, 100, 200)
_LANE = "search"
_DRAWS = {BOX: "box", LASSO: "lasso"}


class Asking:
    """The question as it stands, and its way to the atlas.

    Parameters
    ----------
    dock : SimilarDock
        The dock that searches in its threads.
    answered : callable
        Receives the answer.
    refusal : callable
        Receives why there is none.

    Attributes
    ----------
    panel : QuestionPanel
        Controls of the question.
    count : QComboBox
        How many hits are looked for.
    refused : set of int
        Rows of the atlas left out until something else is asked.
    """

    def __init__(
        self,
        dock: SimilarDock,
        answered: Callable[[Found], object],
        refusal: Callable[[Failure], object],
    ) -> None:
        self._dock = dock
        self._answered = answered
        self._refusal = refusal
        self._words: tuple[str, np.ndarray[Any, Any]] | None = None
        self.refused: set[int] = set()
        self.panel = QuestionPanel()
        self.count = QComboBox()
        for n in COUNTS:
            self.count.addItem(f"{n} hits", n)
        self.count.setCurrentIndex(COUNTS.index(USUAL_HITS))
        self.count.setToolTip("How many hits are looked for.")
        self.count.setAccessibleName("Number of hits")
        self.drawing = RegionDrawing(dock.viewer, self._outlined)
        self.panel.kind_changed.connect(self.change_kind)
        self.panel.changed.connect(self.search)
        self.count.activated.connect(lambda _index: self.search())

    def question(self) -> Question | None:
        """Describe what would be asked now; None while something is missing."""
        encoding, atlas = self._dock.workspace.encoding, self._dock.workspace.atlas
        if encoding is None or atlas is None:
            return None
        kind = self.panel.kind
        by_text = kind == TEXT
        region = self._dock.workspace.region if kind in _DRAWS else ()
        patch = self._dock.workspace.selection if kind == CLICK else None
        words = self._words[1] if by_text and self._words is not None else None
        if patch is None and not region and words is None:
            return None
        return Question(
            encoding=encoding,
            atlas=atlas,
            patch=patch,
            words=words,
            target=self.panel.target_modality,
            weights={"text": 1.0} if by_text else self.panel.weights.weights(),
            k=int(self.count.currentData()),
            filters=self.panel.chips.filters,
            within_patient_um=None if by_text else self._dock.workspace.within_patient_um,
            region=region,
            refused=frozenset(self.refused),
        )

    def search(self) -> None:
        """Ask the atlas; an earlier answer on its way is dropped."""
        self._dock.session_changed()
        if self.panel.kind == TEXT and not self._read_words():
            return
        question = self.question()
        if question is None:
            return
        query_layers.dim_hits(self._dock.viewer)
        self._dock.run(
            lambda: find(question),
            self._answered,
            "Searching",
            on_failure=self._refusal,
            lane=_LANE,
        )

    def find_under_cursor(self) -> None:
        """Look for what is like the tissue under the pointer."""
        y, x = self._dock.viewer.cursor.position[-2:]
        select_at(self._dock.workspace, x_um=float(x), y_um=float(y))
        self._dock.go_to(SIMILAR)

    def refuse(self, rank: int) -> None:
        """Leave a hit out from now on, until something else is asked."""
        if self._dock.found is not None and 1 <= rank <= len(self._dock.cards):
            self.refused.add(self._dock.cards[rank - 1].row)
            self.search()

    def _read_words(self) -> bool:
        """Have typed words encoded; False while they are not yet."""
        text = self.panel.words.text
        encoding, model = self._dock.workspace.encoding, self._dock.workspace.model
        if not text or encoding is None:
            return False
        if self._words is not None and self._words[0] == text:
            return True
        fingerprint = encoding.model_fingerprint

        def take(answer: tuple[TissueModel, np.ndarray[Any, Any], tuple[str, ...]]) -> None:
            loaded, vector, _unknown = answer
            self._dock.workspace.model = loaded
            self._tell_unknown(loaded)
            self._words = (text, vector)
            self.refused.clear()
            self.search()

        self._dock.run(
            lambda: similar_words.read_words(text, model, fingerprint),
            take,
            "Reading the words",
            on_failure=self._refusal,
            lane=_LANE,
        )
        return False

    def _tell_unknown(self, model: TissueModel) -> None:
        self.panel.words.tell_unknown_by(model.unknown_words)

    def change_kind(self, kind: str) -> None:
        """Ask by clicking, a box, a lasso or words from now on."""
        self._dock.prompt.setText(ASKS[kind])
        self.draw_if_wanted()
        if kind not in _DRAWS:
            hide_region(self._dock.viewer)
        encoding, model = self._dock.workspace.encoding, self._dock.workspace.model
        if kind == TEXT and encoding is not None:
            # Loaded now, so that unknown words are underlined while they are typed.
            self._dock.run(
                lambda: similar_words.model_for_words(model, encoding.model_fingerprint),
                self._tell_unknown,
                "Loading the model",
                lane="model",
            )
        self.search()

    def draw_if_wanted(self) -> None:
        """Take the drags of the canvas while a box or a lasso is wanted and the dock in view."""
        wanted: Any = _DRAWS.get(self.panel.kind)
        self.drawing.take(wanted if self._dock.isVisible() else None)

    def _outlined(self, outline: np.ndarray[Any, Any]) -> None:
        encoding = self._dock.workspace.encoding
        if encoding is None:
            return
        rows = rows_in_outline(encoding.centres_um, outline)
        if not len(rows):
            self._dock.strip.say(
                "caution", "No patch of tissue lies inside: draw around tissue.", key="glass"
            )
            return
        self._dock.strip.clear("glass")
        self._dock.workspace.selection = None
        self._dock.workspace.region = tuple(rows.tolist())

    def selected(self, selection: int | None) -> None:
        """Ask about the patch that was clicked."""
        if selection is None:
            if not self._dock.workspace.region:
                self._dock.show_nothing()
            return
        self._dock.workspace.region = ()
        self.refused.clear()
        self._dock.strip.clear("glass")
        if self.panel.kind == CLICK:
            self.search()
        else:
            self.panel.set_kind(CLICK)

    def region_changed(self, region: tuple[int, ...]) -> None:
        """Ask about the patches that were outlined."""
        self.refused.clear()
        if region:
            self.search()

    def forget(self) -> None:
        """Leave nothing out any more, and take the outline away: another slide came."""
        self.refused.clear()
        hide_region(self._dock.viewer)

    def state(self) -> State:
        """Describe the question for the session."""
        return {
            **self.panel.state(),
            "count": int(self.count.currentData()),
            "region": list(self._dock.workspace.region),
            "refused": sorted(self.refused),
        }

    def restore(self, state: State) -> None:
        """Set the question as it was and ask again."""
        encoding = self._dock.workspace.encoding
        if state.get("count") in COUNTS:
            self.count.setCurrentIndex(COUNTS.index(state["count"]))
        region = tuple(int(row) for row in state.get("region") or ())
        if encoding is not None and region and max(region) < encoding.n_patches:
            self._dock.workspace.region = region
        self.panel.restore(state)
        self.refused = {int(row) for row in state.get("refused") or ()}
        self.search()
