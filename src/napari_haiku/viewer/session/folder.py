"""A session on disk: one JSON file and the arrays it names, in a folder beside the encoding."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking, write_bytes, write_json
from napari_haiku.viewer.session.belonging import Belonging
from napari_haiku.viewer.slides.encoding_place import SUFFIX as ENCODING_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.viewer.session.parts import State

SUFFIX = ".haiku.session"
FORMAT, FORMAT_VERSION = "napari-haiku session", 1
_FILE, _ARRAYS, _ARRAY = "session.json", "arrays", "__array__"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
_CHOOSE = f'choose a folder that "Save session as..." made; its name ends in {SUFFIX}'


@dataclass(frozen=True, eq=False)
class Kept:
    """A session as it was read.

    Parameters
    ----------
    parts : mapping
        Part -> state.
    saved : datetime
        When, in local time.
    belonging : Belonging
        The encoding it was saved for, as it was then.
    """

    parts: Mapping[str, State]
    saved: datetime
    belonging: Belonging


def session_place(encoding: Path) -> Path:
    """Where the session of an encoding lies: ``a.haiku.zarr`` -> ``a.haiku.session``."""
    name = encoding.name
    for suffix in (ENCODING_SUFFIX, ".zarr"):
        name = name.removesuffix(suffix)
    return encoding.with_name(f"{name}{SUFFIX}")


def read_session(place: Path) -> Kept | None:
    """Read the session of a slide; None where there is none.

    A file that cannot be read is put aside, never overwritten.

    Raises
    ------
    HaikuError
        A newer program wrote it.
    """
    file = place / _FILE
    if not file.is_file():
        return None
    try:
        return _read(place)
    except _UNREADABLE:
        _put_aside(file)
        return None


def read_copy(place: Path) -> Kept:
    """Read a copy that the user chose; nothing about it is changed.

    Parameters
    ----------
    place : Path
        The folder that "Save session as..." made, or the file in it.

    Raises
    ------
    HaikuError
        There is no such folder, it is no session, it is damaged, or a newer
        program wrote it.
    """
    if place.name == _FILE and not place.is_dir():
        place = place.parent
    if place.is_file():
        raise HaikuError(f"{place.name} is a file: {_CHOOSE}.")
    if not place.is_dir():
        raise HaikuError(f"{place} does not exist: {_CHOOSE}.")
    if not (place / _FILE).exists():
        raise HaikuError(f"{place.name} holds no session: {_CHOOSE}.")
    try:
        return _read(place)
    except PermissionError as error:
        raise HaikuError(f"{place.name} cannot be read: ask for read access to it.") from error
    except _UNREADABLE as error:
        raise HaikuError(
            f"{place.name} is damaged or no session, and is left as it is: choose another copy."
        ) from error


def write_session(
    place: Path, parts: Mapping[str, State], belonging: Belonging | None = None
) -> None:
    """Write a session; a reader at any moment, or after a kill, sees the old or the new one whole.

    New arrays are written first under names made of their content, then the
    JSON file is replaced, then arrays that nothing names any more are removed.

    Raises
    ------
    HaikuError
        The disk is full or the folder cannot be written.
    """
    if place.is_file():
        raise HaikuError(f"{place.name} is a file: choose another name for the session.")
    with speaking(place):
        (place / _ARRAYS).mkdir(parents=True, exist_ok=True)
    arrays = _Arrays(place)
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "encoding": "" if belonging is None else belonging.encoding,
        "belonging": {} if belonging is None else belonging.to_state(),
        "parts": {name: arrays.away(state) for name, state in parts.items()},
    }
    write_json(place / _FILE, content)
    for old in (place / _ARRAYS).glob("*.npy"):
        if old.name not in arrays.named:
            old.unlink(missing_ok=True)


def free_aside(place: Path, when: datetime) -> Path:
    """Give a dated name beside a session for what is set aside; nothing lies there yet."""
    stem = place.name.removesuffix(SUFFIX)
    dated = f"{stem} until {when:%Y-%m-%d %H.%M}"
    n, free = 1, place.with_name(f"{dated}{SUFFIX}")
    while free.exists():
        n += 1
        free = place.with_name(f"{dated} ({n}){SUFFIX}")
    return free


def _read(place: Path) -> Kept:
    """Read a session, raising one of `_UNREADABLE` where it is damaged."""
    content = json.loads((place / _FILE).read_text(encoding="utf-8"))
    if content["format"] != FORMAT:
        raise ValueError("not a session")
    if int(content["format_version"]) > FORMAT_VERSION:
        raise HaikuError(
            f"{place.name} was saved by a newer version of napari-haiku: update it to open the "
            "session; it is left as it is."
        )
    arrays = _Arrays(place)
    return Kept(
        {str(name): arrays.back(state) for name, state in content["parts"].items()},
        datetime.fromisoformat(content["saved"]).astimezone(),
        Belonging.from_state(str(content.get("encoding", "")), content.get("belonging") or {}),
    )


class _Arrays:
    """Turns arrays inside a state into files and back."""

    def __init__(self, place: Path) -> None:
        self._folder = place / _ARRAYS
        self.named: set[str] = set()

    def away(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return {_ARRAY: self._write(value)}
        if isinstance(value, np.generic):
            return self.away(value.item())
        if isinstance(value, dict):
            return {str(key): self.away(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.away(one) for one in value]
        if isinstance(value, float) and not np.isfinite(value):
            return None
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"a session cannot keep a {type(value).__name__}")

    def back(self, value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {_ARRAY}:
                name = Path(str(value[_ARRAY])).name
                # Not np.load, which takes a damaged file for an archive or a pickle.
                with (self._folder / name).open("rb") as stream:
                    array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
                return array
            return {key: self.back(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.back(one) for one in value]
        return value

    def _write(self, array: NDArray[Any]) -> str:
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        data = stream.getvalue()
        name = f"{hashlib.sha256(data).hexdigest()[:24]}.npy"
        if name not in self.named and not (self._folder / name).is_file():
            write_bytes(self._folder / name, data)
        self.named.add(name)
        return name


def _put_aside(file: Path) -> None:
    n = 1
    while (aside := file.with_name(f"unreadable-{n}.json")).exists():
        n += 1
    with speaking(file):
        file.rename(aside)
