"""Reading the files of a model bundle that nobody has vouched for."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from napari_haiku.errors import HaikuError

LARGEST_CONFIG = 4_000_000
LARGEST_TOKENIZER = 64_000_000
LARGEST_WEIGHTS = 64_000_000_000
LARGEST_MARKER_FILE = 4_000_000
MOST_FILES = 20_000


class Bundle:
    """A folder of model files; nothing outside it is ever opened.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    HaikuError
        It is no folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise HaikuError(
                f"{self.folder.name} is no folder: give the folder that holds config.json."
            )
        self._root = _root(self.folder)

    def find(self, *names: str, largest: int) -> Path | None:
        """Find the first of `names` that exists, checked; None when none does."""
        for name in names:
            if (self.folder / name).exists() or (self.folder / name).is_symlink():
                return self.check(self.folder / name, largest)
        return None

    def need(self, *names: str, largest: int, what: str) -> Path:
        """As :meth:`find`, but refuse when nothing is found.

        Raises
        ------
        HaikuError
            None of the files is there.
        """
        path = self.find(*names, largest=largest)
        if path is None:
            raise HaikuError(
                f"{self.folder.name} has no {what} ({' or '.join(names)}): "
                "copy the whole bundle again."
            )
        return path

    def check(self, path: Path, largest: int) -> Path:
        """Refuse a file that lies outside the folder, is no plain file or is absurdly large.

        Raises
        ------
        HaikuError
            It is one of these.
        """
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise HaikuError(
                f"{path.name} in {self.folder.name} is a link that leads nowhere: "
                "copy the file itself into the folder."
            ) from error
        if not real.is_relative_to(self._root):
            raise HaikuError(
                f"{path.name} in {self.folder.name} leads out of the folder, which is refused: "
                "copy the file itself into the folder."
            )
        if not real.is_file():
            raise HaikuError(
                f"{path.name} in {self.folder.name} is no plain file: copy the bundle again."
            )
        size = real.stat().st_size
        if size > largest:
            raise HaikuError(
                f"{path.name} in {self.folder.name} is {size:,} bytes where at most {largest:,} "
                "make sense: copy the bundle again from where it was published."
            )
        return path

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON object.

        Raises
        ------
        HaikuError
            The file is missing or holds something else.
        """
        path = self.need(name, largest=LARGEST_CONFIG, what="configuration")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise HaikuError(
                f"{name} in {self.folder.name} is no valid JSON: copy the bundle again."
            ) from error
        if not isinstance(content, dict):
            raise HaikuError(
                f"{name} in {self.folder.name} must hold one JSON object: copy the bundle again."
            )
        return content

    def files(self, folder: str, suffix: str, largest: int) -> list[Path]:
        """Files of a sub-folder with one suffix, checked and sorted; none if it is absent."""
        inside = self.folder / folder
        if not inside.is_dir():
            return []
        if not inside.resolve().is_relative_to(self._root):
            raise HaikuError(
                f"{folder} in {self.folder.name} leads out of the folder, which is refused: "
                "copy the files themselves into the folder."
            )
        paths = sorted(path for path in inside.iterdir() if path.suffix == suffix)
        if len(paths) > MOST_FILES:
            raise HaikuError(
                f"{folder} in {self.folder.name} holds {len(paths):,} files where a few hundred "
                "make sense: copy the bundle again."
            )
        return [self.check(path, largest) for path in paths]


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; large ones stay on disk until used.

    Raises
    ------
    HaikuError
        The file is truncated or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise HaikuError(
            f"{path.name} is truncated or damaged: download or convert it again."
        ) from error


def read_torch(path: Path) -> object:
    """Read a torch file of tensors; nothing in it is ever executed.

    Raises
    ------
    HaikuError
        The file holds anything but tensors and plain containers, or is
        truncated or damaged.
    """
    with path.open("rb") as file:
        start = file.read(2)
    zipped = start == b"PK"
    if zipped:
        _check_archive(path)
    try:
        with warnings.catch_warnings():
            # Sparse weights are refused by the caller; torch warns that checking them takes time.
            warnings.filterwarnings("ignore", message="Validating sparse tensor invariants")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        if "Weights only load failed" in str(error) and not _looks_broken(path, zipped):
            raise HaikuError(
                f"{path.name} holds objects other than tensors, which could run code when opened, "
                "and is refused: ask for a file with weights only."
            ) from error
        raise _damaged(path) from error
    except (
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        IndexError,
        UnicodeDecodeError,
        AssertionError,
        MemoryError,
    ) as error:
        raise _damaged(path) from error


def read_weights(path: Path) -> object:
    """Read weights from safetensors or a torch file, by suffix."""
    return read_safetensors(path) if path.suffix == ".safetensors" else read_torch(path)


def _root(folder: Path) -> Path:
    """Find the folder itself, or the repository folder of a hub cache, whose files are links."""
    real = folder.resolve()
    repository = real.parent.parent
    if real.parent.name == "snapshots" and (repository / "blobs").is_dir():
        return repository
    return real


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _damaged(path) from error
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > path.stat().st_size or any(e.compress_type for e in entries):
        raise HaikuError(
            f"{path.name} is packed so that it would unpack to {unpacked:,} bytes, which no saved "
            "model does, and is refused: download it again."
        )


def _looks_broken(path: Path, zipped: bool) -> bool:
    """Whether a file that torch refused is no pickle at all rather than a rich one."""
    if zipped:
        return False
    with path.open("rb") as file:
        start = file.read(1)
    return start not in (b"\x80", b"(", b"c", b"}", b"]")


def _damaged(path: Path) -> HaikuError:
    return HaikuError(f"{path.name} is truncated or damaged: download or copy it again.")
