"""Mend an atlas and its encodings: only what is damaged is encoded again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.atlas import layout
from napari_haiku.atlas.build import encoded_slides, write_atlas
from napari_haiku.atlas.index_build import build_index
from napari_haiku.atlas.manifest import read_manifest
from napari_haiku.atlas.opening import Opening, request_of
from napari_haiku.atlas.replacing import clear_leftovers
from napari_haiku.atlas.store import Atlas
from napari_haiku.atlas.verify import Verification, verify_atlas
from napari_haiku.encoding import layout as encoding_layout
from napari_haiku.encoding.differences import first_difference
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeOptions, EncodeRequest
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.storage import speaking, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.atlas.manifest import ManifestSlide
    from napari_haiku.atlas.verify import Damage
    from napari_haiku.model.base import TissueModel


@dataclass(frozen=True)
class Repair:
    """What a repair did.

    Parameters
    ----------
    before, after : Verification
        What was damaged, and what still is.
    chunks_encoded : int
        Chunks of patches that were encoded again.
    """

    before: Verification
    after: Verification
    chunks_encoded: int


def repair_atlas(
    path: Path | str,
    load_model: Callable[[str], TissueModel],
    *,
    manifest: Path | str | None = None,
    model: str | None = None,
) -> Job[Repair]:
    """Mend what is damaged, from the images where encodings are, from encodings elsewhere.

    Parameters
    ----------
    path : Path or str
        The atlas.
    load_model : callable
        Opens a model by name or folder; called only where patches are encoded
        again.
    manifest : Path or str, optional
        The cohort's manifest, where it is no longer where it was.
    model : str, optional
        Name or folder of the model, likewise.

    Returns
    -------
    Repair

    Raises
    ------
    HaikuError
        The images or the model are not there, or are not those that were encoded.
    """
    path = Path(path)
    before = yield from verify_atlas(path)
    if before.ok:
        return Repair(before, before, 0)
    origin = layout.read_description(path).get("origin") or {}
    broken = _by_encoding(before)
    encoded = 0
    if broken:
        slides = _slides(path, origin, manifest)
        towers = load_model(model or origin.get("model") or "default")
        for folder, damages in broken.items():
            slide = _slide_of(before, folder, slides)
            mender = _Mender(folder, slide, towers, Opening.from_json(origin))
            encoded += yield from mender.mend(damages)
    parts = {damage.part for damage in before.damaged if damage.kind == "atlas"}
    indices = {part for part in parts if part.startswith("index_")}
    if parts - indices:
        yield from _rebuild(path, before)
    elif indices:
        # A cache: built anew from the vectors.
        for part in indices:
            (path / part).unlink(missing_ok=True)
    if parts:
        yield from build_index(Atlas.open(path))
    after = yield from verify_atlas(path)
    return Repair(before, after, encoded)


def _by_encoding(found: Verification) -> dict[Path, list[Damage]]:
    folders = {folder.name: folder for folder in found.encodings.values()}
    broken: dict[Path, list[Damage]] = {}
    for damage in found.damaged:
        if damage.kind == "encoding":
            broken.setdefault(folders[damage.name], []).append(damage)
    return broken


def _slides(
    path: Path, origin: dict[str, Any], manifest: Path | str | None
) -> dict[str, ManifestSlide]:
    if manifest is None and not origin.get("manifest"):
        raise HaikuError(
            f"The atlas {path.name} does not know where its images are: name the manifest of its "
            "cohort with --cohort."
        )
    file = Path(manifest) if manifest is not None else path.parent / origin["manifest"]
    if not file.is_file():
        raise HaikuError(
            f"The manifest {file.name} is no longer where it was: name it with --cohort."
        )
    return {slide.slide_id: slide for slide in read_manifest(file, check_files=False).slides}


def _slide_of(found: Verification, folder: Path, slides: dict[str, ManifestSlide]) -> ManifestSlide:
    slide_id = next(name for name, where in found.encodings.items() if where == folder)
    if slide_id not in slides:
        raise HaikuError(
            f"The manifest has no slide for {folder.name}, so that it cannot be encoded again: "
            "name the manifest of the cohort with --cohort."
        )
    return slides[slide_id]


def _rebuild(path: Path, found: Verification) -> Job[None]:
    """Write the atlas anew from its encodings, the same slides and patches."""
    if found.absent:
        raise HaikuError(
            f"The atlas {path.name} is damaged and the encoding {found.absent[0]} is not there to "
            "mend it from: put it back, or build the atlas again."
        )
    description = layout.read_description(path)
    order = [str(identity[0]) for identity in description["built_from"]]
    sources = encoded_slides([found.encodings[slide] for slide in order])
    if [source.identity() for source in sources] != description["built_from"]:
        raise HaikuError(
            f"The atlas {path.name} was built from other encodings, or from some of their patches "
            "only: build it again."
        )
    with WriteLock(path):
        clear_leftovers(path)
        yield from write_atlas(
            path,
            sources,
            thumbnails=description["thumbnails"],
            origin=description.get("origin"),
        )


class _Mender:
    """Encode damaged chunks of one encoding again, beside it, and put them in."""

    def __init__(
        self,
        folder: Path,
        slide: ManifestSlide,
        model: TissueModel,
        opening: Opening,
    ) -> None:
        self._folder = folder
        self._slide = slide
        self._model = model
        self._opening = opening
        # A folder of its own, so that log and lock beside the encoding go with it.
        self._room = folder.parent / f".{folder.name}.repair"
        self._scratch = self._room / folder.name

    def mend(self, damages: list[Damage]) -> Job[int]:
        """Mend an encoding; returns how many chunks were encoded."""
        with WriteLock(self._folder), speaking(self._folder):
            try:
                return (yield from self._mend(damages))
            finally:
                shutil.rmtree(self._room, ignore_errors=True)

    def _mend(self, damages: list[Damage]) -> Job[int]:
        shutil.rmtree(self._room, ignore_errors=True)
        self._room.mkdir()
        request = self._request()
        # Everything but the streamed rows is there before the first patch is encoded.
        yield from self._until(request, lambda report: report.doing == "Encoding")
        fresh = encoding_layout.read_attributes(self._scratch)
        self._check_same(fresh)
        streamed = fresh["streamed"]
        chunks = -(-int(fresh["n_patches"]) // int(fresh["chunk_rows"]))
        wanted: set[int] = set()
        for damage in damages:
            if damage.part == "zarr.json":
                self._put(Path("zarr.json"))
                wanted.update(range(chunks))
            elif damage.part == encoding_layout.DONE:
                wanted.update(_not_done(self._folder, chunks))
            elif damage.part in streamed and damage.chunk is not None:
                wanted.add(damage.chunk)
            elif damage.part in streamed:
                self._put(Path(damage.part, "zarr.json"))
            else:
                for file in sorted((self._scratch / damage.part).rglob("*")):
                    if file.is_file():
                        self._put(file.relative_to(self._scratch))
        for number, chunk in enumerate(sorted(wanted)):
            yield Progress(number, len(wanted), "Encoding damaged patches again", "chunks")
            yield from self._encode(request, chunk)
            for part in streamed:
                for file in (self._scratch / part / "c" / str(chunk)).rglob("*"):
                    if file.is_file():
                        self._put(file.relative_to(self._scratch))
            self._put(Path(encoding_layout.DONE, "c", str(chunk)))
        return len(wanted)

    def _request(self) -> EncodeRequest:
        """Say what the slide was encoded with, as far as its description can still be read."""
        self._slide.check_files(self._folder)
        options = EncodeOptions()
        try:
            known = [encoding_layout.read_attributes(self._folder)]
        except HaikuError:
            known = self._siblings()
        for attributes in known[:1]:
            geometry = attributes["geometry"]
            options = EncodeOptions(
                patch_um=geometry["patch_um"],
                stride_um=geometry["stride_um"],
                min_tissue=geometry["min_tissue"],
                batch_size=int(attributes["computed_on"][0]["batch_size"]),
            )
        return request_of(self._slide, self._scratch, options, self._opening)

    def _siblings(self) -> list[dict[str, Any]]:
        """Descriptions of encodings beside this one, made by the same command."""
        found = []
        for folder in sorted(self._folder.parent.glob("*.zarr")):
            try:
                found.append(encoding_layout.read_attributes(folder))
            except HaikuError:
                continue
        return found

    def _check_same(self, fresh: dict[str, Any]) -> None:
        try:
            old = encoding_layout.read_attributes(self._folder)
        except HaikuError:
            return
        difference = first_difference(old["inputs"], fresh["inputs"])
        if difference:
            raise HaikuError(
                f"{self._folder.name} cannot be mended, for it was made from {difference}: encode "
                "the slide again."
            )

    def _encode(self, request: EncodeRequest, chunk: int) -> Job[None]:
        """Encode one chunk in the scratch folder: those before it count as done."""
        done = self._scratch / encoding_layout.DONE / "c"
        shutil.rmtree(done, ignore_errors=True)
        for earlier in range(chunk):
            encoding_layout.mark_done(self._scratch, earlier)
        mark = done / str(chunk)
        yield from self._until(request, lambda report: mark.exists())

    def _until(self, request: EncodeRequest, enough: Callable[[Progress], bool]) -> Job[None]:
        job = encode_slide(request, self._model)
        try:
            for report in job:
                if enough(report):
                    return
                yield report
        finally:
            job.close()

    def _put(self, file: Path) -> None:
        """Put one file of the scratch folder into the encoding at once."""
        target = self._folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(target, (self._scratch / file).read_bytes())


def _not_done(folder: Path, chunks: int) -> list[int]:
    marks = folder / encoding_layout.DONE / "c"

    def marked(chunk: int) -> bool:
        try:
            return (marks / str(chunk)).read_bytes() == b"\x01"
        except OSError:
            return False

    return [chunk for chunk in range(chunks) if not marked(chunk)]
