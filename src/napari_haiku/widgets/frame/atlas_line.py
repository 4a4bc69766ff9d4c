"""The first line of every dock: which atlas the answers are read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QWidget
from superqt import QElidingLabel

from napari_haiku.atlas.shipped import shipped_atlas
from napari_haiku.widgets.frame.restyling import set_look

if TYPE_CHECKING:
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

_TOLD = "Every answer below is read off these patients' slides."


class AtlasLine(QFrame):
    """Names the atlas and offers to change it."""

    demo_wanted = Signal()
    open_wanted = Signal()
    build_wanted = Signal()
    this_slide_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("haiku", "atlas-line")
        self._label = QElidingLabel()
        # How many patients and patches matters more than the end of a long name.
        self._label.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.change = QPushButton("Change")
        self.change.setToolTip("Open another atlas, or build one.")
        menu = QMenu(self.change)
        for text, signal in (
            ("Open atlas...", self.open_wanted),
            ("Demo atlas", self.demo_wanted),
            ("Build from encoded slides...", self.build_wanted),
        ):
            action = QAction(text, menu)
            action.triggered.connect(lambda _checked=False, s=signal: s.emit())
            menu.addAction(action)
        menu.addSeparator()
        self._this_slide = QAction("This slide, other region", menu)
        menu.addAction(self._this_slide)
        self._this_slide.setToolTip(
            "The slide answers for itself, from tissue at least 500 um away from each patch."
        )
        self._this_slide.triggered.connect(lambda _checked=False: self.this_slide_wanted.emit())
        self.change.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 3, 4, 3)
        row.setSpacing(4)
        row.addWidget(self._label, 1)
        row.addWidget(self.change)
        self.describe(None, None)

    @property
    def text(self) -> str:
        """What the line says."""
        return str(self._label.text())

    def describe(self, atlas: Atlas | None, encoding: Encoding | None) -> None:
        """Show an atlas and whether it can be compared with the slide."""
        self._this_slide.setEnabled(encoding is not None and encoding.complete)
        caution = False
        if atlas is None:
            text = "No atlas open"
        else:
            text = (
                f"{_called(atlas)} · {_count(atlas.n_patients, 'patient')} · "
                f"{_count(len(atlas.patches), 'patch', 'patches')}"
            )
            caution = encoding is not None and encoding.model_fingerprint != atlas.model_fingerprint
            if caution:
                text = f"Other model ({atlas.model_name}) · " + text
        self._label.setText(text)
        # A name too long for the line is told whole here.
        self._label.setToolTip(f"{text}.\n{_TOLD}" if atlas is not None else _TOLD)
        set_look(self._label, "haiku", "caution" if caution else "")


def _called(atlas: Atlas) -> str:
    return "Demo atlas" if atlas.path == shipped_atlas() else f"Atlas {atlas.name}"


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
