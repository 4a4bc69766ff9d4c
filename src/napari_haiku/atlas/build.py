"""Put encodings together into an atlas."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_haiku.atlas import layout
from napari_haiku.atlas.contents import write_contents
from napari_haiku.atlas.replacing import clear_leftovers, fresh_name, put_in_place
from napari_haiku.atlas.sources import EncodedSlide, Source
from napari_haiku.atlas.store import Atlas
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.jobs import Job

Rows = NDArray[np.bool_]


def build_atlas(
    encodings: Sequence[Encoding | Path | str],
    path: Path | str,
    *,
    rows: Sequence[Rows | None] | None = None,
    thumbnails: Sequence[str] | None = None,
    grow: bool = False,
    origin: dict[str, Any] | None = None,
) -> Job[Atlas]:
    """Build an atlas from encodings.

    It is built under a temporary name and renamed when whole.

    Parameters
    ----------
    encodings : sequence of Encoding or Path
        Finished encodings of one model, one a slide, in the order of the atlas.
    path : Path or str
        Folder of the atlas. Where the same atlas is there already, it is opened
        as it is.
    rows : sequence of (ndarray of bool or None), optional
        Which patches of each encoding go in; None for all.
    thumbnails : sequence of str, optional
        Modalities whose pictures are kept; all by default.
    grow : bool
        Whether an atlas of fewer of these slides may be replaced.
    origin : dict, optional
        What to remember of where the encodings came from, for repairs.

    Yields
    ------
    Progress
        After every slide.

    Returns
    -------
    Atlas
        The atlas, opened.

    Raises
    ------
    HaikuError
        No encoding, different models, patch sizes or a slide given twice,
        something else at `path`, or no space.
    """
    path = Path(path)
    sources = encoded_slides(encodings, rows)
    check_compatible(sources)
    with WriteLock(path):
        clear_leftovers(path)
        if path.exists() and _is_same(path, sources, grow=grow):
            return Atlas.open(path)
        yield from write_atlas(path, sources, thumbnails=thumbnails, origin=origin)
    return Atlas.open(path)


def write_atlas(
    path: Path,
    sources: Sequence[Source],
    *,
    thumbnails: Sequence[str] | None = None,
    origin: dict[str, Any] | None = None,
) -> Job[None]:
    """Write an atlas beside `path` and let it take its place when whole.

    The caller holds the atlas's lock. A kill at any moment leaves the atlas that
    was there, or the new one.

    Raises
    ------
    HaikuError
        The disk is full or the folder cannot be written; nothing is left behind.
    """
    fresh = fresh_name(path)
    with speaking(path):
        try:
            fresh.mkdir(parents=True)
            yield from write_contents(fresh, sources, path.parent, thumbnails, origin)
            put_in_place(path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def encoded_slides(
    encodings: Sequence[Encoding | Path | str], rows: Sequence[Rows | None] | None = None
) -> list[EncodedSlide]:
    """Open encodings and choose the patches that go in.

    Raises
    ------
    HaikuError
        There is none, one is not finished, or a selection does not fit.
    """
    if not encodings:
        raise HaikuError("There is nothing to build an atlas from: give at least one encoding.")
    chosen = rows if rows is not None else [None] * len(encodings)
    if len(chosen) != len(encodings):
        raise HaikuError(
            f"{len(encodings)} encodings were given with {len(chosen)} selections of patches: give "
            "one selection for each."
        )
    sources: list[EncodedSlide] = []
    for given, keep in zip(encodings, chosen, strict=True):
        encoding = given if isinstance(given, Encoding) else Encoding.open(given)
        if not encoding.complete:
            encoding = Encoding.open(encoding.path)
        if keep is None:
            patches = np.arange(encoding.n_patches)
        else:
            if np.shape(keep) != (encoding.n_patches,):
                raise HaikuError(
                    f"The selection of patches of {encoding.path.name} has {np.size(keep)} entries "
                    f"for {encoding.n_patches} patches: give one entry for each patch."
                )
            patches = np.flatnonzero(keep)
        if len(patches):
            sources.append(EncodedSlide(encoding, patches))
    if not sources:
        raise HaikuError("No patch was selected for the atlas: select at least one.")
    return sources


def check_compatible(sources: Sequence[Source]) -> None:
    """Make sure that slides can lie in one atlas.

    Raises
    ------
    HaikuError
        Different models or patch sizes, a slide given twice, or a clinical field
        called like a column of the atlas.
    """
    first = sources[0]
    seen: set[str] = set()
    for source in sources:
        if source.model["fingerprint"] != first.model["fingerprint"]:
            raise HaikuError(
                f"{_named(first)} was encoded with the model {_model(first)} and "
                f"{_named(source)} with {_model(source)}: encode all slides with one model."
            )
        if source.patch_um != first.patch_um:
            raise HaikuError(
                f"{_named(first)} has patches of {first.patch_um:g} um and {_named(source)} "
                f"of {source.patch_um:g} um: encode all slides with one patch size."
            )
        if source.slide_id in seen:
            raise HaikuError(
                f"{_named(source)} has the id of a slide that is in the atlas already: give "
                "every slide an id of its own."
            )
        seen.add(source.slide_id)
        clash = [name for name in source.record if name in layout.PATCH_COLUMNS]
        if clash:
            raise HaikuError(
                f"The clinical field '{clash[0]}' of {_named(source)} is called like a column "
                "of the atlas: rename the field."
            )


def _named(source: Source) -> str:
    return source.location(Path()).rpartition("/")[2]


def _model(source: Source) -> str:
    return f"{source.model['name']} ({source.model['fingerprint'][:8]})"


def _is_same(path: Path, sources: Sequence[Source], *, grow: bool) -> bool:
    """Whether the atlas at `path` is the one asked for; False if it may be replaced."""
    there = Atlas.open(path).description["built_from"]
    wanted = [source.identity() for source in sources]
    if there == wanted:
        return True
    if grow and all(identity in wanted for identity in there):
        return False
    raise HaikuError(
        f"{path.name} exists already and was built from other encodings: choose another name for "
        "the atlas, or remove the old one."
    )
