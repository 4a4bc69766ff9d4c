"""How patches are grouped: how many niches, by what, how, and of which tissue."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QPushButton, QWidget
from superqt import QLabeledSlider
from superqt.utils import signals_blocked

from napari_haiku.analysis.niches.niche_request import CLUSTERS, METHOD, SMOOTH, usual_modality
from napari_haiku.widgets.frame.appearance import LABEL_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.analysis.niches.niches import GroupBy, Method

FEWEST, MOST = 2, 12
_WORDS: dict[GroupBy, str] = {"he": "H&E", "mif": "mIF", "both": "H&E and mIF"}
_METHODS: dict[Method, str] = {
    "kmeans": "k-means",
    "gaussian": "mixture",
    "leiden": "Leiden",
}
_NEEDED = ("igraph", "leidenalg")
_NO_LEIDEN = "Leiden is not installed: pip install 'napari-haiku[leiden]'."
_HOW = (
    "How patches are grouped. k-means: each to its nearest centre. Mixture: niches that differ in "
    "spread. Leiden: communities of like patches, which find their number by themselves."
)
_OF = (
    "This slide: niches of its own. Whole atlas: the niches of all patients of the atlas, with "
    "the same numbers, colours and names on every slide."
)
_NO_ATLAS = "No atlas is open: open one to find niches across its patients."


class NicheSettings(QWidget):
    """Slider, modality, smoothing, method and scope.

    Signals
    -------
    clusters_changed : ()
        The number of niches changed, by the slider.
    changed : ()
        Anything else changed.
    """

    clusters_changed = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.clusters = QLabeledSlider(Qt.Orientation.Horizontal)
        self.clusters.setRange(FEWEST, MOST)
        self.clusters.setValue(CLUSTERS)
        for part in (self.clusters, *self.clusters.findChildren(QWidget)):
            part.setToolTip("How many kinds of tissue to tell apart.")
        self.clusters.setAccessibleName("Number of niches")
        self.suggestion = QPushButton()
        self.suggestion.setProperty("haiku", "small")
        self.suggestion.setToolTip(
            "The number whose niches come out most alike when they are found again from other "
            "patches. Click to take it."
        )
        self.suggestion.hide()
        self._suggested: int | None = None
        self.group_by = QComboBox()
        self.group_by.setToolTip("What makes two patches alike.")
        self.group_by.setAccessibleName("Group by")
        self.smooth = QCheckBox("smooth")
        self.smooth.setChecked(SMOOTH)
        self.smooth.setToolTip("Smooth edges: each patch also listens to its eight neighbours.")
        self.method = QComboBox()
        self.method.setToolTip(_HOW)
        self.method.setAccessibleName("Method")
        for method, words in _METHODS.items():
            self.method.addItem(words, method)
        self.method.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        if not all(find_spec(module) for module in _NEEDED):
            _forbid(self.method, "leiden", _NO_LEIDEN)
        self.scope = QComboBox()
        self.scope.setToolTip(_OF)
        self.scope.setAccessibleName("Niches of")
        self.scope.addItem("this slide", False)
        self.scope.addItem("whole atlas", True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(6)
        for row, (text, first, second) in enumerate(
            (
                ("Niches", self.clusters, self.suggestion),
                ("Group by", self.group_by, self.smooth),
                ("Found by", self.method, self.scope),
            )
        ):
            name = QLabel(text)
            name.setFixedWidth(LABEL_WIDTH)
            name.setToolTip(first.toolTip())
            grid.addWidget(name, row, 0)
            grid.addWidget(first, row, 1)
            grid.addWidget(second, row, 2)
        grid.setColumnStretch(1, 1)
        self.clusters.valueChanged.connect(lambda _value: self.clusters_changed.emit())
        self.group_by.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.smooth.toggled.connect(lambda _on: self.changed.emit())
        self.method.currentIndexChanged.connect(self._on_method)
        self.scope.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.offer_atlas(False)
        self.suggestion.clicked.connect(lambda _checked=False: self._take_suggestion())

    @property
    def modality(self) -> GroupBy:
        """What the patches are grouped by."""
        modality: GroupBy = self.group_by.currentData() or "he"
        return modality

    @property
    def chosen_method(self) -> Method:
        """How the patches are grouped."""
        method: Method = self.method.currentData()
        return method

    @property
    def whole_atlas(self) -> bool:
        """Whether the niches of the atlas are wanted rather than the slide's own."""
        return bool(self.scope.currentData())

    def offer_atlas(self, there: bool) -> None:
        """Offer the niches of the atlas where there is one."""
        if not there and self.whole_atlas:
            with signals_blocked(self.scope):
                self.scope.setCurrentIndex(self.scope.findData(False))
        _forbid(self.scope, True, "" if there else _NO_ATLAS)

    def offer(self, present: Sequence[str]) -> None:
        """Offer what the slide has to group by."""
        offered: list[GroupBy] = [name for name in _WORDS if name in present]
        if len(offered) > 1:
            offered.append("both")
        now = [self.group_by.itemData(index) for index in range(self.group_by.count())]
        if offered != now:
            with signals_blocked(self.group_by):
                self.group_by.clear()
                for name in offered:
                    self.group_by.addItem(_WORDS[name], name)
                if present:
                    usual = usual_modality([present])
                    self.group_by.setCurrentIndex(self.group_by.findData(usual))

    def suggest(self, clusters: int | None) -> None:
        """Say how many niches are most repeatable; None while it is not known."""
        self._suggested = clusters
        self.suggestion.setVisible(clusters is not None)
        self.suggestion.setText("" if clusters is None else f"suggested: {clusters}")

    def take(
        self,
        clusters: int,
        modality: str,
        smooth: bool,
        method: str = METHOD,
        *,
        whole_atlas: bool = False,
    ) -> None:
        """Set everything without telling anybody."""
        with (
            signals_blocked(self.method),
            signals_blocked(self.scope),
            signals_blocked(self.clusters),
            signals_blocked(self.group_by),
            signals_blocked(self.smooth),
        ):
            self.clusters.setValue(clusters)
            place = self.group_by.findData(modality)
            if place >= 0:
                self.group_by.setCurrentIndex(place)
            self.smooth.setChecked(smooth)
            for box, value in ((self.method, method), (self.scope, whole_atlas)):
                place = box.findData(value)
                if place >= 0 and _allowed(box, place):
                    box.setCurrentIndex(place)
        self._show_whether_counted()

    def _on_method(self, _index: int) -> None:
        self._show_whether_counted()
        self.changed.emit()

    def _show_whether_counted(self) -> None:
        counted = self.chosen_method != "leiden"
        self.clusters.setEnabled(counted)
        self.suggestion.setEnabled(counted)

    def _take_suggestion(self) -> None:
        if self._suggested is not None:
            self.clusters.setValue(self._suggested)


def _forbid(box: QComboBox, value: Any, why: str) -> None:
    """Grey an entry and say why; "" allows it again."""
    item = _item(box, box.findData(value))
    item.setEnabled(not why)
    item.setToolTip(why)


def _allowed(box: QComboBox, place: int) -> bool:
    return bool(_item(box, place).isEnabled())


def _item(box: QComboBox, place: int) -> Any:
    # A combo box's model is a standard one, whose items Qt's types do not know.
    model: Any = box.model()
    return model.item(place)
