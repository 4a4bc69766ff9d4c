"""Find what is damaged in an atlas and in the encodings that it was built from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.atlas import layout
from napari_haiku.atlas.index import index_file
from napari_haiku.atlas.replacing import settle
from napari_haiku.encoding import layout as encoding_layout
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zarr


@dataclass(frozen=True)
class Damage:
    """One damaged place.

    Parameters
    ----------
    kind : {"atlas", "encoding"}
        What is damaged.
    name : str
        Name of the atlas or of the encoding.
    part : str
        File of the atlas, or array of the encoding.
    chunk : int or None
        Which chunk (of an encoding) or block of 4 MiB (of an atlas); None for the
        whole part.
    patches : tuple of int or None
        Patches [first, last) of the encoding concerned.
    reason : str
        What is wrong with it.
    """

    kind: str
    name: str
    part: str
    chunk: int | None
    patches: tuple[int, int] | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Verification:
    """What verifying an atlas found.

    Parameters
    ----------
    damaged : tuple of Damage
        Damaged places.
    absent : tuple of str
        Encodings that are not where they were; the atlas does not need them, but
        cannot be mended from them.
    encodings : dict of str to Path
        The encodings found, by slide id.
    """

    damaged: tuple[Damage, ...]
    absent: tuple[str, ...] = ()
    encodings: dict[str, Path] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damaged


def verify_atlas(path: Path | str) -> Job[Verification]:
    """Read everything an atlas consists of and compare it with its checksums.

    Parameters
    ----------
    path : Path or str
        The atlas.

    Yields
    ------
    Progress
        After every file and encoding.

    Returns
    -------
    Verification

    Raises
    ------
    HaikuError
        There is no atlas, or its description cannot be read.
    """
    path = Path(path)
    settle(path)
    description = layout.read_description(path)
    files = description["files"]
    damaged: list[Damage] = []
    for number, (name, entry) in enumerate(files.items()):
        yield Progress(number, len(files), "Verifying the atlas", "files")
        damaged += _damage_of_file(path, name, entry)
    for modality, plan in description["index"].get("of", {}).items():
        damaged += _damage_of_file(path, index_file(modality), plan["file"])
    yield Progress(len(files), len(files), "Verifying the atlas", "files")
    encodings, absent = find_encodings(path, description)
    for number, encoding in enumerate(encodings.values()):
        yield Progress(number, len(encodings), "Verifying encodings", "slides")
        damaged += damage_of_encoding(encoding)
    yield Progress(len(encodings), len(encodings), "Verifying encodings", "slides")
    return Verification(tuple(damaged), absent, encodings)


def find_encodings(
    path: Path, description: dict[str, Any]
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Where the encodings of an atlas lie, by slide id, and the names of those that are gone.

    The atlas's own table says so; where that is damaged, the folder of encodings
    beside the atlas is looked through.
    """
    ids = [str(identity[0]) for identity in description["built_from"]]
    try:
        import pandas as pd

        table = pd.read_parquet(path / layout.SLIDES, columns=["slide_id", "encoding"])
        named = {
            str(slide): path.parent / str(location)
            for slide, location in zip(table["slide_id"], table["encoding"], strict=True)
        }
    # Whatever a damaged file makes the reader raise.
    except Exception:  # noqa: BLE001
        named = dict(_beside(path))
    there = {slide: named[slide] for slide in ids if slide in named and named[slide].is_dir()}
    absent = tuple(
        named[slide].name if slide in named else "an encoding of unknown name"
        for slide in ids
        if slide not in there
    )
    return there, absent


def damage_of_encoding(folder: Path) -> list[Damage]:
    """Read every chunk of an encoding."""

    def found(part: str, chunk: int | None, patches: tuple[int, int] | None, reason: str) -> Damage:
        return Damage("encoding", folder.name, part, chunk, patches, reason)

    try:
        attributes = encoding_layout.read_attributes(folder)
        chunks = -(-int(attributes["n_patches"]) // int(attributes["chunk_rows"]))
        streamed = set(attributes["streamed"])
    except (HaikuError, KeyError, TypeError, ValueError):
        return [found("zarr.json", None, None, "its description cannot be read")]
    damaged = []
    if encoding_layout.chunks_done(folder, chunks) < chunks:
        damaged.append(found(encoding_layout.DONE, None, None, "it is not finished"))
    for part in sorted(parts_of(folder) | streamed):
        if part == encoding_layout.DONE:
            continue
        try:
            array = encoding_layout.open_array(folder, part)
        except HaikuError:
            damaged.append(found(part, None, None, "its description cannot be read"))
            continue
        damaged += [
            found(part, chunk, patches if part in streamed else None, "it cannot be read")
            for chunk, patches in _bad_chunks(folder, part, array)
        ]
    return damaged


def parts_of(folder: Path) -> set[str]:
    """Names of the arrays in the folder of an encoding."""
    return {child.name for child in folder.iterdir() if (child / "zarr.json").is_file()}


def _bad_chunks(
    folder: Path, part: str, array: zarr.Array[Any]
) -> Iterator[tuple[int, tuple[int, int]]]:
    height, rows = array.chunks[0], array.shape[0]
    for chunk, start in enumerate(range(0, rows, height)):
        stop = min(start + height, rows)
        try:
            encoding_layout.read_rows(folder, part, slice(start, stop))
        except HaikuError:
            yield chunk, (start, stop)


def _damage_of_file(path: Path, name: str, entry: dict[str, Any]) -> list[Damage]:
    def found(chunk: int | None, reason: str) -> Damage:
        return Damage("atlas", path.name, name, chunk, None, reason)

    file = path / name
    try:
        size = file.stat().st_size
        now = layout.describe_file(file)
    except OSError:
        return [found(None, "it is missing or cannot be read")]
    if size != entry["bytes"]:
        return [found(None, f"it has {size:,} bytes instead of {entry['bytes']:,}")]
    if now["sha256"] == entry["sha256"]:
        return []
    blocks = entry.get("blocks")
    if blocks is None:
        return [found(None, "its content was changed")]
    return [
        found(number, "its content was changed")
        for number, (is_, was) in enumerate(zip(now["blocks"], blocks, strict=True))
        if is_ != was
    ]


def _beside(path: Path) -> Iterator[tuple[str, Path]]:
    folder = path.parent / f"{path.name}.encodings"
    for encoding in sorted(folder.glob("*.zarr")):
        try:
            yield str(encoding_layout.read_attributes(encoding)["slide_id"]), encoding
        except HaikuError:
            continue
