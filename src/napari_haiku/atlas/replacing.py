"""Put a folder in the place of another at once, so that a kill leaves the one or the other."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path

from napari_haiku.atlas import layout

_EXCHANGE = 2
_HERE = -100


def fresh_name(path: Path) -> Path:
    """Where the folder that is to take the place of `path` is written."""
    return path.parent / f".{path.name}.new"


def _old_name(path: Path) -> Path:
    return path.parent / f".{path.name}.old"


def put_in_place(path: Path) -> None:
    """Flush the fresh folder of `path` to the disk and let it take its place."""
    fresh, old = fresh_name(path), _old_name(path)
    _flush(fresh)
    shutil.rmtree(old, ignore_errors=True)
    if not path.exists():
        fresh.replace(path)
    elif _exchange(fresh, path):
        fresh.replace(old)
    else:
        # Between these two a kill leaves no folder at `path`: see settle.
        path.replace(old)
        fresh.replace(path)
    _flush_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def settle(path: Path) -> None:
    """Finish what a killed writer left between two renames; the folder's lock is not needed.

    A fresh folder is whole once it holds its description, which is written last.
    """
    if path.exists():
        return
    for candidate in (fresh_name(path), _old_name(path)):
        if _old_name(path).is_dir() and (candidate / layout.DESCRIPTION).is_file():
            try:
                candidate.replace(path)
            except OSError:
                continue
            return


def clear_leftovers(path: Path) -> None:
    """Remove what a killed writer left beside `path`; only for who holds the lock."""
    settle(path)
    for leftover in (fresh_name(path), _old_name(path)):
        shutil.rmtree(leftover, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step, where the system can."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), ctypes.c_uint(_EXCHANGE))
    return bool(done == 0)


def _flush(folder: Path) -> None:
    for file in folder.iterdir():
        with open(file, "r+b") as stream:
            os.fsync(stream.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
