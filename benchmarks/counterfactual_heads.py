"""Text heads fitted on patients of their own draw, on a model's frozen towers."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_haiku.jobs import run_job
from napari_haiku.model.base import TissueModel
from napari_haiku.model.compact.text_length import unit_captions
from napari_haiku.storage import write_json
from napari_haiku.training.cohort import prepare_slides, read_cohorts
from napari_haiku.training.config import TrainConfig
from napari_haiku.training.marker_targets import MarkerTargets
from napari_haiku.training.sampler import BatchSampler
from napari_haiku.training.text_cases import TextCases, gather_cases
from napari_haiku.training.text_discriminant import Discriminant, RecordCoordinates

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.model.compact.model import CompactModel

REFITS = 16


class DrawnHead(TissueModel):
    """A model whose captions are read by a head fitted on some patients, refitted on bootstraps.

    The head is the one of the shipped model: in closed form, see
    `training/text_discriminant.py`. Towers and record coordinates stay the model's own.
    """

    def __init__(self, base: CompactModel, cases: TextCases, ridge: float) -> None:
        for name in ("name", "dim", "modalities", "shared_space", "card", "device", "fingerprint"):
            setattr(self, name, getattr(base, name))
        self._reader, self._filled = base.reader, base.network.config.text_filled
        self.n_text_heads = REFITS
        record = base.network.record if base.network.config.record_dim else None
        coordinates = None
        if record is not None and not self._filled:
            raise SystemExit(f"{base.name} was trained by older code: fit its text head again.")
        if record is not None:
            coordinates = RecordCoordinates(
                record.weight.detach().numpy().astype(np.float64),
                record.bias.detach().numpy().astype(np.float64),
            )
        config = TrainConfig(
            text_method="discriminant",
            text_ridge=ridge,
            record_dim=base.network.config.record_dim,
        )
        self._heads = [
            Discriminant(cases, config, seed=number, resample=number > 0).head(coordinates)
            for number in range(REFITS + 1)
        ]

    def _he_vectors(self, patches, pixel_size):
        raise AssertionError("the towers are frozen")

    def _mif_vectors(self, patches, markers, pixel_size, scaling):
        raise AssertionError("the towers are frozen")

    def _text_vectors(self, captions):
        return torch.from_numpy(self._read(self._heads[0], captions))

    def encode_text_heads(self, captions):
        return np.stack([self._read(head, captions) for head in self._heads[1:]])

    def _read(self, head, captions):
        rows = self._reader.read(list(captions)) @ head.weight.T + head.bias
        return unit_captions(torch.from_numpy(rows), filled=self._filled).numpy()


def cases_of(model: CompactModel, manifest: Path, kept: Path, cache: Path) -> TextCases:
    """Vectors and captions of a training cohort under a model's towers, kept in a file."""
    if kept.is_file():
        with np.load(kept) as found:
            return TextCases(**{each.name: found[each.name] for each in fields(TextCases)})
    config, sizes = TrainConfig(batch_size=8), model.network.config
    rows = read_cohorts(manifest, config, manifest.parent).rows
    slides = run_job(prepare_slides(rows, config, sizes, cache))
    cached, cohorts = [one.cached for one in slides], [one.cohort for one in slides]
    geometry = {"cell_px": sizes.cell_px, "patch_px": sizes.patch_px}
    sampler = BatchSampler(cached, cohorts, {}, batch_size=8, seed=0, **geometry)
    targets = MarkerTargets(sampler.groups, sizes.markers, sizes.patch_px // sizes.cell_px)
    network = model.network.cpu().eval()
    cases = run_job(gather_cases(cached, cohorts, network, targets, model.reader, config))
    kept.parent.mkdir(parents=True, exist_ok=True)
    half = kept.with_name("half.npz")
    np.savez(half, **{each.name: getattr(cases, each.name) for each in fields(TextCases)})
    half.replace(kept)
    return cases


def of_patients(cases: TextCases, patients: np.ndarray) -> TextCases:
    """Cases of some patients."""
    slides = np.flatnonzero(np.isin(cases.patient, patients))
    rows = np.concatenate([np.arange(cases.first[s], cases.last[s]) for s in slides])
    sizes = (cases.last - cases.first)[slides]
    last = np.cumsum(sizes)
    return replace(
        cases,
        patient=cases.patient[slides],
        captions=cases.captions[slides],
        flipped=cases.flipped[slides],
        first=last - sizes,
        last=last,
        he=cases.he[rows],
        mif=cases.mif[rows],
        phrase=cases.phrase[rows],
    )


def keep(file: Path, content: dict) -> dict:
    """Write a result down, so that a run that was stopped goes on behind it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, content)
    return content
