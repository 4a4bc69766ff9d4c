"""One writer at a time: a lock file beside what is being written."""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from types import TracebackType

# Far behind the text, so that a second process can read who holds the lock
# where locks are mandatory (Windows).
_LOCKED_BYTE = 4096
_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}


class WriteLock:
    """Keep a second process from writing the same store.

    The operating system holds the lock, so that it ends with its process,
    however that ends; the file that a dead process left behind is taken over.
    The file says which process of which computer is writing.

    Parameters
    ----------
    target : Path
        What is to be written; the lock is the file ``<target>.lock`` beside it.

    Raises
    ------
    HaikuError
        On entering: another process is writing, or the folder allows no lock.
    """

    def __init__(self, target: Path) -> None:
        self.target = Path(target)
        self.path = self.target.parent / f"{self.target.name}.lock"
        self._handle: int | None = None

    def __enter__(self) -> WriteLock:
        with speaking(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            while self._handle is None:
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
                try:
                    self._handle = handle if self._take(handle) else None
                finally:
                    if self._handle is None:
                        os.close(handle)
            holder = {"process": os.getpid(), "computer": platform.node()}
            os.ftruncate(self._handle, 0)
            os.write(self._handle, json.dumps(holder).encode())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        handle, self._handle = self._handle, None
        if handle is None:
            return
        if sys.platform == "win32":
            os.close(handle)
            try:
                self.path.unlink(missing_ok=True)
            except PermissionError:
                return  # the next writer has it open already and takes it over
        else:
            # Unlinked while still held: whoever waits sees that its file is gone.
            try:
                self.path.unlink(missing_ok=True)
            finally:
                os.close(handle)

    def _take(self, handle: int) -> bool:
        """Lock the open file; False when it was removed meanwhile."""
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise HaikuError(
                    f"The folder of {self.target.name} does not allow files to be locked: "
                    "choose a folder on this computer."
                ) from error
            raise HaikuError(
                f"{self.target.name} is being written by another process ({self._holder()}): "
                "wait until it has finished, or stop it."
            ) from error
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _holder(self) -> str:
        try:
            holder = json.loads(self.path.read_text(encoding="utf-8"))
            return f"process {int(holder['process'])} on {holder['computer']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "just started"


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
