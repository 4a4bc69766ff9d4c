"""A toy cohort whose tissue tells survival and grade: an atlas in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from napari_haiku.evaluation.cohort import EvaluationCohort


class TissueAtlas:
    """Just enough of an atlas: one slide a patient."""

    name = "toy"
    fields = ("grade", "survival_months", "survival_status", "site")
    markers = ("CD8", "PanCK")
    modalities = ("he", "mif", "text")
    model_fingerprint = "toy"

    def __init__(self, n: int, seed: int, *, seen: float = 2.0) -> None:
        self.description = {"thumbnails": [], "built_from": []}
        rng = np.random.default_rng(seed)
        sizes = rng.integers(3, 7, n)
        self.latent = rng.normal(size=n)
        self.slide_index = np.repeat(np.arange(n), sizes)
        he, mif = (rng.normal(size=(sizes.sum(), 5)) for _ in range(2))
        mif[:, 0] += seen * self.latent[self.slide_index]
        self._vectors = {"he": he.astype(np.float16), "mif": mif.astype(np.float16)}
        self.expression = np.exp(
            np.column_stack([self.latent[self.slide_index], rng.normal(size=sizes.sum())])
        ).astype(np.float32)
        death = rng.exponential(10 / np.exp(1.5 * self.latent))
        last = rng.uniform(5, 40, n)
        ids = [f"p{number:03d}" for number in range(n)]
        self.records = pd.DataFrame(
            {
                "slide_id": [f"s{number:03d}" for number in range(n)],
                "patient_id": ids,
                "grade": np.where(self.latent > 0, "G3", "G1"),
                "survival_months": np.ceil(np.minimum(death, last)).astype(int).astype(str),
                "survival_status": np.where(death <= last, "Deceased", "Alive"),
                "site": np.where(rng.random(n) < 0.5, "North", "South"),
            }
        )
        self.slides = self.records[["slide_id", "patient_id"]].assign(n_patches=sizes)

    def __len__(self) -> int:
        return len(self.slide_index)

    def has(self, modality: str):
        return np.ones(len(self), bool)

    def embeddings(self, modality: str):
        return self._vectors[modality]


class Manifest:
    """Where the cohort lies."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cohort.csv"


def patient_cohort(
    n: int = 60,
    seed: int = 0,
    *,
    fit: EvaluationCohort | None = None,
    folder: Path | None = None,
    seen: float = 2.0,
) -> EvaluationCohort:
    """Make a cohort to evaluate."""
    manifest = None if folder is None else Manifest(folder)
    return EvaluationCohort(TissueAtlas(n, seed, seen=seen), None, manifest, fit)
