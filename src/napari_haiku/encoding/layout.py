"""How an encoding lies on disk: one zarr v3 group of arrays whose rows are patches."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking, write_bytes, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT: Final = "napari-haiku encoding"
FORMAT_VERSION: Final = 1
CHUNK_ROWS: Final = 256
THUMBNAIL_PX: Final = 64
DONE: Final = "done"
EXPRESSION: Final = "expression"
TEXT: Final = "embedding_text"


def embedding_name(modality: str) -> str:
    """Name of the array of embeddings of a modality."""
    return f"embedding_{modality}"


def thumbnail_name(modality: str) -> str:
    """Name of the array of thumbnails of a modality."""
    return f"thumbnail_{modality}"


def add_array(
    folder: Path,
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    *,
    chunk_rows: int,
    compressed: bool = True,
) -> zarr.Array[Any]:
    """Add an empty array, chunked along its rows only, to a group.

    Compressed chunks carry a checksum, so that a damaged one is noticed when
    it is read.
    """
    with speaking(folder), zarr.config.set({"array.write_empty_chunks": True}):
        return zarr.create_array(
            store=str(folder),
            name=name,
            shape=shape,
            chunks=(max(1, chunk_rows), *(max(1, size) for size in shape[1:])),
            dtype=dtype,
            compressors=ZstdCodec(level=3, checksum=True) if compressed else None,
            fill_value=0,
            zarr_format=3,
        )


def open_array(folder: Path, name: str, *, writable: bool = False) -> zarr.Array[Any]:
    """Open one array of an encoding.

    Raises
    ------
    HaikuError
        The array is missing or its description is damaged.
    """
    try:
        with zarr.config.set({"array.write_empty_chunks": True}):
            return zarr.open_array(str(folder / name), mode="r+" if writable else "r")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if not folder.exists():
            raise HaikuError(
                f"{folder.name} is gone, moved or deleted since it was opened: put it back, or "
                "encode the slide again."
            ) from error
        raise HaikuError(
            f"{folder.name} is damaged (its part '{name}' cannot be opened): encode the slide "
            "again."
        ) from error


def read_rows(folder: Path, name: str, rows: slice | None = None) -> NDArray[Any]:
    """Read rows of an array, noticing chunks that are damaged or gone.

    Raises
    ------
    HaikuError
        A chunk is damaged or missing.
    """
    array = open_array(folder, name)
    start, stop, _ = (rows or slice(None)).indices(array.shape[0])
    height = array.chunks[0]
    try:
        # zarr reads a missing chunk as zeros, which here would be invented data.
        for chunk in range(start // height, -(-stop // height)):
            if not _chunk_file(folder, name, chunk, array.ndim).is_file():
                raise FileNotFoundError
        values: NDArray[Any] = np.asarray(array[start:stop])
    except (OSError, ValueError, RuntimeError) as error:
        raise HaikuError(
            f"{folder.name} is damaged (patches {start} to {stop} of its part '{name}' cannot be "
            "read): encode the slide again."
        ) from error
    return values


def write_chunk(folder: Path, array: zarr.Array[Any], name: str, chunk: int, rows: Any) -> None:
    """Write one chunk of rows and flush it to the disk."""
    height = array.chunks[0]
    with speaking(folder):
        array[chunk * height : chunk * height + len(rows)] = rows
        with open(_chunk_file(folder, name, chunk, array.ndim), "r+b") as stream:
            os.fsync(stream.fileno())


def _chunk_file(folder: Path, name: str, chunk: int, ndim: int) -> Path:
    return folder.joinpath(name, "c", str(chunk), *["0"] * (ndim - 1))


def mark_done(folder: Path, chunk: int) -> None:
    """Commit a chunk: from now on a resumed run starts behind it.

    The array is uncompressed with one byte a chunk, so its file can be put in
    place whole, flushed and renamed.
    """
    target = folder / DONE / "c" / str(chunk)
    with speaking(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(target, b"\x01")


def chunks_done(folder: Path, chunks: int) -> int:
    """How many chunks are committed, counted from the first without a gap."""
    committed = folder / DONE / "c"
    return next((i for i in range(chunks) if not (committed / str(i)).is_file()), chunks)


def write_attributes(folder: Path, attributes: dict[str, Any]) -> None:
    """Write the group's description, whole or not at all."""
    write_json(
        folder / "zarr.json",
        {"zarr_format": 3, "node_type": "group", "attributes": attributes},
    )


def read_attributes(folder: Path) -> dict[str, Any]:
    """Read the description of an encoding.

    Raises
    ------
    HaikuError
        The folder is no encoding, or was written by a newer version.
    """
    if not folder.exists():
        raise HaikuError(f"{folder.name} does not exist: encode the slide first.")
    try:
        text = (folder / "zarr.json").read_text(encoding="utf-8")
        attributes = json.loads(text)["attributes"]
        known = attributes["format"] == FORMAT
    except (FileNotFoundError, NotADirectoryError):
        known = False
    except (OSError, ValueError, KeyError, TypeError) as error:
        if _is_zarr(folder):
            known = False
        else:
            raise HaikuError(
                f"{folder.name} is damaged (its zarr.json cannot be read): encode the slide again."
            ) from error
    if not known:
        raise HaikuError(
            f"{folder.name} is no encoding: choose a folder that 'Encode' or "
            "'napari-haiku encode' has made."
        )
    if attributes["format_version"] > FORMAT_VERSION:
        raise HaikuError(
            f"{folder.name} was written by a newer version of napari-haiku: update napari-haiku."
        )
    result: dict[str, Any] = attributes
    return result


def _is_zarr(folder: Path) -> bool:
    try:
        return "zarr_format" in json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed writer left in the folder."""
    with speaking(folder):
        for path in folder.rglob("*"):
            if path.is_file() and (path.name.startswith(".") or path.suffix == ".partial"):
                path.unlink(missing_ok=True)
