"""Which parts of the window are kept between two visits, and how they are asked and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

State = dict[str, Any]


class SessionParts:
    """The register of one workspace: everything that is saved beside the encoding.

    A part says what it wants kept and takes it back::

        leave = workspace.session.join("Niches", dock.session_state, dock.restore_session)
        workspace.session.touch()  # something worth keeping changed

    A state is a dict of what JSON knows (None, bool, numbers, text, lists and
    dicts with text keys) and NumPy arrays, at any depth; arrays come back
    with shape and type unchanged, tuples as lists. ``session_state`` is called
    on the main thread, within a moment of :meth:`touch`: it must take a few
    milliseconds and give copies of arrays that are edited in place.
    ``restore_session`` is called on the main thread once the encoding is in
    place (and the atlas, where the session had one); it gets what the part
    gave last time, of the same or an older version of the program, so it takes
    keys with ``get`` and ignores what does not fit. A part that joins later,
    as a dock that is opened later does, is told then. What a part that is
    absent gave earlier stays kept.

    Every :class:`napari_haiku.widgets.frame.dock.HaikuDock` is a part by the
    name of its title: it overrides ``session_state`` and ``restore_session``
    and calls ``session_changed``.

    Attributes
    ----------
    touched : psygnal.Signal
        Something worth keeping changed.
    """

    touched = Signal()

    def __init__(self) -> None:
        self._parts: dict[str, tuple[Callable[[], State], Callable[[State], object]]] = {}
        self._kept: dict[str, State] = {}
        self._live = False
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
    ) -> Callable[[], None]:
        """Take part; a later part of the same name takes the place of the earlier one.

        Returns
        -------
        callable
            Call it to leave; what the part says then stays kept.
        """
        part = (session_state, restore_session)
        self._parts[name] = part
        if self._live and name in self._kept:
            self._tell(name)

        def leave() -> None:
            if self._parts.get(name) is part:
                if self._live:
                    self._kept[name] = session_state()
                del self._parts[name]

        return leave

    def touch(self) -> None:
        """Say that something worth keeping changed; while states are told, nothing is new."""
        if self._live and not self._telling:
            self.touched.emit()

    def begin(self, kept: Mapping[str, State], *, first: tuple[str, ...] = ()) -> None:
        """Put a session in place and tell every part what it gave last time.

        Parameters
        ----------
        kept : mapping
            Part -> state; empty for a new session.
        first : tuple of str
            Parts that are told before the others.
        """
        self._kept = dict(kept)
        self._live = True
        names = [name for name in first if name in self._parts]
        for name in [*names, *(name for name in tuple(self._parts) if name not in first)]:
            if name in self._kept:
                self._tell(name)

    def end(self) -> None:
        """Take the session away; nothing is told to the parts."""
        self._live = False
        self._kept = {}

    def gather(self) -> dict[str, State]:
        """Ask every part for its state; absent parts keep what they gave earlier."""
        if self._live:
            for name, (session_state, _) in self._parts.items():
                self._kept[name] = session_state()
        return dict(self._kept)

    def _tell(self, name: str) -> None:
        self._telling = True
        try:
            self._parts[name][1](self._kept[name])
        finally:
            self._telling = False
