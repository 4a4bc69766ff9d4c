"""False alarms of counterfactual tests over many text heads trained on different patients.

Towers are frozen; a text head is a ridge regression from a caption's words to the mean mIF vector
of its patient. Each head is fitted on patients of its own draw, and refitted on 16 bootstraps of
them; then placebo edits (fields without meaning, with random values in every caption) are put to
patients of another virtual cohort, against an atlas drawn anew. What a table of one model says of
itself is no trial: all its rows and patients share one text direction.

    python benchmarks/counterfactual_null.py TEST.atlas TEST/cohort.csv --fit FIT.atlas|FIT.npz \
        --model DIR --output null.json

FIT.npz holds `captions` (one a patient) and `mif` (mean mIF vector of each).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from napari_haiku.analysis.counterfactual.record_fields import patient_records
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg
from napari_haiku.atlas.manifest import read_manifest
from napari_haiku.atlas.store import Atlas
from napari_haiku.clinical import caption
from napari_haiku.evaluation.cohort import EvaluationCohort
from napari_haiku.evaluation.counterfactual_bench import Bench, lay_out, roles, true_edits
from napari_haiku.evaluation.counterfactual_scores import REAL
from napari_haiku.evaluation.counterfactual_tables import TableSettings, make_tables
from napari_haiku.jobs import run_job
from napari_haiku.model.base import TissueModel
from napari_haiku.model.loading import load_model

HEADS, REFITS = 20, 16
QUERY_PATIENTS, TABLES_A_HEAD = 2, 10
REAL_EDITS = ("stage: I to IV", "grade: G1 to G3")


class RidgeText(TissueModel):
    """Captions read by a ridge regression on the mean mIF vectors of some patients."""

    def __init__(self, base, words, vectors, ridge, rng) -> None:
        for name in ("name", "dim", "modalities", "shared_space", "card", "device", "fingerprint"):
            setattr(self, name, getattr(base, name))
        self._reader = base.reader
        self.n_text_heads = REFITS
        self._head = _fit(words, vectors, ridge)
        draws = [rng.integers(0, len(words), len(words)) for _ in range(REFITS)]
        self._refits = [_fit(words[draw], vectors[draw], ridge) for draw in draws]

    def _he_vectors(self, patches, pixel_size):
        raise AssertionError("the towers are frozen")

    def _mif_vectors(self, patches, markers, pixel_size, scaling):
        raise AssertionError("the towers are frozen")

    def _text_vectors(self, captions):
        return torch.from_numpy(self._read(self._head, captions))

    def encode_text_heads(self, captions):
        return np.stack([self._read(head, captions) for head in self._refits])

    def _read(self, head, captions):
        words = np.asarray(self._reader.read(list(captions)), np.float64)
        return _unit((words - head[0]) @ head[1])


def _fit(words, vectors, ridge):
    """Ridge in the patients' own space: there are more words than patients."""
    mean, centre = words.mean(axis=0), vectors.mean(axis=0)
    x = words - mean
    kernel = x @ x.T
    kernel[np.diag_indices_from(kernel)] += ridge
    return mean, x.T @ np.linalg.solve(kernel, vectors - centre)


def _unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def fit_patients(path: Path) -> tuple[list[str], np.ndarray]:
    """Caption and mean mIF vector of every patient."""
    if path.suffix == ".npz":
        kept = np.load(path)
        return [str(words) for words in kept["captions"]], kept["mif"].astype(np.float64)
    atlas = Atlas.open(path)
    ids, number = patient_numbers(atlas)
    records = patient_records(atlas.records, atlas.fields)
    there, vectors = atlas.has("mif"), np.asarray(atlas.embeddings("mif"), np.float64)
    captions, means = [], []
    for place, name in enumerate(ids):
        record = records.values.loc[name]
        captions.append(caption({str(k): str(v) for k, v in record.items() if v}))
        means.append(vectors[there & (number == place)].mean(axis=0))
    return captions, np.stack(means)


