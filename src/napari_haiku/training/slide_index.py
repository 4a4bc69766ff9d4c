"""Which slides of the cache belong to which files, so that a resumed run need not open them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_haiku.storage import write_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "slides.json"


@dataclass(frozen=True)
class KnownSlide:
    """Folder of a cached slide, and the fingerprints of its images."""

    home: str
    fingerprints: tuple[str, ...]


class SlideIndex:
    """A table beside the cache: files as they were -> cached slide.

    A file counts as unchanged while its path, size and time of change are;
    folders (OME-Zarr) are never taken to be.

    Parameters
    ----------
    folder : Path
        The cache.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._known: dict[str, Any] = {}
        self._changed = False
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # Nothing but a shortcut is lost with it.
            return
        if isinstance(found, dict):
            self._known = found

    def find(self, files: Sequence[Path], settings: object) -> KnownSlide | None:
        """Return the cached slide of unchanged files, or None."""
        entry = self._known.get(_key(files, settings) or "")
        if not isinstance(entry, dict):
            return None
        return KnownSlide(str(entry["home"]), tuple(map(str, entry["fingerprints"])))

    def add(self, files: Sequence[Path], settings: object, slide: KnownSlide) -> None:
        """Remember a slide; :meth:`save` writes it down."""
        key = _key(files, settings)
        if key is not None:
            self._known[key] = {"home": slide.home, "fingerprints": list(slide.fingerprints)}
            self._changed = True

    def save(self) -> None:
        """Write the table where something was added."""
        if self._changed:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._file, self._known)
            self._changed = False


def _key(files: Sequence[Path], settings: object) -> str | None:
    stamps = []
    for file in files:
        if not file.is_file():
            return None
        state = file.stat()
        stamps.append([str(file.resolve()), state.st_size, state.st_mtime_ns])
    return hashlib.sha256(json.dumps([stamps, settings]).encode()).hexdigest()[:24]
