"""The line at the bottom of the window: slide, patches, atlas, model, device, saved when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolBar,
    QToolButton,
    QWidget,
)

from napari_haiku.notices import RESEARCH_USE
from napari_haiku.viewer.slides.encoding_place import stem_of
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.appearance import CAUTION, secondary_text
from napari_haiku.widgets.frame.navigation import ENCODE, SIMILAR, raise_dock

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

OBJECT_NAME = "haiku-status"
_HEIGHT = 24


class StatusLine(QToolBar):
    """Always says what is in place; each part leads to where it is changed.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer whose workspace is told.
    """

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__("Haiku", parent)
        self.setObjectName(OBJECT_NAME)
        self.setMovable(False)
        self.setFloatable(False)
        self.setFixedHeight(_HEIGHT)
        self._viewer = viewer
        self._workspace = workspace_of(viewer)
        self._saved_at: datetime | None = None
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(6, 0, 8, 0)
        row.setSpacing(0)
        goes: dict[str, tuple[str, Callable[[], object]]] = {
            "slide": ("The slide in view. Click: Encode.", lambda: self._go(ENCODE)),
            "patches": ("Patches of tissue encoded. Click: Encode.", lambda: self._go(ENCODE)),
            "atlas": (
                "Answers are read off this atlas. Click: Similar.",
                lambda: self._go(SIMILAR),
            ),
            "model": (
                "Turns tissue into what is compared. Click: Encode.",
                lambda: self._go(ENCODE),
            ),
            "device": ("Where the work is done.", lambda: self._go(ENCODE)),
            "saved": ("What was last saved. Click: open its folder.", self._open_folder),
        }
        self.parts: dict[str, QPushButton] = {}
        self._rules: dict[str, QFrame] = {}
        for name, (tooltip, slot) in goes.items():
            if self.parts:
                rule = QFrame()
                rule.setFixedSize(1, 12)
                row.addWidget(rule)
                self._rules[name] = rule
            button = QPushButton()
            button.setFlat(True)
            button.setToolTip(tooltip)
            button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _checked=False, go=slot: go())
            row.addWidget(button)
            self.parts[name] = button
        row.addStretch(1)
        self.research = QLabel(RESEARCH_USE)
        row.addWidget(self.research)
        self.menu_button = QToolButton()
        self.menu_button.setText("Haiku \N{BLACK UP-POINTING SMALL TRIANGLE}")
        self.menu_button.setToolTip("Show me around, keys, save and open a copy of the session.")
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_button.hide()
        row.insertWidget(0, self.menu_button)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(box)
        self._signals: list[tuple[Any, Callable[..., object]]] = []
        events = self._workspace.events
        for field in (
            events.he,
            events.mif,
            events.encoding,
            events.atlas,
            events.model,
            events.busy,
        ):
            self._follow(field, self.refresh)
        self._follow(events.saved, self._saved)
        self._follow(viewer.events.theme, self._restyle)
        self._restyle()
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Say what is in place."""
        workspace = self._workspace
        image = workspace.he or workspace.mif
        encoding, atlas, model = workspace.encoding, workspace.atlas, workspace.model
        if image is not None:
            self._say("slide", f"Slide {_short(stem_of(image.name))}")
        elif encoding is not None:
            self._say("slide", f"Slide {_short(encoding.slide_id)}")
        else:
            self._say("slide", "No slide")
        if encoding is not None:
            patches = f"{encoding.n_patches:,} patches encoded"
        else:
            patches = "not encoded" if image is not None else ""
        self._say("patches", f"{workspace.busy}..." if workspace.busy else patches)
        self._say("atlas", f"Atlas {_short(atlas.name)}" if atlas is not None else "No atlas")
        name = model.name if model is not None else encoding.model_name if encoding else ""
        self._say("model", f"Model {_short(name)}" if name else "")
        self._say("device", model.device.label if model is not None else "")
        saved = "" if self._saved_at is None else f"saved {self._saved_at:%H:%M}"
        self._say("saved", saved)

    def offer(self, menu: QMenu) -> None:
        """Open a menu from the left end of the line."""
        self.menu_button.setMenu(menu)
        self.menu_button.show()

    def shut_down(self) -> None:
        """Let go of the workspace and the viewer."""
        for signal, slot in self._signals:
            signal.disconnect(slot)
        self._signals.clear()

    @property
    def text(self) -> str:
        """Everything the line says."""
        said = [button.text() for button in self.parts.values() if button.text()]
        return " | ".join([*said, self.research.text()])

    def _follow(self, signal: Any, slot: Callable[..., object]) -> None:
        signal.connect(slot)
        self._signals.append((signal, slot))

    def _say(self, part: str, text: str) -> None:
        self.parts[part].setText(text)
        self.parts[part].setVisible(bool(text))
        if part in self._rules:
            self._rules[part].setVisible(bool(text))

    def _saved(self, path: object) -> None:
        self._saved_at = datetime.now() if path is not None else None
        self.refresh()

    def _go(self, dock: str) -> None:
        raise_dock(self._viewer, dock)

    def _open_folder(self) -> None:
        if self._workspace.saved is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._workspace.saved.parent)))

    def _restyle(self, *_: object) -> None:
        muted = secondary_text(self._viewer.theme)
        caution = "#6B5200" if self._viewer.theme == "light" else CAUTION
        self.setStyleSheet(
            "QToolBar { border: none; padding: 0; spacing: 0; }"
            f"QPushButton, QToolButton {{ background: transparent; border: none; color: {muted};"
            " padding: 1px 7px; }"
            f"QFrame {{ background: {muted}; }} QLabel {{ background: transparent; }}"
            "QPushButton:hover, QToolButton:hover { text-decoration: underline; }"
            "QToolButton::menu-indicator { image: none; }"
        )
        self.research.setStyleSheet(f"color: {caution}; background: transparent;")


def _short(name: str, most: int = 28) -> str:
    """Cut a name from the left, where file names differ least."""
    return name if len(name) <= most else "..." + name[-(most - 3) :]