def part_of(bench: Bench, patients: np.ndarray) -> Bench:
    rows = bench.of_patients(patients)
    columns = ("he", "mif", "values", "positions_um", "patient", "niche")
    return replace(bench, **{name: getattr(bench, name)[rows] for name in columns})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("atlas", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--fit", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--patients", type=int, default=200, help="that fit one head")
    parser.add_argument("--atlas-patients", type=int, default=100)
    parser.add_argument("--heads", type=int, default=HEADS)
    parser.add_argument("--ridge", type=float, default=100.0)
    parser.add_argument("--power", action="store_true", help="ask real edits too")
    parser.add_argument("--patches", type=int, default=6, help="of a niche, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    base = load_model(asked.model)
    cohort = EvaluationCohort(Atlas.open(asked.atlas), base, read_manifest(asked.cohort))
    bench = run_job(lay_out(cohort))
    edits = []
    if asked.power:
        edits = [e for e in true_edits(pd.read_parquet(cohort.truth)) if e.name in REAL_EDITS]
    real = [roles(edit, bench) == REAL for edit in edits]
    captions, vectors = fit_patients(asked.fit)
    words = np.asarray(base.reader.read(captions), np.float64)
    everyone = np.unique(bench.patient[bench.niche >= 0])
    found: dict[str, dict[str, list]] = {}
    for head in range(asked.heads):
        rng = np.random.default_rng([asked.seed, head])
        own = rng.choice(len(captions), min(asked.patients, len(captions)), replace=False)
        model = RidgeText(base, words[own], vectors[own], asked.ridge, rng)
        drawn = rng.choice(everyone, min(asked.atlas_patients, len(everyone)), replace=False)
        tables = run_job(
            make_tables(
                part_of(bench, np.sort(drawn)),
                model,
                edits,
                TableSettings(
                    query_patients=QUERY_PATIENTS,
                    patches_a_niche=asked.patches,
                    placebo_tables=TABLES_A_HEAD,
                    resamples=50,
                    seed=asked.seed + head,
                ),
            )
        )
        for test, p in tables.p.items():
            kept = found.setdefault(test, {"head": [], "any": [], "rows": [], "power": []})
            for table, edit in zip(p, tables.edit, strict=True):
                if edit < 0 and np.isfinite(table).any():
                    q = benjamini_hochberg(table)
                    kept["head"].append(head)
                    kept["any"].append(bool((q[np.isfinite(q)] < 0.05).any()))
                    kept["rows"].append(float((table[np.isfinite(table)] < 0.05).mean()))
                elif edit >= 0:
                    rows = table[real[edit] & np.isfinite(table)]
                    kept["power"].append(float((rows < 0.05).mean()) if len(rows) else np.nan)
        print(f"head {head + 1}: {time.process_time() - started:.0f} s", flush=True)
    result = {
        "settings": {
            "heads": asked.heads,
            "patients_a_head": int(min(asked.patients, len(captions))),
            "patients_to_draw_from": len(captions),
            "atlas_patients": asked.atlas_patients,
            "refits": REFITS,
            "ridge": asked.ridge,
            "seed": asked.seed,
        },
        "tests": {test: summary(kept, asked.seed) for test, kept in found.items()},
        "cpu_seconds": round(time.process_time() - started),
    }
    asked.output.write_text(json.dumps(result, indent=1))
    print("| test | tables with any q < 0.05 | rows with p < 0.05 | power (p < 0.05) |")
    print("|---|---|---|---|")
    for test, each in result["tests"].items():
        cells = (
            f"{each[name]['value']:.3f} ({each[name]['low']:.3f} to {each[name]['high']:.3f})"
            for name in ("any", "rows")
        )
        power = "" if each["power"] is None else f"{each['power']:.2f}"
        print(f"| {test} | {' | '.join(cells)} | {power} |")
    print(f"{result['tests']['refitted_heads']['tables']} placebo tables, {asked.heads} heads")


def summary(kept: dict[str, list], seed: int) -> dict:
    """Shares over tables, with intervals over heads: tables of one head share its direction."""
    head = np.array(kept["head"])
    rng = np.random.default_rng(seed)
    heads = np.unique(head)
    power = np.array(kept["power"], float)
    power = power[np.isfinite(power)]
    out: dict = {"tables": len(head), "power": float(power.mean()) if len(power) else None}
    for name in ("any", "rows"):
        values = np.array(kept[name], float)
        of_head = np.stack([[values[head == h].sum(), (head == h).sum()] for h in heads])
        drawn = of_head[rng.integers(0, len(heads), (2000, len(heads)))].sum(axis=1)
        low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
        out[name] = {"value": float(values.mean()), "low": float(low), "high": float(high)}
    return out


if __name__ == "__main__":
    main()
