"""Places to write: whole or not at all, and nothing replaced that nobody asked to replace."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def require_free(path: Path, *, replace: bool) -> None:
    """Refuse a place where something lies already.

    Raises
    ------
    HaikuError
        There is something and `replace` is False, or it is of the other kind.
    """
    if path.exists() and not replace:
        raise HaikuError(
            f"{path.name} exists already: choose another name, or allow it to be replaced."
        )


@contextmanager
def fresh_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Hand out a temporary file that takes its name once it is complete.

    Parameters
    ----------
    path : Path
        File to write.
    replace : bool
        Whether an earlier file may go.

    Raises
    ------
    HaikuError
        There is something already, or the place cannot be written.
    """
    path = Path(path)
    require_free(path, replace=replace)
    if path.is_dir():
        raise HaikuError(f"{path.name} is a folder: choose another name.")
    with speaking(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        fresh = Path(name)
        try:
            yield fresh
            with open(fresh, "r+b") as stream:
                os.fsync(stream.fileno())
            mask = os.umask(0)
            os.umask(mask)
            fresh.chmod(0o666 & ~mask)
            os.replace(fresh, path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


@contextmanager
def fresh_folder(
    path: Path, *, ours: Callable[[Path], bool], replace: bool = False
) -> Iterator[Path]:
    """Hand out a temporary folder that takes its name once it is complete.

    Parameters
    ----------
    path : Path
        Folder to write.
    ours : callable
        Tells whether a folder that is there was written by the same export;
        any other is left alone even when `replace` is True.
    replace : bool
        Whether an earlier export may go.

    Raises
    ------
    HaikuError
        There is something already, or the place cannot be written.
    """
    path = Path(path)
    require_free(path, replace=replace)
    if path.exists() and not (path.is_dir() and ours(path)):
        raise HaikuError(
            f"{path.name} exists already and holds something else: choose another name."
        )
    with speaking(path):
        fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield fresh
            mask = os.umask(0)
            os.umask(mask)
            fresh.chmod(0o777 & ~mask)
            old = fresh.with_name(f"{fresh.name}.old")
            if path.exists():
                path.rename(old)
            fresh.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
