"""Put slides into an atlas, take them out, and tidy it up; each at once or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.atlas.build import check_compatible, encoded_slides, write_atlas
from napari_haiku.atlas.replacing import clear_leftovers
from napari_haiku.atlas.sources import KeptSlide
from napari_haiku.atlas.store import Atlas
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.atlas.sources import Source
    from napari_haiku.jobs import Job


@dataclass(frozen=True)
class Change:
    """What a change did to an atlas.

    Parameters
    ----------
    atlas : Atlas
        The atlas as it is now.
    slides : int
        Slides added or removed.
    bytes_freed : int
        How much smaller the atlas is than before; negative where it grew.
    """

    atlas: Atlas
    slides: int
    bytes_freed: int = 0


def add_to_atlas(path: Path | str, encodings: Sequence[Encoding | Path | str]) -> Job[Change]:
    """Add encoded slides to an atlas.

    Slides that it holds already, from the same encodings, are left as they are.
    The other slides are copied, so that their encodings need not be there.

    Raises
    ------
    HaikuError
        Another model or patch size, a slide of that id made from other images, an
        encoding that is not finished, no space.
    """
    path = Path(path)
    with WriteLock(path):
        clear_leftovers(path)
        atlas = Atlas.open(path)
        there = {identity[0]: identity for identity in atlas.description["built_from"]}
        new = []
        for slide in encoded_slides(encodings):
            if there.get(slide.slide_id) != slide.identity():
                new.append(slide)
            if slide.slide_id in there and there[slide.slide_id] != slide.identity():
                raise HaikuError(
                    f"{slide.encoding.path.name} has the id of a slide that the atlas "
                    f"{atlas.name} holds with other content: remove that one first, or give the "
                    "slide an id of its own."
                )
        if not new:
            return Change(atlas, 0)
        sources: list[Source] = [*_kept(atlas), *new]
        check_compatible(sources)
        return (yield from _rewritten(atlas, sources, len(new)))


def remove_from_atlas(path: Path | str, encodings: Sequence[Path | str]) -> Job[Change]:
    """Take slides out of an atlas.

    Parameters
    ----------
    path : Path or str
        The atlas.
    encodings : sequence of Path or str
        The slides' encodings; where one is gone, its file name or the slide's id
        will do.

    Raises
    ------
    HaikuError
        The atlas does not hold a slide, or none would be left.
    """
    path = Path(path)
    with WriteLock(path):
        clear_leftovers(path)
        atlas = Atlas.open(path)
        gone = {_number_of(atlas, given) for given in encodings}
        if len(gone) == atlas.n_slides:
            raise HaikuError(
                f"No slide would be left in the atlas {atlas.name}: delete its folder instead."
            )
        if not gone:
            return Change(atlas, 0)
        sources = [slide for number, slide in enumerate(_kept(atlas)) if number not in gone]
        return (yield from _rewritten(atlas, sources, len(gone)))


def compact_atlas(path: Path | str) -> Job[Change]:
    """Write an atlas anew without what it no longer needs.

    Markers and fields that only removed slides had, and what killed commands
    left beside it, go. Its slides and their order stay.
    """
    path = Path(path)
    with WriteLock(path):
        clear_leftovers(path)
        atlas = Atlas.open(path)
        return (yield from _rewritten(atlas, _kept(atlas), 0))


def _kept(atlas: Atlas) -> list[KeptSlide]:
    return [KeptSlide(atlas, number) for number in range(atlas.n_slides)]


def _rewritten(atlas: Atlas, sources: Sequence[Source], changed: int) -> Job[Change]:
    before = _size(atlas.path)
    yield from write_atlas(
        atlas.path,
        sources,
        thumbnails=None,
        origin=atlas.description.get("origin"),
    )
    return Change(Atlas.open(atlas.path), changed, before - _size(atlas.path))


def _number_of(atlas: Atlas, given: Path | str) -> int:
    """Which slide an encoding is."""
    path = Path(given)
    slides = atlas.slides
    if path.exists():
        wanted = Encoding.open(path, partial=True).slide_id
        found = slides["slide_id"] == wanted
    else:
        name = path.name
        found = (slides["slide_id"] == str(given)) | (
            slides["encoding"].str.rpartition("/")[2] == name
        )
    numbers = found.to_numpy(bool).nonzero()[0]
    if len(numbers) != 1:
        raise HaikuError(
            f"The atlas {atlas.name} holds no slide of {path.name}: give the encoding it was "
            "built from, or the slide's id."
        )
    return int(numbers[0])


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
