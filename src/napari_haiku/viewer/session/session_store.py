"""One session on disk as a running window uses it: read once, written often, held meanwhile."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.encoding.lock import WriteLock
from napari_haiku.errors import HaikuError
from napari_haiku.viewer.session.folder import free_aside, read_session, write_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.viewer.session.belonging import Belonging
    from napari_haiku.viewer.session.parts import State

_ELSEWHERE = (
    "This slide is open in another window, which saves it: what you change here is not kept."
)


@dataclass(frozen=True, eq=False)
class StoreAnswer:
    """What reading, writing or opening gave.

    Parameters
    ----------
    parts : mapping or None
        Part -> state, after reading.
    written : Path or None
        What was written.
    atlas : Atlas or None
        The atlas of the session, opened.
    atlas_gone : bool
        Whether that atlas could not be opened.
    sentence, state : str
        What the user should read, if anything, and in which colour.
    """

    parts: Mapping[str, State] | None = None
    written: Path | None = None
    atlas: Atlas | None = None
    atlas_gone: bool = False
    sentence: str = ""
    state: str = "done"


class SessionStore:
    """Used from one thread, one call after the other.

    Parameters
    ----------
    place : Path
        Folder of the session.
    copy : bool
        Whether it is a copy written once, which nothing holds.
    """

    def __init__(self, place: Path, *, copy: bool = False) -> None:
        self.place = place
        self.copy = copy
        self.atlas = ""
        self._lock: WriteLock | None = None
        self._why_not = ""
        self._refused = False
        self._told_refused = False

    def read(self) -> StoreAnswer:
        """Read the session and hold it; a new one is held when it is first written.

        Raises
        ------
        HaikuError
            A newer program wrote it; nothing is written then.
        """
        if not self.place.is_dir():
            return StoreAnswer(parts={})
        # The lock of a window that ended in good order is gone.
        interrupted = (self.place.parent / f"{self.place.name}.lock").exists()
        held = self._hold()
        try:
            kept = read_session(self.place)
        except HaikuError:
            self._refused = True
            raise
        if kept is None:
            return StoreAnswer(parts={})
        self.atlas = str(kept.parts.get("workspace", {}).get("atlas") or "")
        if not held:
            self._told_refused = True
            return StoreAnswer(parts=kept.parts, sentence=self._why_not, state="caution")
        said = ""
        if interrupted:
            said = (
                f"napari closed unexpectedly; everything up to {kept.saved:%H:%M} on "
                f"{kept.saved.day} {kept.saved:%b} is back."
            )
        return StoreAnswer(parts=kept.parts, sentence=said)

    def write(self, parts: Mapping[str, State], belonging: Belonging | None) -> StoreAnswer:
        """Write the session, unless another window holds it."""
        if not self.copy and (self._refused or not self._hold()):
            said = "" if self._told_refused or self._refused else self._why_not
            self._told_refused = True
            return StoreAnswer(sentence=said, state="caution")
        write_session(self.place, parts, belonging)
        said = f"Saved a copy as {self.place.name}." if self.copy else ""
        return StoreAnswer(written=self.place, sentence=said)

    def replace(
        self,
        before: Mapping[str, State],
        parts: Mapping[str, State],
        belonging: Belonging,
        aside: Path | None = None,
    ) -> Path:
        """Set the session aside under a dated name, and write another one in its place.

        Parameters
        ----------
        before : mapping
            What is set aside: part -> state.
        parts : mapping
            What is written in its place.
        belonging : Belonging
            The encoding of both.
        aside : Path, optional
            Where it was set aside a moment ago, to be brought up to date.

        Returns
        -------
        Path
            Where the session lies that was in place.

        Raises
        ------
        HaikuError
            Another window holds the session, a newer program wrote it, or the
            folder cannot be written; what was in place is in place then.
        """
        if self._refused or not self._hold():
            raise HaikuError(self._why_not or "A newer version of napari-haiku saves this slide.")
        place = aside or free_aside(self.place, datetime.now())
        try:
            write_session(place, before, belonging)
            write_session(self.place, parts, belonging)
        except BaseException:
            # The session in place is whole: what was just set aside would only be in the way.
            # What was set aside a moment ago is in place no more, and stays.
            if aside is None:
                shutil.rmtree(place, ignore_errors=True)
            raise
        return place

    def open_atlas(self) -> StoreAnswer:
        """Open the atlas that the session was made with."""
        from napari_haiku.atlas.store import Atlas

        path, self.atlas = Path(self.atlas), ""
        try:
            atlas = Atlas.open(path)
        except HaikuError as error:
            said = f"The atlas of last time is gone: {error}"
            return StoreAnswer(atlas_gone=True, sentence=said, state="caution")
        _ = (atlas.slides, atlas.records, atlas.patches, atlas.slide_index, atlas.positions_um)
        return StoreAnswer(atlas=atlas)

    def let_go(self) -> None:
        """Let another window hold the session."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.__exit__(None, None, None)

    def _hold(self) -> bool:
        if self._lock is None:
            lock = WriteLock(self.place)
            try:
                self._lock = lock.__enter__()
            except HaikuError as error:
                busy = "another process" in str(error)
                self._why_not = _ELSEWHERE if busy else f"The session is not saved: {error}"
                return False
        return True
