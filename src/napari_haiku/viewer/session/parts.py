"""Which parts of the window are kept between two visits, and how they are asked and told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)
State = dict[str, Any]


class _Part:
    """One part; it is not kept alive, since a dock keeps its viewer alive in turn."""

    def __init__(
        self,
        session_state: Callable[[], State],
        restore_session: Callable[[State], object],
        *,
        early: bool,
    ) -> None:
        self._state = _weakly(session_state)
        self._restore = _weakly(restore_session)
        self.early = early

    @property
    def gone(self) -> bool:
        return self._state() is None

    def session_state(self) -> State:
        method = self._state()
        if method is None:
            raise ReferenceError("the part is gone")
        state: State = method()
        return state

    def restore_session(self, state: State) -> None:
        method = self._restore()
        if method is not None:
            method(state)


def _weakly(function: Callable[..., Any]) -> Callable[[], Callable[..., Any] | None]:
    return WeakMethod(function) if hasattr(function, "__self__") else lambda: function


class SessionParts:
    """The register of one workspace: everything that is saved beside the encoding.

    A part says what it wants kept and takes it back::

        leave = workspace.session.join("Niches", dock.session_state, dock.restore_session)
        workspace.session.touch()  # something worth keeping changed

    A state is a dict of what JSON knows (None, bool, numbers, text, lists and
    dicts with text keys) and NumPy arrays, at any depth; arrays come back
    with shape and type unchanged, tuples as lists, numbers that are no numbers
    as None. ``session_state`` is called on the main thread, within a moment of
    :meth:`touch`: it must take a few milliseconds and give copies of arrays
    that are edited in place. ``restore_session`` is called on the main thread
    once the encoding is in place (and the atlas, where the session had one);
    it gets what the part gave last time, of the same or an older version of
    the program, so it takes keys with ``get`` and ignores what does not fit. A
    part that joins later, as a dock that is opened later does, is told then.
    What a part that is absent gave earlier stays kept.

    Every :class:`napari_haiku.widgets.frame.dock.HaikuDock` is a part by the
    name of its title: it overrides ``session_state`` and ``restore_session``
    and calls ``session_changed``.

    Attributes
    ----------
    place : Path or None
        Folder of the session; None while there is none.
    touched : psygnal.Signal
        Something worth keeping changed.
    placed : psygnal.Signal
        A slide came whose session lies, or would lie, in this folder.
    leaving : psygnal.Signal
        The slide is about to go, while everything said about it is still there.
    spoke : psygnal.Signal
        A state ("done", "running", "caution", "failed") and a sentence for the user.
    """

    touched = Signal()
    placed = Signal(object)
    leaving = Signal()
    spoke = Signal(str, str)

    def __init__(self) -> None:
        self.place: Path | None = None
        self._parts: dict[str, _Part] = {}
        self._kept: dict[str, State] = {}
        self._untold: set[str] = set()
        self._live = False
        self._all_told = False
        self._telling = False

    @property
    def live(self) -> bool:
        """Whether a session is in place: what parts say is theirs, not left over from before."""
        return self._live

    def join(
        self,
        name: str,
        session_state: Callable[[], State],
        restore_session: Callable[[State], object],
        *,
        early: bool = False,
    ) -> Callable[[], None]:
        """Take part; a later part of the same name takes the place of the earlier one.

        Parameters
        ----------
        name : str
            Name under which the state is kept.
        session_state, restore_session : callable
            See above.
        early : bool
            Whether it is told before there is an encoding.

        Returns
        -------
        callable
            Call it to leave; what the part says then stays kept.
        """
        part = _Part(session_state, restore_session, early=early)
        self._parts[name] = part
        if self._live and name in self._kept:
            self._untold.add(name)
            self._tell_those_due()

        def leave() -> None:
            if self._parts.get(name) is part:
                if self._live and name not in self._untold:
                    self._ask(name, part)
                del self._parts[name]

        return leave

    def touch(self) -> None:
        """Say that something worth keeping changed; while states are told, nothing is new."""
        if self._live and not self._telling:
            self.touched.emit()

    def put(self, place: Path | None) -> None:
        """Say where the session of the slide in view lies; another one is left first."""
        if place == self.place:
            return
        if self.place is not None:
            self.leaving.emit()
        self.end()
        self.place = place
        if place is not None:
            self.placed.emit(place)

    def begin(self, kept: Mapping[str, State]) -> None:
        """Put a session in place and tell the early parts what they gave last time.

        Parameters
        ----------
        kept : mapping
            Part -> state; empty for a new session.
        """
        self._kept = dict(kept)
        self._untold = set(kept)
        self._live = True
        self._all_told = False
        self._tell_those_due()

    def tell_all(self) -> None:
        """Tell the other parts too: encoding and atlas are in place."""
        if self._live and not self._all_told:
            self._all_told = True
            self._tell_those_due()

    def end(self) -> None:
        """Take the session away; nothing is told to the parts."""
        self._live = False
        self._all_told = False
        self._kept = {}
        self._untold = set()
        self.place = None

    def gather(self) -> dict[str, State]:
        """Ask every part for its state; parts absent or not told yet keep what they gave."""
        self._parts = {name: part for name, part in self._parts.items() if not part.gone}
        if self._live:
            for name, part in self._parts.items():
                if name not in self._untold:
                    self._ask(name, part)
        return dict(self._kept)

    def _ask(self, name: str, part: _Part) -> None:
        try:
            self._kept[name] = part.session_state()
        except Exception as error:  # noqa: BLE001 - one part must not keep the others unsaved
            _log.warning("%s could not say what is to be kept (%s)", name, type(error).__name__)

    def _tell_those_due(self) -> None:
        self._telling = True
        try:
            for name, part in tuple(self._parts.items()):
                if name in self._untold and (part.early or self._all_told):
                    self._untold.discard(name)
                    self._tell(name, part)
        finally:
            self._telling = False

    def _tell(self, name: str, part: _Part) -> None:
        try:
            part.restore_session(self._kept[name])
        except Exception as error:  # noqa: BLE001 - nor keep the others from coming back
            _log.warning("%s could not take back what was kept (%s)", name, type(error).__name__)
            self._untold.add(name)
            self.spoke.emit("caution", f"What {name} kept could not be brought back; it stays.")
