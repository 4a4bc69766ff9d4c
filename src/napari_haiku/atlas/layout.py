"""How an atlas lies on disk: names of its files, and whether they are all there."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, Final

from napari_haiku.errors import HaikuError
from napari_haiku.storage import write_json

FORMAT: Final = "napari-haiku atlas"
FORMAT_VERSION: Final = 1
DESCRIPTION: Final = "atlas.json"
PATCHES: Final = "patches.parquet"
SLIDES: Final = "slides.parquet"
RECORDS: Final = "records.parquet"
EXPRESSION: Final = "expression.npy"
BLOCK_BYTES: Final = 1 << 22

PATCH_COLUMNS: Final = (
    "slide_id",
    "patient_id",
    "patch",
    "row",
    "col",
    "x_um",
    "y_um",
    "tissue_fraction",
)


def embeddings_file(modality: str) -> str:
    """Name of the file of embeddings of a modality."""
    return f"embeddings_{modality}.npy"


def thumbnails_file(modality: str) -> str:
    """Name of the file of thumbnails of a modality, JPEG after JPEG."""
    return f"thumbnails_{modality}.bin"


def offsets_file(modality: str) -> str:
    """Name of the file that says where each thumbnail begins."""
    return f"thumbnails_{modality}_offsets.npy"


def read_description(path: Path) -> dict[str, Any]:
    """Read ``atlas.json``.

    Raises
    ------
    HaikuError
        The folder is no atlas, is damaged, or was written by a newer version.
    """
    if not path.is_dir():
        raise HaikuError(f"There is no atlas {path.name}: build one with 'atlas build'.")
    try:
        description = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
        known = description["format"] == FORMAT
        version = int(description["format_version"])
        whole = description.get("sha256") in (None, _own_hash(description))
    except FileNotFoundError as error:
        raise HaikuError(
            f"{path.name} is no atlas (it has no {DESCRIPTION}): choose a folder made by "
            "'atlas build'."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HaikuError(
            f"{path.name} is damaged (its {DESCRIPTION} cannot be read): build the atlas again."
        ) from error
    if known and not whole and version <= FORMAT_VERSION:
        raise HaikuError(
            f"{path.name} is damaged (its {DESCRIPTION} was changed): build the atlas again."
        )
    if not known:
        raise HaikuError(f"{path.name} is no atlas: choose a folder made by 'atlas build'.")
    if version > FORMAT_VERSION:
        raise HaikuError(
            f"The atlas {path.name} was written by a newer version of napari-haiku: update "
            "napari-haiku."
        )
    result: dict[str, Any] = description
    return result


def write_description(path: Path, description: dict[str, Any]) -> None:
    """Write ``atlas.json`` at once, with a hash of itself."""
    content = {key: value for key, value in description.items() if key != "sha256"}
    write_json(path / DESCRIPTION, {**content, "sha256": _own_hash(content)})


def describe_file(file: Path) -> dict[str, Any]:
    """Size of a file, its hash, and a checksum of each block, to tell where damage lies."""
    blocks, whole = [], hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            whole.update(block)
            blocks.append(f"{zlib.crc32(block):08x}")
    return {"bytes": file.stat().st_size, "sha256": whole.hexdigest(), "blocks": blocks}


def _own_hash(description: dict[str, Any]) -> str:
    content = {key: value for key, value in description.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def check_files(path: Path, description: dict[str, Any]) -> None:
    """Make sure that every file is there and as long as it was when written.

    Raises
    ------
    HaikuError
        A file is missing or has another size.
    """
    for name, entry in description["files"].items():
        try:
            size = (path / name).stat().st_size
        except OSError as error:
            raise HaikuError(
                f"The atlas {path.name} is damaged ({name} is missing): build the atlas again."
            ) from error
        if size != entry["bytes"]:
            raise HaikuError(
                f"The atlas {path.name} is damaged ({name} has {size:,} bytes instead of "
                f"{entry['bytes']:,}): build the atlas again."
            )
