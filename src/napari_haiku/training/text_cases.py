"""What text heads are fitted on: vectors of frozen image towers, and captions as features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_haiku.clinical import public_record
from napari_haiku.jobs import Progress
from napari_haiku.model.compact.preprocessing import he_normalise
from napari_haiku.training.captions import flipped_record, marker_phrase, training_caption
from napari_haiku.training.sampler import MIN_TISSUE, Batch

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_haiku.model.compact.caption_reader import CaptionReader
    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.marker_targets import MarkerTargets
    from napari_haiku.training.tissue_cache import CachedSlide

# Captions drawn of each record: fields left out and templates differ.
VARIANTS = 24
# Patches of one slide that are kept; more would not say more about its caption.
MOST_PATCHES = 400
_AT_ONCE = 128


@dataclass(frozen=True)
class TextCases:
    """Slides with a record, one row a slide in the first block, one a patch in the second.

    Attributes
    ----------
    patient : ndarray of int64, shape (slides,)
        Number of the patient.
    captions, flipped : ndarray of float16, shape (slides, VARIANTS, features)
        Captions of the record, and the same with one field made wrong.
    first, last : ndarray of int64, shape (slides,)
        Rows of each slide's patches.
    he, mif : ndarray of float32, shape (patches, dim), or None
        Unit vectors of the image towers.
    phrase : ndarray of int64, shape (patches,)
        Row of `phrases` that tells which markers of the patch stand out, -1
        where none does.
    phrases : ndarray of float16, shape (phrases, features)
        Each phrase that occurs, read once.
    """

    patient: NDArray[np.int64]
    captions: NDArray[np.float16]
    flipped: NDArray[np.float16]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    he: NDArray[np.float32] | None
    mif: NDArray[np.float32] | None
    phrase: NDArray[np.int64]
    phrases: NDArray[np.float16]

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(np.unique(self.patient))


def gather_cases(
    slides: list[CachedSlide],
    cohorts: list[str],
    network: CompactNetwork,
    targets: MarkerTargets,
    reader: CaptionReader,
    config: TrainConfig,
) -> Generator[Progress, None, TextCases]:
    """Encode every slide that has a record with the frozen towers.

    Slides without a record, or without one of the two images, are left out.
    """
    chosen = [
        (slide, cohort)
        for slide, cohort in zip(slides, cohorts, strict=True)
        if public_record(slide.record) and slide.he is not None and slide.cells is not None
    ]
    values = field_values([slide for slide, _ in chosen])
    rows: dict[str, list[NDArray[np.float32]]] = {"he": [], "mif": []}
    said: list[str] = []
    rng = np.random.default_rng([config.seed, 5])
    captions, flipped, counts, patients = [], [], [], []
    numbers: dict[str, int] = {}
    for done, (slide, cohort) in enumerate(chosen):
        yield Progress(done, len(chosen), "Reading slides for the text head", "slides")
        corners = _corners(slide, network, np.random.default_rng([config.seed, 2, done]))
        if not len(corners):
            continue
        vectors, z = _read_slide(slide, cohort, corners, network, targets)
        for name, part in vectors.items():
            rows[name].append(part)
        said += [marker_phrase(row, network.config.markers, rng) for row in z]
        counts.append(len(corners))
        patients.append(numbers.setdefault(slide.patient_id, len(numbers)))
        right, wrong = _read_variants(slide, values, reader, config, done)
        captions.append(right)
        flipped.append(wrong)
    last = np.cumsum(counts, dtype=np.int64)
    number = {phrase: i for i, phrase in enumerate(dict.fromkeys(filter(None, said)))}
    return TextCases(
        patient=np.asarray(patients, np.int64),
        captions=np.stack(captions) if captions else np.zeros((0, VARIANTS, 0), np.float16),
        flipped=np.stack(flipped) if flipped else np.zeros((0, VARIANTS, 0), np.float16),
        first=last - counts,
        last=last,
        he=np.concatenate(rows["he"]) if rows["he"] else None,
        mif=np.concatenate(rows["mif"]) if rows["mif"] else None,
        phrase=np.array([number.get(phrase, -1) for phrase in said], np.int64),
        phrases=reader.read(list(number)).astype(np.float16),
    )


def field_values(slides: list[CachedSlide]) -> dict[str, list[str]]:
    """Values of each field that occur in a cohort, in order of the alphabet."""
    values: dict[str, set[str]] = {}
    for slide in slides:
        for field, value in public_record(slide.record).items():
            values.setdefault(field, set()).add(value)
    return {field: sorted(found) for field, found in values.items()}


def _read_variants(
    slide: CachedSlide,
    values: dict[str, list[str]],
    reader: CaptionReader,
    config: TrainConfig,
    number: int,
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    right, wrong = [], []
    for variant in range(VARIANTS):
        seed = (config.seed, 3, number, variant)
        right.append(training_caption(slide.record, config.dropped_fields, seed))
        other = flipped_record(slide.record, values, seed)
        # The same seed leaves out the same fields and draws the same template.
        wrong.append(training_caption(other, config.dropped_fields, seed))
    return (
        reader.read(right).astype(np.float16),
        reader.read(wrong).astype(np.float16),
    )


def _corners(
    slide: CachedSlide, network: CompactNetwork, rng: np.random.Generator
) -> NDArray[np.int64]:
    side = network.config.patch_px // network.config.cell_px
    rows, columns = (np.arange(0, n - side + 1, side) for n in slide.shape)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    kept = grid[slide.tissue_share(grid[:, 0], grid[:, 1], side) >= MIN_TISSUE]
    if len(kept) > MOST_PATCHES:
        kept = kept[np.sort(rng.permutation(len(kept))[:MOST_PATCHES])]
    return np.asarray(kept, np.int64)


@torch.inference_mode()
def _read_slide(
    slide: CachedSlide,
    cohort: str,
    corners: NDArray[np.int64],
    network: CompactNetwork,
    targets: MarkerTargets,
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """Read both image vectors and the marker targets of some patches."""
    assert slide.he is not None  # noqa: S101  asked by the caller
    assert slide.cells is not None  # noqa: S101
    side = network.config.patch_px // network.config.cell_px
    ids = network.marker_ids(slide.markers)
    ranges = None if slide.scaling is None else torch.from_numpy(slide.scaling.log_range)
    if ranges is not None:
        ranges = ranges.to(ids.device)
    found: dict[str, list[NDArray[np.float32]]] = {"he": [], "mif": []}
    z = []
    for start in range(0, len(corners), _AT_ONCE):
        some = corners[start : start + _AT_ONCE]
        he = np.stack([slide.he_patch(r, c, side) for r, c in some])
        cells = np.stack(
            [slide.cells[:, :, r : r + side, c : c + side] for r, c in some], dtype=np.float32
        )
        image = he_normalise(torch.from_numpy(he).permute(0, 3, 1, 2).float() / 255)
        found["he"].append(_unit(network.he(image.to(ids.device))))
        found["mif"].append(_unit(network.mif(torch.from_numpy(cells).to(ids.device), ids, ranges)))
        batch = Batch(None, cells, slide.markers, (slide,) * len(some), cohort)
        z.append(targets.of(batch))
    return {name: np.concatenate(parts) for name, parts in found.items()}, np.concatenate(z)


def _unit(rows: torch.Tensor) -> NDArray[np.float32]:
    out: NDArray[np.float32] = functional.normalize(rows.float(), dim=1).cpu().numpy()
    return out
