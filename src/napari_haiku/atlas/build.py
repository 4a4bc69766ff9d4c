"""Put encodings together into an atlas."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_haiku.atlas import layout
from napari_haiku.atlas.contents import Source, write_contents
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
    sources = _sources(encodings, rows)
    _check_compatible(sources)
    with WriteLock(path):
        if path.exists() and _is_same(path, sources, grow=grow):
            return Atlas.open(path)
        fresh, old = (path.parent / f".{path.name}.{word}" for word in ("new", "old"))
        with speaking(path):
            for leftover in (fresh, old):
                shutil.rmtree(leftover, ignore_errors=True)
            fresh.mkdir(parents=True)
            yield from write_contents(fresh, sources, path.parent, thumbnails)
            if path.exists():
                path.replace(old)
            fresh.replace(path)
            shutil.rmtree(old, ignore_errors=True)
    return Atlas.open(path)


def _sources(
    encodings: Sequence[Encoding | Path | str], rows: Sequence[Rows | None] | None
) -> list[Source]:
    if not encodings:
        raise HaikuError("There is nothing to build an atlas from: give at least one encoding.")
    chosen = rows if rows is not None else [None] * len(encodings)
    if len(chosen) != len(encodings):
        raise HaikuError(
            f"{len(encodings)} encodings were given with {len(chosen)} selections of patches: give "
            "one selection for each."
        )
    sources = []
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
            sources.append(Source(encoding, patches))
    if not sources:
        raise HaikuError("No patch was selected for the atlas: select at least one.")
    return sources


def _check_compatible(sources: list[Source]) -> None:
    first = sources[0].encoding
    seen: set[str] = set()
    for source in sources:
        encoding = source.encoding
        if encoding.model_fingerprint != first.model_fingerprint:
            raise HaikuError(
                f"{first.path.name} was encoded with the model {first.model_name} "
                f"({first.model_fingerprint[:8]}) and {encoding.path.name} with "
                f"{encoding.model_name} ({encoding.model_fingerprint[:8]}): encode all slides "
                "with one model."
            )
        if encoding.patch_um != first.patch_um:
            raise HaikuError(
                f"{first.path.name} has patches of {first.patch_um:g} um and {encoding.path.name} "
                f"of {encoding.patch_um:g} um: encode all slides with one patch size."
            )
        if encoding.slide_id in seen:
            raise HaikuError(
                f"{encoding.path.name} has the id of a slide that is in the atlas already: give "
                "every slide an id of its own."
            )
        seen.add(encoding.slide_id)
        clash = [name for name in encoding.record if name in layout.PATCH_COLUMNS]
        if clash:
            raise HaikuError(
                f"The clinical field '{clash[0]}' of {encoding.path.name} is called like a column "
                "of the atlas: rename the field."
            )


def _is_same(path: Path, sources: list[Source], *, grow: bool) -> bool:
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
