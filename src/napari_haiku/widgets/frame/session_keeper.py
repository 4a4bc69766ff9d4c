"""Saves the session beside the encoding by itself, and brings it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import QObject, QTimer

from napari_haiku.viewer.session.belonging import Belonging
from napari_haiku.viewer.session.drawn_layers import (
    drawn_state,
    is_drawn,
    remove_drawn,
    restore_drawn,
    too_large,
)
from napari_haiku.viewer.session.layer_looks import LayerLooks
from napari_haiku.viewer.session.session_store import SessionStore, StoreAnswer
from napari_haiku.viewer.session.workspace_state import restore_workspace, workspace_state
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.copy_opening import CopyOpening
from napari_haiku.widgets.frame.jobs import failure_of
from napari_haiku.widgets.frame.session_thread import SessionThread

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Layer

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.session.parts import State
    from napari_haiku.viewer.workspace import Workspace

_SOON_MS, _LATER_MS, _SETTLED_MS = 100, 2000, 1500
_WORKSPACE, _DRAWN, _LOOKS = "workspace", "drawn layers", "layers"


class SessionKeeper(QObject):
    """One viewer's session: asks the parts, writes in a thread of its own, tells them again.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer, not a proxy of it.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.users = 0
        self._real = ref(viewer)
        self._workspace = workspace_of(viewer)
        self._session = self._workspace.session
        self._looks = LayerLooks()
        self._store: SessionStore | None = None
        self._drawn_now: State = {"layers": []}
        self._closing = False
        self._unsaved = False
        self._its_atlas = False
        self._then_say = ""
        self._opening = CopyOpening(self)
        self._thread = SessionThread(self._take, self)
        self._soon = self._timer(_SOON_MS, self.save)
        self._later = self._timer(_LATER_MS, self.save)
        self._settled = self._timer(_SETTLED_MS, self._dress)
        self._leaves = [
            self._session.join(_WORKSPACE, self._workspace_state, self._put_workspace),
            self._session.join(_LOOKS, self._looks_state, self._put_looks),
            self._session.join(_DRAWN, self._drawn, self._put_drawn, early=True),
        ]
        self._followed: list[tuple[Any, Callable[..., object]]] = []
        session, events, layers = self._session, self._workspace.events, viewer.layers.events
        for signal, slot in (
            (session.touched, self._touch_soon),
            (session.placed, self._open),
            (session.leaving, self._leave),
            (events.encoding, self._encoding_came),
            (events.selection, self._touch),
            (events.record, self._touch),
            (events.marker, self._touch),
            (events.within_patient_um, self._touch),
            (events.atlas, self._touch),
            (layers.inserted, self._layer_came),
            (layers.removing, self._layer_goes),
            (layers.removed, self._layer_went),
            (viewer.scene.camera.events.center, self._touch_later),
            (viewer.scene.camera.events.zoom, self._touch_later),
        ):
            signal.connect(slot)
            self._followed.append((signal, slot))
        for layer in viewer.layers:
            self._follow_layer(layer)
        if session.place is not None and not session.live:
            self._open(session.place)

    @property
    def _viewer(self) -> Any:
        # Not held: the keeper is found by its viewer and would keep it alive for ever.
        viewer = self._real()
        if viewer is None:
            raise ReferenceError("the viewer is gone")
        return viewer

    # -- saving -----------------------------------------------------------------------------------

    def save(self) -> None:
        """Save what there is now; returns at once."""
        self._soon.stop()
        self._later.stop()
        self._unsaved = False
        store = self._store
        if store is None or not self._session.live:
            return
        parts, belonging = self._session.gather(), self._belonging
        self.submit(store, lambda: store.write(parts, belonging))

    def _save_the_rest(self) -> None:
        # A slide that was only looked at leaves nothing beside its image.
        if self._workspace.encoding is not None or self._unsaved or self._soon.isActive():
            self.save()

    def save_as(self, place: Path) -> None:
        """Save a copy elsewhere; the session itself goes on where it lies."""
        copy = SessionStore(place, copy=True)
        parts, belonging = self._session.gather(), self._belonging
        self.submit(copy, lambda: copy.write(parts, belonging))

    def open_copy(self, place: Path) -> None:
        """Go on from a saved copy; the session in view is set aside under a dated name."""
        self._opening.open(place)

    @property
    def workspace(self) -> Workspace:
        """What the docks of the viewer share."""
        return self._workspace

    @property
    def store(self) -> SessionStore | None:
        """The session on disk; None while there is none."""
        return self._store

    @property
    def unsaved(self) -> bool:
        """Whether something changed that was not handed over yet."""
        return self._unsaved or self._soon.isActive()

    def read_anew(self, encoding: Encoding, sentence: str) -> None:
        """Bring back what lies on disk in place of what is in view, which is not saved.

        Parameters
        ----------
        encoding : Encoding
            The encoding in view, opened anew: answers on their way to the old
            one are dropped.
        sentence : str
            What is said once everything is back.
        """
        workspace, place = self._workspace, str(self._session.place)
        self._unsaved = False
        for timer in (self._soon, self._later, self._settled):
            timer.stop()
        self._end_store()
        workspace.open_encoding(None)
        remove_drawn(self._viewer, place)
        self._its_atlas = True
        self._then_say = sentence
        workspace.open_encoding(encoding)
        workspace.record = {}

    @property
    def under_way(self) -> bool:
        """Whether something is still being read, written or brought back."""
        return self._thread.unanswered > 0 or self._settled.isActive()

    def wait(self) -> None:
        """Wait until everything handed over is on disk."""
        self._thread.wait()

    def shut_down(self) -> None:
        """Save what is left, and let go of the viewer."""
        if self._closing:
            return
        self._closing = True
        self._save_the_rest()
        self._end_store()
        for signal, slot in self._followed:
            signal.disconnect(slot)
        self._followed.clear()
        for leave in self._leaves:
            leave()
        for timer in (self._soon, self._later, self._settled):
            timer.stop()
        self._thread.close()
        self._session.end()

    # -- what is kept -----------------------------------------------------------------------------

    @property
    def _belonging(self) -> Belonging | None:
        encoding = self._workspace.encoding
        return None if encoding is None else Belonging.of(encoding)

    def _workspace_state(self) -> State:
        return workspace_state(self._viewer, self._workspace)

    def _looks_state(self) -> State:
        return self._looks.state(self._viewer)

    def _put_looks(self, state: State) -> None:
        self._looks.restore(self._viewer, state)

    def _drawn(self) -> State:
        # napari empties the layer list before it closes a window: nobody deleted anything then.
        if not self._closing or len(self._viewer.layers):
            self._drawn_now = drawn_state(self._viewer, str(self._session.place))
        return self._drawn_now

    def _put_drawn(self, state: State) -> None:
        self._drawn_now = state
        restore_drawn(self._viewer, str(self._session.place), state)

    def _put_workspace(self, state: State) -> None:
        restore_workspace(self._viewer, self._workspace, state)

    def _touch(self, *_: object) -> None:
        self._unsaved = True
        self._session.touch()

    def _touch_soon(self) -> None:
        # Not started anew at every change: a long stroke must not put the saving off.
        if not self._soon.isActive():
            self._soon.start()

    def _touch_later(self, *_: object) -> None:
        # Looking at a slide that is not encoded leaves nothing beside its image.
        if self._workspace.encoding is None or not self._session.live:
            return
        if not self._later.isActive():
            self._later.start()

    def _layer_came(self, event: Any) -> None:
        self._follow_layer(event.value)
        self._looks.dress(event.value)
        if is_drawn(event.value):
            self._touch()

    def _layer_goes(self, _event: Any) -> None:
        # What was drawn a moment ago is kept even if all layers go because the window closes.
        if self._unsaved:
            self.save()

    def _layer_went(self, event: Any) -> None:
        if is_drawn(event.value):
            self._session.touch()

    def _follow_layer(self, layer: Layer) -> None:
        drawn = is_drawn(layer)
        names = ("data", "paint", "features", "name", "visible", "opacity")
        for name in names if drawn else ("visible", "opacity"):
            if name in layer.events.emitters:
                slot = self._touch if drawn else self._touch_later
                layer.events[name].connect(slot)
        if drawn and too_large(layer):
            self._session.spoke.emit(
                "caution",
                f"{layer.name} is painted too finely to save itself: save it with File > Save "
                "Selected Layers.",
            )

    # -- coming and going -------------------------------------------------------------------------

    def _open(self, place: Path) -> None:
        store = SessionStore(place)
        self._store = store
        self.submit(store, store.read)

    def _leave(self) -> None:
        self._save_the_rest()
        self._end_store()

    def _end_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            self._thread.do(store.let_go)

    def submit(
        self,
        store: SessionStore,
        work: Callable[[], object],
        then: Callable[[object], object] | None = None,
    ) -> None:
        """Have work done on disk; `then` receives the answer, or the exception.

        An answer that comes when another session is in place is dropped.
        """
        self._thread.submit(store, work, then)

    def _take(
        self, store: SessionStore, answer: object, then: Callable[[object], object] | None
    ) -> None:
        if self._closing or (store is not self._store and not store.copy):
            return
        if then is not None:
            then(answer)
            return
        if isinstance(answer, BaseException):
            failed = failure_of(answer)
            self._session.spoke.emit("failed", f"Not saved: {failed.sentence}")
            return
        if not isinstance(answer, StoreAnswer):
            return
        if answer.sentence:
            self._session.spoke.emit(answer.state, answer.sentence)
        if answer.written is not None:
            self._workspace.saved = answer.written
        elif answer.atlas is not None:
            if self._workspace.atlas is None or self._its_atlas:
                self._workspace.atlas = answer.atlas
            self._tell_all()
        elif answer.atlas_gone:
            # Niches, names and drawings need none.
            self._tell_all()
        elif answer.parts is not None:
            self._session.begin(answer.parts)
            self._encoding_came(self._workspace.encoding)

    def _encoding_came(self, encoding: object) -> None:
        if encoding is None or self._store is None or not self._session.live:
            return
        store, atlas = self._store, self._workspace.atlas
        wanted = bool(store.atlas)
        if atlas is not None:
            wanted &= self._its_atlas and str(atlas.path.resolve()) != store.atlas
        if wanted:
            self.submit(store, store.open_atlas)
        else:
            self._tell_all()

    def _tell_all(self) -> None:
        self._its_atlas = False
        self._session.tell_all()
        self._settled.start()
        if self._then_say:
            # Last: docks that ask again clear what was said before.
            self._session.spoke.emit("done", self._then_say)
            self._then_say = ""

    def _dress(self) -> None:
        if self._workspace.busy is not None:
            self._settled.start()
            return
        self._looks.settle(self._viewer)

    def _timer(self, milliseconds: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(slot)
        return timer


_keepers: WeakKeyDictionary[Any, SessionKeeper] = WeakKeyDictionary()


def keeper_of(viewer: napari.Viewer) -> SessionKeeper | None:
    """Give the keeper of a viewer while any dock wants one."""
    return _keepers.get(getattr(viewer, "__wrapped__", viewer))


def keep_session(viewer: napari.Viewer) -> Callable[[], None]:
    """Have the session of a viewer kept as long as any dock wants it.

    Returns
    -------
    callable
        Call it when the dock closes; the last one saves and stops.
    """
    real = getattr(viewer, "__wrapped__", viewer)
    keeper = _keepers.get(real)
    if keeper is None:
        keeper = _keepers[real] = SessionKeeper(real)
    keeper.users += 1
    left = False

    def leave() -> None:
        nonlocal left
        if left:
            return
        left = True
        keeper.users -= 1
        if keeper.users == 0:
            keeper.shut_down()
            for other in [key for key, value in _keepers.items() if value is keeper]:
                _keepers.pop(other, None)

    return leave
