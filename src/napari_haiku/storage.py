"""Writing so that a reader sees the whole file or none of it."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` under a temporary name, flush it to disk and rename it to `path`.

    Raises
    ------
    HaikuError
        The disk is full or the folder cannot be written.
    """
    path = Path(path)
    with speaking(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8 atomically; see :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, keys in the order given; see :func:`write_bytes`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def speaking(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about `path` into sentences.

    Raises
    ------
    HaikuError
        In place of an OSError: disk full, read-only folder, missing folder.
    """
    try:
        yield
    except OSError as error:
        raise HaikuError(_sentence(error, Path(path))) from error


def _sentence(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk is full while writing {path.name}: free some space or choose another "
            "folder; what is finished is kept."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path.parent} cannot be written to: choose another folder or ask for write access."
    if error.errno == errno.ENOENT:
        return f"{path.parent} does not exist: create it or choose another folder."
    return f"{path.name} could not be written ({error.strerror}): check the disk and try again."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
