"""Frozen features of a cohort for the comparison of objectives, kept beside its slides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_haiku.analysis.biomarkers.hand_made_features import hand_made_features
from napari_haiku.atlas.manifest import read_manifest
from napari_haiku.images.reading import open_image
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.training.tissue_cache import CachedSlide, cache_slide

# Fields that describe the tissue, not the bookkeeping.
FIELDS = (
    "tissue_type", "disease", "type", "sex", "stage", "grade", "tnm", "treatment",
    "survival_status", "smoking",
)  # fmt: skip


@dataclass(frozen=True)
class Features:
    """Frozen features of patches; tokens are the quadrants of each."""

    patient: np.ndarray
    he: Tensor  # (n, f)
    he_tokens: Tensor  # (n, 4, f)
    mif: Tensor  # (n, c * g)
    mif_tokens: Tensor
    markers: Tensor  # (n, c, g), of each marker apart
    measured: Tensor  # (n, c)
    text: Tensor  # (n, w)
    starts: tuple[int, ...]  # where each field begins among the words
    target_group: Tensor


def gather(manifest: Path, cache: Path, patients: int, per_slide: int) -> Features:
    config = CompactConfig(name="benchmark", markers=())
    rng = np.random.default_rng(0)
    slides = [s for s in read_manifest(manifest).slides if s.he and s.mif][:patients]
    he, mif, markers, patient, records = [], [], [], [], []
    for entry in slides:
        slide = cache_slide(
            open_image(entry.he, modality="he"),
            open_image(entry.mif, modality="mif", markers=entry.markers),
            slide_id=entry.slide_id,
            patient_id=entry.patient_id,
            record=entry.record,
            config=config,
            region_um=None,
            folder=cache,
        )
        corners = tissue_corners(slide, config)
        for row, column in rng.permutation(corners)[:per_slide]:
            he.append(he_features(slide, config, row, column))
            mif.append(marker_features(slide, config, row, column))
            markers.append(slide.markers)
            patient.append(entry.patient_id)
            records.append(entry.record)
    names = sorted({name for panel in markers for name in panel})
    table = np.full((len(mif), 5, len(names), 6), np.nan, np.float32)
    for i, (values, panel) in enumerate(zip(mif, markers, strict=True)):
        table[i][:, [names.index(m) for m in panel]] = values
    words, starts = one_hot(records)
    stage = np.array([str(r.get("stage", "")).startswith(("III", "IV")) for r in records])
    h, m = standardised(np.stack(he)), standardised(table)
    n = len(h)
    return Features(
        patient=np.array(patient),
        he=torch.tensor(h[:, 0]),
        he_tokens=torch.tensor(h[:, 1:]),
        mif=torch.tensor(m[:, 0].reshape(n, -1)),
        mif_tokens=torch.tensor(m[:, 1:].reshape(n, 4, -1)),
        markers=torch.tensor(m[:, 0]),
        measured=torch.tensor(np.isfinite(table[:, 0, :, 0])),
        text=torch.tensor(words),
        starts=starts,
        target_group=torch.tensor(stage.astype(np.int64)),
    )


def tissue_corners(slide: CachedSlide, config: CompactConfig) -> np.ndarray:
    side = config.patch_px // config.cell_px
    rows, columns = (np.arange(0, n - side + 1, side) for n in slide.shape)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    return grid[slide.tissue_share(grid[:, 0], grid[:, 1], side) >= 0.4]


def quarters(side: int) -> list[tuple[slice, slice]]:
    """The whole and its four quadrants."""
    half = side // 2
    cuts = [(a, b) for a in (0, half) for b in (0, half)]
    whole = (slice(0, side), slice(0, side))
    return [whole, *((slice(a, a + half), slice(b, b + half)) for a, b in cuts)]


def he_features(slide: CachedSlide, config: CompactConfig, row: int, column: int) -> np.ndarray:
    y, x, side = row * config.cell_px, column * config.cell_px, config.patch_px
    patch = np.asarray(slide.he[y : y + side, x : x + side])
    cut = [patch[part] for part in quarters(side)]
    found = [
        hand_made_features(np.stack(some), config.pixel_size_um) for some in (cut[:1], cut[1:])
    ]
    return np.concatenate(found)


def marker_features(slide: CachedSlide, config: CompactConfig, row: int, column: int) -> np.ndarray:
    side = config.patch_px // config.cell_px
    cells = np.asarray(slide.cells[:, :, row : row + side, column : column + side], np.float32)
    cut = [cells[:, :, a, b] for a, b in quarters(side)]
    return np.stack([np.concatenate([c.mean((2, 3)), c.std((2, 3))], 1) for c in cut])


def one_hot(records: list[dict[str, str]]) -> tuple[np.ndarray, tuple[int, ...]]:
    blocks, starts, width = [], [], 0
    for field in FIELDS:
        levels = sorted({r.get(field, "") for r in records})
        starts.append(width)
        width += len(levels)
        blocks.append(np.array([[r.get(field, "") == v for v in levels] for r in records]))
    return np.concatenate(blocks, 1).astype(np.float32), (*starts, width)


def standardised(values: np.ndarray) -> np.ndarray:
    """Spread and mean over patches and quadrants; what was not measured is the mean."""
    mean, sd = np.nanmean(values, (0, 1)), np.nanstd(values, (0, 1))
    return np.nan_to_num((values - mean) / np.where(sd > 0, sd, 1)).astype(np.float32)
