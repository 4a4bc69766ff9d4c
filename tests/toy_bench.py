"""A virtual cohort without pictures for the counterfactual tasks: vectors, markers, truth.

Patients of stage II and IV differ along one direction in niche 0 only; three markers go
up with it there and three go down. Two markers follow nothing. The text tower has learned
the direction, and a chance direction of its own for every value of every field.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import torch
from toy_cohort import ToyModel

from napari_haiku.analysis.counterfactual.record_fields import PatientRecords
from napari_haiku.evaluation.counterfactual_bench import Bench
from napari_haiku.simulation.vocabulary import NICHES

DIM = 16
MARKERS = ("A", "B", "C", "D", "E", "F", "G", "H")
EFFECT = np.array([0.9, 0.6, 0.4, -0.4, -0.7, -1.0, 0.0, 0.0])
PLACEBO = {f"box{n}": [f"{n}{letter}" for letter in "abcdefgh"[:n]] for n in (2, 3, 4, 5, 8)}
_FIELD = re.compile(r"([\w ]+): ([\w ]+)")


class BenchModel(ToyModel):
    """Text with a learned direction and chance directions; sixteen heads of other chance."""

    def __init__(self, *, chance: float = 0.1, heads: int = 16, learned: float = 1.0) -> None:
        super().__init__()
        self.dim = DIM
        self.chance, self.learned, self.n_text_heads = chance, learned, heads
        self.card = {"placebo_fields": PLACEBO}

    def read(self, head: int, words: str) -> np.ndarray:
        vector = np.zeros(DIM)
        vector[0] = 1.0
        for field, value in _FIELD.findall(re.split(r"includes?: ", words)[-1]):
            if field.strip() == "stage":
                vector[3] += self.learned * {"II": -0.5, "IV": 0.5}[value.strip()]
            rng = np.random.default_rng([head, *f"{field.strip()}={value.strip()}".encode()])
            vector += self.chance * rng.normal(size=DIM)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def _text_vectors(self, captions):
        return torch.from_numpy(np.stack([self.read(0, words) for words in captions]))

    def encode_text_heads(self, captions):
        return np.stack(
            [
                np.stack([self.read(head, words) for words in captions])
                for head in range(1, self.n_text_heads + 1)
            ]
        )


def make_bench(patients: int = 24, patches: int = 18, seed: int = 0) -> Bench:
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), patches)
    niche = np.tile(np.arange(patches) * 3 // patches, patients)
    stage = np.array(["II", "IV"])[np.arange(patients) % 2]
    u = np.where(stage == "IV", 1.0, -1.0) + 0.3 * rng.normal(size=patients)
    n = len(patient)
    latent = 0.3 * rng.normal(size=(n, DIM)) + 0.4 * rng.normal(size=(patients, DIM))[patient]
    latent[np.arange(n), niche] += 1.5
    here = niche == 0
    mif = latent.copy()
    mif[here, 3] += u[patient][here]
    he = latent + 0.1 * rng.normal(size=(n, DIM))
    values = 0.5 * rng.normal(size=(n, len(MARKERS)))
    # Markers follow every latent direction a little, so chance directions of text move them.
    loads = np.random.default_rng(1).normal(size=(DIM, len(MARKERS)))
    loads[:4] = 0
    values += 0.4 * latent @ loads
    values[here] += 0.7 * u[patient][here, None] * EFFECT
    record = pd.DataFrame(
        {"disease": "Cancer", "stage": stage, "sex": rng.choice(["f", "m"], patients)}
    )
    for field, levels in PLACEBO.items():
        record[field] = rng.choice(levels, patients)
    names = tuple(f"p{number:03d}" for number in range(patients))
    place = np.tile(np.stack([np.arange(patches) % 5, np.arange(patches) // 5], 1), (patients, 1))
    return Bench(
        _unit(he), _unit(mif), values.astype(np.float32), 100.0 * place, patient, niche,
        PatientRecords(names, record.astype(object).set_axis(list(names))), MARKERS, NICHES,
    )  # fmt: skip


def make_truth() -> pd.DataFrame:
    rows = []
    for niche_number, niche in enumerate(NICHES[:3]):
        for marker, effect in zip(MARKERS, EFFECT, strict=True):
            true = effect if niche_number == 0 else 0.0
            role = "real" if true else "zero"
            if niche_number == 1 and marker == "A":
                role = "travelling"
            for kind, value in (
                ("conditional", true),
                ("marginal", true if role != "travelling" else 0.3),
                ("given_he", 0.6 * true),
            ):
                rows.append(("stage", "II", "IV", niche, marker, kind, value, 0.005, role))
    columns = ["field", "from", "to", "niche", "marker", "kind", "true_shift", "se", "role"]
    table = pd.DataFrame(rows, columns=columns)
    # As the simulator writes it.
    return table.astype(dict.fromkeys([*columns[:6], "role"], "category"))


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
