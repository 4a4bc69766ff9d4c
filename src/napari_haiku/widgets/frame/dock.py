"""What every Haiku dock has: atlas line, scrolling body, message strip, footer, empty states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QFont, QFontMetrics, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_haiku.viewer.layers.slice_cache import forget_drawn_pixels
from napari_haiku.viewer.search.selecting import follow_clicks
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.appearance import LABEL_WIDTH, MIN_DOCK_WIDTH, dock_stylesheet
from napari_haiku.widgets.frame.atlas_line import AtlasLine
from napari_haiku.widgets.frame.atlas_opening import AtlasOpening
from napari_haiku.widgets.frame.empty_page import EmptyPage
from napari_haiku.widgets.frame.job_desk import JobDesk
from napari_haiku.widgets.frame.keys import bind_keys
from napari_haiku.widgets.frame.message_strip import MessageStrip, State
from napari_haiku.widgets.frame.navigation import ENCODE, raise_dock
from napari_haiku.widgets.frame.session_keeper import keep_session
from napari_haiku.widgets.frame.slide_opening import SlideOpening
from napari_haiku.widgets.frame.window_watch import WindowWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from psygnal import SignalInstance

    from napari_haiku.jobs import Job, Progress
    from napari_haiku.widgets.frame.jobs import Failure

T = TypeVar("T")
_PRIMARY_PADDING = 26
Need = Literal["slide", "encoding", "atlas"]


class HaikuDock(QWidget):
    """Base of the five docks.

    A subclass sets :attr:`title` and :attr:`needs`, fills :attr:`body` in
    :meth:`build`, and reacts to the workspace through :meth:`follow`.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer the dock belongs to (napari gives it by this name).

    Attributes
    ----------
    viewer : napari.Viewer
        The viewer.
    workspace : Workspace
        What the docks share.
    body : QVBoxLayout
        Where the subclass puts its controls.
    strip : MessageStrip
        Where the dock speaks.
    primary : QPushButton
        The blue button.
    """

    title: ClassVar[str] = ""
    needs: ClassVar[tuple[Need, ...]] = ("slide", "encoding", "atlas")
    restores_early: ClassVar[bool] = False

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.workspace = workspace_of(napari_viewer)
        self.setObjectName(f"haiku-{self.title.split()[0].lower()}")
        self.setMinimumWidth(MIN_DOCK_WIDTH)
        self.setMinimumHeight(240)
        # napari pushes a widget of any other policy to the top of its dock.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._followed: list[tuple[Any, Callable[..., object]]] = []
        self._window = WindowWatch(self, self.shut_down)
        self._closed = False
        self.atlases = AtlasOpening(self)
        self.slides = SlideOpening(self)
        self._lay_out()
        self.build()
        self._connect()
        self.refresh()
        self._leave_session = self.workspace.session.join(
            self.title, self.session_state, self.restore_session, early=self.restores_early
        )
        self._stop_keeping = keep_session(napari_viewer)
        self._free_keys = bind_keys(napari_viewer, self)

    def build(self) -> None:
        """Fill :attr:`body` and the footer; called once."""

    def on_state(self) -> None:
        """React to a change of slide, encoding or atlas; called after the shared states."""

    def press_primary(self) -> None:
        """Do what the blue button says."""

    def key_actions(self) -> dict[str, Callable[[], object]]:
        """Name what this dock does for keys: action of :data:`keys.KEYS` -> slot."""
        return {name: getattr(self, name) for name in ("undo", "redo") if hasattr(self, name)}

    # -- what is kept between two visits ----------------------------------------------------------

    def session_state(self) -> dict[str, Any]:
        """Give what is to be kept beside the encoding.

        See :class:`napari_haiku.viewer.session.parts.SessionParts` for what may
        be in it; it takes a few milliseconds and does not read disk.
        """
        return {}

    def restore_session(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`session_state` gave at an earlier visit to this slide."""

    def session_changed(self) -> None:
        """Say that what :meth:`session_state` gives has changed; it is saved at once."""
        self.workspace.session.touch()

    # -- controls ---------------------------------------------------------------------------

    def heading(self, text: str, beside: QWidget | None = None) -> QLabel:
        """Add a section heading to the body, with `beside` at the right end of its line."""
        label = QLabel(text)
        label.setProperty("haiku", "heading")
        row = QHBoxLayout()
        row.setContentsMargins(0, 4, 0, 0)
        row.addWidget(label)
        row.addStretch(1)
        if beside is not None:
            row.addWidget(beside)
        self.body.addLayout(row)
        return label

    def row(self, label: str, *widgets: QWidget, tooltip: str = "") -> QHBoxLayout:
        """Add a labelled line of controls to the body; the first widget stretches."""
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        name = QLabel(label)
        name.setFixedWidth(LABEL_WIDTH)
        name.setToolTip(tooltip)
        line.addWidget(name)
        for position, widget in enumerate(widgets):
            if tooltip and not widget.toolTip():
                widget.setToolTip(tooltip)
            if not widget.accessibleName():
                widget.setAccessibleName(label)
            line.addWidget(widget, 1 if position == 0 else 0)
        self.body.addLayout(line)
        return line

    def note(self, text: str = "", *, look: str = "secondary") -> QLabel:
        """Make a wrapped line of secondary text (not yet added anywhere)."""
        label = QLabel(text)
        label.setProperty("haiku", look)
        label.setWordWrap(True)
        return label

    def add_secondary(
        self, text: str, slot: Callable[[], object] | None = None, *, tooltip: str = ""
    ) -> QPushButton:
        """Add a button to the left of the footer; without a slot, for a menu."""
        button = QPushButton(text)
        button.setToolTip(tooltip)
        if slot is not None:
            button.clicked.connect(lambda _checked=False: slot())
        self._footer.insertWidget(self._footer.count() - 2, button)
        return button

    def set_primary(self, text: str, *, enabled: bool = True, tooltip: str = "") -> None:
        """Name the blue button; it calls :meth:`press_primary`."""
        self.primary.setText(text)
        bold = QFont(self.primary.font())
        bold.setWeight(QFont.Weight.DemiBold)
        # The style sheet's bold words are wider than Qt's hint for the button.
        self.primary.setMinimumWidth(QFontMetrics(bold).horizontalAdvance(text) + _PRIMARY_PADDING)
        self.primary.setEnabled(enabled)
        self.primary.setToolTip(tooltip)
        self.primary.setVisible(bool(text))

    def bring_into_view(self, widget: QWidget) -> None:
        """Scroll the body so that a widget in it starts at the top."""
        top = widget.mapTo(self._content, QPoint(0, 0)).y()
        bar = self._scroll.verticalScrollBar()
        if bar is not None:
            bar.setValue(top)

    def go_to(self, name: str) -> None:
        """Raise another dock (a name of :mod:`napari_haiku.widgets.frame.navigation`)."""
        raise_dock(self.viewer, name)

    # -- workspace ----------------------------------------------------------------------------

    def follow(self, signal: SignalInstance, slot: Callable[..., object]) -> None:
        """Connect a psygnal or napari signal until the dock closes."""
        signal.connect(slot)
        self._followed.append((signal, slot))

    def missing(self) -> Need | None:
        """Name the first thing this dock needs and does not have."""
        workspace = self.workspace
        have = {
            "slide": workspace.has_slide or workspace.encoding is not None,
            "encoding": workspace.encoding is not None and workspace.encoding.complete,
            "atlas": workspace.atlas is not None,
        }
        for need in self.needs:
            if not have[need]:
                return need
        return None

    def refresh(self, *_: object) -> None:
        """Show the state the workspace is in."""
        if self._closed:
            return
        self.atlas_line.describe(self.workspace.atlas, self.workspace.encoding)
        missing = self.missing()
        self._pages.setCurrentIndex(0 if missing in ("slide", "encoding") else 1)
        self._footer_box.setVisible(missing not in ("slide", "encoding"))
        if missing == "slide":
            self._empty.show_no_slide()
        elif missing == "encoding":
            self._empty.show_not_encoded()
        self._content.setEnabled(missing != "atlas")
        self.primary.setEnabled(missing is None)
        if missing == "atlas":
            self.strip.say(
                "caution",
                "No atlas yet: open the demo atlas, or build one.",
                actions=self.no_atlas_actions(),
                key="no atlas",
            )
        else:
            self.strip.clear("no atlas")
        self.on_state()

    def no_atlas_actions(self) -> list[tuple[str, Callable[[], object]]]:
        """Buttons of the strip that says there is no atlas."""
        return [
            ("Open demo atlas", self.atlases.open_demo),
            ("Build...", self.atlases.choose_and_build),
        ]

    # -- jobs -----------------------------------------------------------------------------------

    def run(
        self,
        work: Job[T] | Callable[[], T],
        on_result: Callable[[T], object],
        doing: str,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        on_failure: Callable[[Failure], object] | None = None,
        on_stopped: Callable[[Progress | None], object] | None = None,
        lane: str = "main",
        quiet: bool = False,
    ) -> None:
        """Do work in a thread, showing progress after 0.3 s.

        A newer job in the same lane replaces the older one, whose answer is then
        dropped; see :meth:`napari_haiku.widgets.frame.job_desk.JobDesk.run`.
        """
        if not self._closed:
            self._desk.run(
                work,
                on_result,
                doing,
                on_progress=on_progress,
                on_failure=on_failure,
                on_stopped=on_stopped,
                lane=lane,
                quiet=quiet,
            )

    def is_running(self, lane: str | None = None) -> bool:
        """Whether this dock is at work."""
        return self._desk.is_running(lane)

    def cancel(self, lane: str = "main") -> None:
        """Cancel the job in `lane`; what it finished is kept."""
        self._desk.cancel(lane)

    def show_failure(self, failure: Failure) -> None:
        """Say in red what went wrong."""
        self._desk.show_failure(failure)

    def mark_stale(self, update: Callable[[], object]) -> None:
        """Say in amber that the result on show belongs to earlier settings."""
        self.strip.say(
            "caution",
            "Settings changed since this result.",
            actions=[("Update", update)],
            key="stale",
        )

    def shut_down(self) -> None:
        """Stop every job, wait for it, and let go of the workspace and the viewer."""
        if self._closed:
            return
        self._closed = True
        self._leave_session()
        self._stop_keeping()
        self._free_keys()
        for signal, slot in self._followed:
            signal.disconnect(slot)
        self._followed.clear()
        self._desk.close()
        self._window.leave()
        self._leave_clicks()
        forget_drawn_pixels()

    # -- inside -----------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.atlas_line = AtlasLine()
        self._empty = EmptyPage()
        self._content = QWidget()
        self.body = QVBoxLayout(self._content)
        self.body.setContentsMargins(4, 2, 8, 2)
        self.body.setSpacing(6)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._content)
        self._scroll = scroll
        self._pages = QStackedWidget()
        self._pages.addWidget(self._empty)
        self._pages.addWidget(scroll)
        self.strip = MessageStrip()
        self._desk = JobDesk(self.strip, self.workspace, self)
        self.primary = QPushButton()
        self.primary.setProperty("haiku", "primary")
        self.primary.clicked.connect(lambda _checked=False: self.press_primary())
        self._footer_box = QWidget()
        self._footer = QHBoxLayout(self._footer_box)
        self._footer.setContentsMargins(0, 2, 0, 2)
        self._footer.addStretch(1)
        self._footer.addWidget(self.primary)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 8, 4)
        column.setSpacing(6)
        column.addWidget(self.atlas_line)
        column.addWidget(self._pages, 1)
        column.addWidget(self.strip)
        column.addWidget(self._footer_box)

    def _connect(self) -> None:
        events = self.workspace.events
        for signal in (events.he, events.mif, events.encoding, events.atlas):
            self.follow(signal, self.refresh)
        self.follow(events.busy, self._empty.wait)
        self.follow(self.workspace.session.spoke, self._say_of_session)
        self.follow(self.viewer.events.theme, self._restyle)
        self._restyle()
        self._leave_clicks = follow_clicks(self.viewer)
        self._empty.open_wanted.connect(self.slides.choose)
        self._empty.sample_wanted.connect(self.slides.open_sample)
        self._empty.encode_wanted.connect(lambda: self.go_to(ENCODE))
        line = self.atlas_line
        line.demo_wanted.connect(self.atlases.open_demo)
        line.open_wanted.connect(self.atlases.choose)
        line.build_wanted.connect(self.atlases.choose_and_build)
        line.this_slide_wanted.connect(self.atlases.of_this_slide)
        for keys, slot in (("Ctrl+Return", self.primary.click), ("Esc", self._desk.cancel_all)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)

    def _say_of_session(self, state: State, sentence: str) -> None:
        if self.isVisible():
            self.strip.say(state, sentence, key="session")

    def _restyle(self, *_: object) -> None:
        self.setStyleSheet(dock_stylesheet(self.viewer.theme))

    def showEvent(self, event: Any) -> None:
        """Watch the window the dock was put into, so that closing it stops the jobs."""
        if not self._closed:
            self._window.watch(self.window())
        super().showEvent(event)

    def closeEvent(self, event: Any) -> None:
        """Shut down when the dock itself is closed."""
        self.shut_down()
        super().closeEvent(event)
