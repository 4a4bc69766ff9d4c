"""Going on from a saved copy of the session, step by step, without losing a stroke."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.viewer.session.belonging import Belonging
from napari_haiku.viewer.session.folder import Kept, read_copy
from napari_haiku.viewer.slides.encode_preview import warmed
from napari_haiku.widgets.frame.jobs import failure_of

if TYPE_CHECKING:
    from napari_haiku.viewer.session.session_store import SessionStore
    from napari_haiku.widgets.frame.session_keeper import SessionKeeper


class CopyOpening:
    """Reads a copy, sets the session in view aside, and has the copy brought back in its place.

    Parameters
    ----------
    keeper : SessionKeeper
        Keeps the session; it is asked to read it anew at the end.
    """

    def __init__(self, keeper: SessionKeeper) -> None:
        self._keeper_ref = ref(keeper)
        self._copy = Path()
        self._kept: Kept | None = None
        self._encoding: Encoding | None = None
        self._under_way: SessionStore | None = None

    @property
    def _keeper(self) -> SessionKeeper:
        keeper = self._keeper_ref()
        if keeper is None:
            raise ReferenceError("the keeper is gone")
        return keeper

    def open(self, copy: Path) -> None:
        """Read and check the copy; nothing is changed where it cannot be opened."""
        keeper = self._keeper
        store, encoding = keeper.store, keeper.workspace.encoding
        if store is None or not keeper.workspace.session.live or encoding is None:
            self._fail(HaikuError("encode the slide first, or open one that is encoded."))
            return
        if self._under_way is store:
            return
        self._under_way, self._copy = store, copy
        keeper.workspace.session.spoke.emit("running", f"Bringing back {copy.name}...")
        place, path = store.place, encoding.path
        keeper.submit(store, lambda: _read_for(copy, place, path), self._on_read)

    def _on_read(self, answer: object) -> None:
        if isinstance(answer, BaseException):
            self._fail(answer)
        elif isinstance(answer, tuple):
            self._kept, self._encoding = answer
            self._set_aside(None)

    def _set_aside(self, aside: Path | None) -> None:
        keeper, kept, encoding = self._keeper, self._kept, self._encoding
        store = keeper.store
        if store is None or kept is None or encoding is None:
            return
        # Saved with what is set aside; a change that comes now is noticed in `_on_aside`.
        keeper.save()
        before, parts = keeper.workspace.session.gather(), kept.parts
        belonging = Belonging.of(encoding)
        keeper.submit(store, lambda: store.replace(before, parts, belonging, aside), self._on_aside)

    def _on_aside(self, answer: object) -> None:
        keeper, encoding = self._keeper, self._encoding
        if isinstance(answer, BaseException):
            self._fail(answer)
        elif isinstance(answer, Path) and encoding is not None:
            if keeper.unsaved:
                # A stroke came meanwhile: it goes with what is set aside.
                self._set_aside(answer)
                return
            self._forget()
            place, name = answer.parent, answer.name
            where = (
                f"beside it as {name}" if place == self._copy.parent else f"as {name} in {place}"
            )
            keeper.read_anew(
                encoding,
                f"Opened {self._copy.name}; what was here before is kept {where}.",
            )

    def _forget(self) -> None:
        self._kept = self._encoding = self._under_way = None

    def _fail(self, error: BaseException) -> None:
        self._forget()
        sentence = failure_of(error).sentence
        self._keeper.workspace.session.spoke.emit("failed", f"Not opened: {sentence}")


def _read_for(copy: Path, place: Path, encoding: Path) -> tuple[Kept, Encoding]:
    """Read a copy and check that it belongs to the encoding in view."""
    if place.resolve() in (copy.resolve(), copy.parent.resolve()):
        raise HaikuError(f"{place.name} is the session in view: it saves itself.")
    kept = read_copy(copy)
    # Opened anew, so that answers on their way to the session in view are dropped.
    opened = Encoding.open(encoding)
    why_not = kept.belonging.why_not(Belonging.of(opened))
    if why_not:
        raise HaikuError(
            f"{copy.name} is not of the slide in view: {why_not}; open that slide first."
        )
    return kept, warmed(opened)
