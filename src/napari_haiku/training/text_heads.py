"""The text head: fitted on frozen image vectors, and refitted on other patients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.text_cases import TextCases

# Terms of the loss: what a caption is compared with, and how much that counts.
TERMS = {"mif patch": 1.0, "mif slide": 0.5, "he patch": 0.5, "he slide": 1.0, "phrase": 0.5}
_RATE, _DECAY = 1e-2, 0.3
_SMALL = 0.05
FEWEST_PATIENTS = 4


@dataclass(frozen=True)
class FittedHead:
    """Weight (dim, features) and bias (dim,) of one text head."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def fit_head(
    cases: TextCases,
    config: TrainConfig,
    *,
    seed: int,
    resample: bool,
) -> Generator[Progress, None, FittedHead]:
    """Fit one head by contrast between captions and the vectors of frozen towers.

    Parameters
    ----------
    cases : TextCases
        Vectors and captions of the training patients.
    config : TrainConfig
        Steps, batch and seed.
    seed : int
        Of everything drawn here.
    resample : bool
        Whether the patients are drawn anew with replacement (a bootstrap).

    Notes
    -----
    Captions are compared with single patches and with means over a slide, and
    with the record that has one field made wrong (after TeminAL, arXiv
    2408.09269). Since the head is linear in the caption's features and the
    towers are frozen, a head refitted on a bootstrap of the patients differs
    from the first exactly by the chance that lies in the patients.
    """
    rng = np.random.default_rng([config.seed, 4, seed])
    torch.manual_seed(int(rng.integers(2**31)))
    fit = _Fit(cases, config)
    weight_of = fit.draw_patients(rng, resample)
    optimiser = torch.optim.AdamW(
        [
            {"params": [fit.narrow.weight, fit.head.weight], "weight_decay": _DECAY},
            {"params": [fit.head.bias, fit.log_scale], "weight_decay": 0.0},
        ],
        _RATE,
    )
    for step in range(config.text_steps):
        if step % 50 == 0:
            yield Progress(step, config.text_steps, "Fitting the text head", "steps")
        for group in optimiser.param_groups:
            group["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * step / config.text_steps))
        loss = fit.loss(rng, weight_of)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
    with torch.no_grad():
        return FittedHead(
            (fit.head.weight @ fit.narrow.weight).numpy(), fit.head.bias.detach().numpy().copy()
        )


class _Fit:
    """One head with what it is fitted on."""

    def __init__(self, cases: TextCases, config: TrainConfig) -> None:
        self.cases = cases
        self.batch = min(config.text_batch, cases.n_patients)
        images = {"he": cases.he, "mif": cases.mif}
        self.patches = {n: torch.from_numpy(v) for n, v in images.items() if v is not None}
        self.slides = {n: _slide_means(v, cases) for n, v in self.patches.items()}
        dim = next(iter(self.patches.values())).shape[1]
        # What captions say of tissue has few dimensions: a narrow middle leaves chance less room.
        self.narrow = nn.Linear(cases.captions.shape[2], config.text_rank, bias=False)
        self.head = nn.Linear(config.text_rank, dim)
        nn.init.normal_(self.narrow.weight, std=_SMALL)
        nn.init.normal_(self.head.weight, std=_SMALL)
        nn.init.zeros_(self.head.bias)
        self.log_scale = nn.Parameter(torch.full((len(TERMS),), math.log(10.0)))
        self._slides_of: dict[int, NDArray[np.int64]] = {
            int(p): np.flatnonzero(cases.patient == p) for p in np.unique(cases.patient)
        }

    def draw_patients(self, rng: np.random.Generator, resample: bool) -> NDArray[np.float64]:
        """How often each patient counts."""
        n = self.cases.n_patients
        if not resample:
            return np.full(n, 1 / n)
        return np.bincount(rng.integers(n, size=n), minlength=n) / n

    def loss(self, rng: np.random.Generator, weight_of: NDArray[np.float64]) -> Tensor:
        """Contrast one batch of patients, a slide and a patch of each."""
        present = np.flatnonzero(weight_of)
        size = min(self.batch, len(present))
        patients = rng.choice(len(weight_of), size, replace=False, p=weight_of)
        slides = np.array([rng.choice(self._slides_of[int(p)]) for p in patients])
        patch = rng.integers(self.cases.first[slides], self.cases.last[slides])
        variant = rng.integers(self.cases.captions.shape[1], size=size)
        right = self._encode(self.cases.captions[slides, variant])
        wrong = self._encode(self.cases.flipped[slides, variant])
        # A flip of a field that the caption leaves out is no wrong caption.
        same = (self.cases.captions[slides, variant] == self.cases.flipped[slides, variant]).all(1)
        total = right.new_zeros(())
        scales = self.log_scale.exp().clamp(max=100)
        for (name, share), scale in zip(TERMS.items(), scales, strict=True):
            kind, _, what = name.partition(" ")
            if kind == "phrase":
                total = total + share * self._phrases(patch, scale)
            elif kind in self.patches:
                rows = self.patches[kind][patch] if what == "patch" else self.slides[kind][slides]
                total = total + share * _contrast(rows, right, wrong, torch.from_numpy(same), scale)
        return total

    def _encode(self, features: NDArray[np.float16]) -> Tensor:
        vectors: Tensor = self.head(self.narrow(torch.from_numpy(features.astype(np.float32))))
        return functional.normalize(vectors, dim=1)

    def _phrases(self, patch: NDArray[np.int64], scale: Tensor) -> Tensor:
        kept = patch[self.cases.phrase[patch] >= 0]
        if len(kept) < FEWEST_PATIENTS:
            return scale.new_zeros(())
        vectors = self._encode(self.cases.phrases[self.cases.phrase[kept]])
        # Equal phrases are right answers of one another.
        ids = torch.from_numpy(self.cases.phrase[kept])
        target = (ids[:, None] == ids[None]).float()
        target /= target.sum(1, keepdim=True)
        losses = []
        for rows in self.patches.values():
            logits = scale * vectors @ rows[kept].T
            losses += [
                functional.cross_entropy(logits, target),
                functional.cross_entropy(logits.T, target),
            ]
        return torch.stack(losses).mean()


def _contrast(rows: Tensor, right: Tensor, wrong: Tensor, same: Tensor, scale: Tensor) -> Tensor:
    """Symmetric cross-entropy; every image also sees its own caption with one field wrong."""
    target = torch.arange(len(rows))
    logits = scale * rows @ right.T
    own_wrong = (scale * (rows * wrong).sum(1)).masked_fill(same, -torch.inf)
    with_wrong = torch.cat([logits, own_wrong[:, None]], 1)
    return (
        functional.cross_entropy(with_wrong, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def _slide_means(rows: Tensor, cases: TextCases) -> Tensor:
    means = [rows[a:b].mean(0) for a, b in zip(cases.first, cases.last, strict=True)]
    return functional.normalize(torch.stack(means), dim=1)
