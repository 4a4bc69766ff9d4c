"""What the frozen parts of the published towers make of a slide, kept on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_haiku.clinical import public_record
from napari_haiku.encoding.intensity import slide_scaling
from napari_haiku.errors import HaikuError
from napari_haiku.images.grid import make_grid
from napari_haiku.images.patches import PatchSource
from napari_haiku.images.reading import open_image
from napari_haiku.images.tissue import tissue_mask
from napari_haiku.jobs import Progress
from napari_haiku.markers import resolve_marker
from napari_haiku.model.published.captions import full_caption
from napari_haiku.model.published.he_preprocessing import prepare_he
from napari_haiku.model.published.mif_preprocessing import prepare_mif
from napari_haiku.model.published.patch_statistics import (
    describe_patch,
    leave_one_out,
    mean_of_nonzero,
)
from napari_haiku.model.published.region_scaling import quantise
from napari_haiku.model.published.resampling import to_model_patch
from napari_haiku.model.published.tokenizing import token_ids
from napari_haiku.storage import write_json

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_haiku.atlas.manifest import ManifestSlide
    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.model.published.haiku import Haiku
    from napari_haiku.training.config import Box, TrainConfig
    from napari_haiku.training.published_parts import CutTower

FORM = 1
_AT_ONCE = 8
_DONE = "done.json"


@dataclass(frozen=True)
class SlideFeatures:
    """Features of the patches of one slide; row i of each is the same tissue.

    Attributes
    ----------
    entry : ManifestSlide
    cohort : str
    fingerprints : tuple of str
        Of its images.
    patches : int
    he, mif, text : ndarray or None
        What lies before the first tuned layer; None where there is no image or
        no record.
    text_mask : ndarray of uint8, shape (patches, length), or None
        Attended tokens, where the text tower is tuned.
    captions : tuple of str
        One a patch; empty without a record.
    """

    entry: ManifestSlide
    cohort: str
    fingerprints: tuple[str, ...]
    patches: int
    he: NDArray[Any] | None
    mif: NDArray[Any] | None
    text: NDArray[Any] | None
    text_mask: NDArray[np.uint8] | None
    captions: tuple[str, ...]


def slide_features(
    rows: list[tuple[str, ManifestSlide]],
    model: Haiku,
    parts: Mapping[str, CutTower],
    config: TrainConfig,
    folder: Path,
) -> Generator[Progress, None, list[SlideFeatures]]:
    """Run the frozen parts once over every slide; what an earlier run kept is opened.

    Raises
    ------
    HaikuError
        An image cannot be used.
    """
    found = []
    for done, (cohort, entry) in enumerate(rows):
        yield Progress(done, len(rows), "Running the frozen layers", "slides")
        he = open_image(entry.he, modality="he") if entry.he else None
        mif = open_image(entry.mif, modality="mif", markers=entry.markers) if entry.mif else None
        region = config.regions_um.get(entry.slide_id)
        prints = tuple(image.fingerprint for image in (he, mif) if image is not None)
        content = [FORM, prints, model.fingerprint, region, entry.record, config.seed]
        content.append({name: part.layer for name, part in parts.items()})
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        home = folder / key
        if not (home / _DONE).is_file():
            home.mkdir(parents=True, exist_ok=True)
            with torch.inference_mode():
                _write(home, entry, he, mif, region, model, parts, config.seed)
        found.append(_open(home, entry, cohort, prints))
    return found


def _open(
    home: Path, entry: ManifestSlide, cohort: str, fingerprints: tuple[str, ...]
) -> SlideFeatures:
    done = json.loads((home / _DONE).read_text(encoding="utf-8"))

    def array(name: str) -> NDArray[Any] | None:
        file = home / f"{name}.npy"
        return np.load(file, mmap_mode="r") if file.is_file() else None

    return SlideFeatures(
        entry,
        cohort,
        fingerprints,
        int(done["patches"]),
        array("he"),
        array("mif"),
        array("text"),
        array("text_mask"),
        tuple(done["captions"]),
    )


def _write(
    home: Path,
    entry: ManifestSlide,
    he: SlideImage | None,
    mif: SlideImage | None,
    region: Box | None,
    model: Haiku,
    parts: Mapping[str, CutTower],
    seed: int,
) -> None:
    mask = tissue_mask(he if he is not None else mif)  # type: ignore[arg-type]
    grid = make_grid(he, mif, patch_um=model.patch_um, stride_um=model.patch_um, mask=mask)
    if region is not None:
        grid = grid.within(region)
    if not len(grid):
        raise HaikuError(
            f"Slide of line {entry.row}: no patch on tissue lies in the region to train on; "
            "choose another region."
        )
    starts = range(0, len(grid), _AT_ONCE)
    pieces = [(start, min(start + _AT_ONCE, len(grid))) for start in starts]
    captions: list[str] = []
    if he is not None:
        source = PatchSource(he, grid, model.pixel_size_um)
        inputs = (_he_input(source.read(*piece), source, model) for piece in pieces)
        _keep(home / "he.npy", map(parts["he"].before_he, inputs), len(grid))
    metadata = public_record(entry.record)
    if mif is not None:
        scaling = slide_scaling(mif, mask, model.fit_scaling, region)
        source = PatchSource(mif, grid, model.pixel_size_um)
        markers = [str(mif.markers[i]) for i in mif.used_channels]
        names = [_spelt(model, marker) for marker in markers]

        def grey(piece: tuple[int, int]) -> Tensor:
            stored = source.read(*piece)[:, list(mif.used_channels)]
            numbers = torch.from_numpy(np.nan_to_num(stored.astype(np.float32)))
            patch = to_model_patch(
                numbers, source.pixel_size_um, model.pixel_size_um, model.patch_px, what="mIF"
            )
            return quantise(patch, scaling).cpu()

        means: list[NDArray[np.float64]] = []

        def vectors(piece: tuple[int, int]) -> Tensor:
            images = grey(piece)
            means.append(mean_of_nonzero(images.numpy()))
            tiles = prepare_mif(images.to(model.device.torch_name), model.config.mif.patch_size)
            return parts["mif"].before_mif(list(tiles), [names] * len(tiles))

        _keep(home / "mif.npy", map(vectors, pieces), len(grid))
        if metadata and "text" in parts:
            z, percentiles = leave_one_out(np.concatenate(means))
            for start, stop in pieces:
                images = grey((start, stop)).numpy()
                captions += [
                    full_caption(
                        metadata,
                        describe_patch(image, tuple(markers), z[i], percentiles[i]),
                        seed=_caption_seed(seed, entry.slide_id, i),
                    )
                    for i, image in zip(range(start, stop), images, strict=True)
                ]
    elif metadata and "text" in parts:
        captions = [
            full_caption(metadata, (), seed=_caption_seed(seed, entry.slide_id, i))
            for i in range(len(grid))
        ]
    if captions:
        _keep_text(home, captions, model, parts["text"])
    write_json(home / _DONE, {"patches": len(grid), "captions": captions})


def _he_input(patches: NDArray[np.uint8], source: PatchSource, model: Haiku) -> Tensor:
    images = torch.from_numpy(np.array(patches)).to(model.device.torch_name)
    images = to_model_patch(
        images.permute(0, 3, 1, 2).float(),
        source.pixel_size_um,
        model.pixel_size_um,
        model.patch_px,
        what="H&E",
    )
    return prepare_he(images.permute(0, 2, 3, 1), model.config.he.img_size)


def _keep_text(home: Path, captions: list[str], model: Haiku, part: CutTower) -> None:
    assert model.tokenizer is not None  # noqa: S101  the run has checked it
    assert model.config.text is not None  # noqa: S101
    length = min(model.config.text_length, model.config.text.max_position_embeddings)
    ids, mask = token_ids(model.tokenizer, captions, length)
    device = model.device.torch_name
    pieces = [slice(at, at + _AT_ONCE) for at in range(0, len(captions), _AT_ONCE)]
    kept = (part.before_text(ids[rows].to(device), mask[rows].to(device)) for rows in pieces)
    _keep(home / "text.npy", kept, len(captions))
    if part.layer is not None:
        np.save(home / "text_mask.npy", mask.numpy().astype(np.uint8))


def _keep(file: Path, parts: Iterable[Tensor], rows: int) -> None:
    """Write rows down as they come; whole token grids in half precision, for they are large."""
    out: NDArray[Any] | None = None
    at = 0
    for part in parts:
        some = part.float().cpu().numpy()
        if out is None:
            kind = np.float16 if some.ndim > 2 else np.float32
            out = np.lib.format.open_memmap(file, "w+", kind, (rows, *some.shape[1:]))
        out[at : at + len(some)] = some
        at += len(some)
    if isinstance(out, np.memmap):
        out.flush()


def _spelt(model: Haiku, marker: str) -> str:
    return (
        marker
        if not model.unknown_markers([marker])
        else resolve_marker(marker).canonical or marker
    )


def _caption_seed(seed: int, slide: str, patch: int) -> int:
    digest = hashlib.sha256(json.dumps([seed, slide, patch]).encode()).digest()
    return int.from_bytes(digest[:4], "big")
