"""Four bubbles that show a newcomer around, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from qtpy.QtCore import QEvent, QObject, QPoint, Qt, QTimer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.appearance import is_light
from napari_haiku.widgets.frame.navigation import BIOMARKERS, ENCODE, SIMILAR

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

_WIDTH, _GAP, _MARGIN = 264, 10, 14


@dataclass(frozen=True)
class Stop:
    """One bubble.

    Parameters
    ----------
    dock : str
        The dock it speaks of; it is raised.
    title, words : str
        What it says.
    reached : str
        Workspace field whose arrival goes on by itself; "" for none. Only
        where the next bubble stands at the same dock: no dock is raised unasked.
    """

    dock: str
    title: str
    words: str
    reached: str = ""


STOPS = (
    Stop(
        ENCODE,
        "Open a slide",
        "Open an H&E slide, an mIF slide or both, or press Try the sample: a virtual tumour with "
        "its atlas.",
        "he",
    ),
    Stop(
        ENCODE,
        "Encode it",
        "Check the yellow rows, then press the blue Encode. You may stop at any time: what is "
        "finished is kept.",
    ),
    Stop(
        SIMILAR,
        "Click tissue",
        "Click anywhere on the tissue, and the most similar patches of other patients appear here. "
        "H does it under the pointer.",
    ),
    Stop(
        BIOMARKERS,
        "See what it probably carries",
        "Press Predict for a map of each marker, with the measured patches behind every value. "
        "Niches and Counterfactual come next.",
    ),
)

# Where a newcomer begins once the bubbles are through.
FIRST = ENCODE


def seen_file() -> Path:
    """File whose presence says that this user was shown around."""
    return Path(platformdirs.user_config_dir("napari-haiku", appauthor=False)) / "shown_around"


class Tour(QObject):
    """Shows the bubbles beside the docks, one at a time.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    window : QWidget
        Its window.
    raise_dock : callable
        Raises the dock of a name and gives its widget.
    """

    def __init__(
        self, viewer: napari.Viewer, window: QWidget, raise_dock: Callable[[str], Any]
    ) -> None:
        super().__init__(window)
        self._events = workspace_of(viewer).events
        self._theme = str(viewer.theme)
        self._raise_dock = raise_dock
        self._beside: QWidget | None = None
        self._step = 0
        self._begun = False
        self._signal: Any = None
        self.bubble = Bubble(window)
        self.bubble.next_button.clicked.connect(lambda _checked=False: self.go_on())
        self.bubble.skip_button.clicked.connect(lambda _checked=False: self.end())

    @property
    def _window(self) -> QWidget | None:
        # Asked for and not held: it would keep the closed window alive.
        window = self.parent()
        return window if isinstance(window, QWidget) else None

    @property
    def running(self) -> bool:
        """Whether a bubble is there."""
        return not self.bubble.isHidden()

    def start_once(self) -> None:
        """Show a newcomer around; do nothing for anybody else."""
        if not seen_file().exists() and not self._begun:
            self._begun = True
            self.start()

    def start(self) -> None:
        """Show the first bubble."""
        if self._window is not None:
            self._window.installEventFilter(self)
        self._show(0)

    def go_on(self) -> None:
        """Show the next bubble, or end after the last."""
        if self._step + 1 < len(STOPS):
            self._show(self._step + 1)
        else:
            self.end()
            self._raise_dock(FIRST)

    def end(self) -> None:
        """Take the bubble away and remember that this user was shown around."""
        self.leave()
        try:
            seen_file().parent.mkdir(parents=True, exist_ok=True)
            seen_file().touch()
        except OSError:
            # Shown again next time; nothing else depends on it.
            return

    def leave(self) -> None:
        """Take the bubble away."""
        self._unfollow()
        self._beside = None
        if self._window is not None:
            self._window.removeEventFilter(self)
        self.bubble.hide()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keep the bubble beside its dock."""
        if event is not None and event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._place()
        return super().eventFilter(watched, event)

    def _show(self, step: int) -> None:
        self._unfollow()
        self._step = step
        stop = STOPS[step]
        self._beside = self._raise_dock(stop.dock)
        self.bubble.tell(step + 1, stop, last=step + 1 == len(STOPS), theme=self._theme)
        self.bubble.show()
        self.bubble.raise_()
        self._place()
        QTimer.singleShot(50, self._place)
        if stop.reached:
            self._signal = getattr(self._events, stop.reached)
            self._signal.connect(self._reached)

    def _reached(self, value: object) -> None:
        if value is not None:
            self._unfollow()
            QTimer.singleShot(0, self._go_on_if_running)

    def _go_on_if_running(self) -> None:
        if self.running:
            self.go_on()

    def _unfollow(self) -> None:
        if self._signal is not None:
            self._signal.disconnect(self._reached)
            self._signal = None

    def _place(self) -> None:
        dock, window = self._beside, self._window
        if dock is None or window is None or not self.running:
            return
        self.bubble.adjustSize()
        corner = dock.mapTo(window, QPoint(0, 0))
        x = corner.x() - self.bubble.width() - _GAP
        if x < 0:
            x = min(corner.x() + dock.width() + _GAP, window.width() - self.bubble.width() - _GAP)
        self.bubble.move(x, corner.y() + min(120, dock.height() // 4))


class Bubble(QFrame):
    """A small card over the window with a title, a sentence, Skip and Next."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("haiku-bubble")
        self.setFixedWidth(_WIDTH)
        self.title = QLabel()
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.count = QLabel()
        self.skip_button = QPushButton("Skip")
        self.skip_button.setToolTip("Do without; Help > Haiku > Show me around brings it back.")
        self.next_button = QPushButton("Next")
        self.next_button.setToolTip("Go on to the next step.")
        row = QHBoxLayout()
        row.addWidget(self.count)
        row.addStretch(1)
        row.addWidget(self.skip_button)
        row.addWidget(self.next_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(_MARGIN, 12, _MARGIN, 12)
        column.setSpacing(8)
        column.addWidget(self.title)
        column.addWidget(self.words)
        column.addLayout(row)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.hide()

    def tell(self, number: int, stop: Stop, *, last: bool, theme: str) -> None:
        """Say what one stop says."""
        self.title.setText(f"{number}  {stop.title}")
        self.words.setText(stop.words)
        # A wrapped label's own hint is too low for a card of fixed width.
        self.words.setMinimumHeight(self.words.heightForWidth(_WIDTH - 2 * _MARGIN))
        self.count.setText(f"{number} of {len(STOPS)}")
        self.next_button.setText("Done" if last else "Next")
        light = is_light(theme)
        ground, text, edge = (
            ("#FFFFFF", "#23242B", "#3A57C0") if light else ("#2B3550", "#F0F1F2", "#6B8CFF")
        )
        self.setStyleSheet(
            f"#haiku-bubble {{ background: {ground}; border: 2px solid {edge};"
            " border-radius: 8px; }"
            f"QLabel {{ color: {text}; background: transparent; }}"
            f"QPushButton {{ color: white; background: {'#3A57C0' if light else '#4A63B8'};"
            " border-radius: 3px; padding: 4px 12px; }"
        )
        self.title.setStyleSheet(f"color: {text}; font-weight: 600; background: transparent;")
