"""Counterfactual tests of several models: false alarms, power, recovery and coverage.

Towers are frozen. For each model at least 20 text heads are fitted on patients of their own draw,
each refitted on 16 bootstraps of those patients; then placebo edits (fields without meaning, with
random values in every caption) and real edits are put to patients of another virtual cohort,
against an atlas drawn anew. What a table of one model says of itself is no trial: all its rows and
patients share one text direction. Beside it `evaluate --tasks counterfactual` of the model with the
heads it ships.

    napari-haiku simulate train --patients 1000 --seed 20271 --field-um 600,600
    napari-haiku simulate test --patients 200 --seed 910 --field-um 600,600
    python benchmarks/counterfactual_null.py test/cohort.csv --fit train/cohort.csv \
        --model default [--model DIR ...] --power --patches 20 --work work --docs

A second call goes on where the first stopped: encodings, vectors, each head and the evaluation of
each model are kept under --work. --docs writes docs/reference/counterfactual_null.md from whatever
models are complete there.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from counterfactual_heads import DrawnHead, cases_of, keep, of_patients
from counterfactual_page import write_page

from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg
from napari_haiku.atlas.manifest import read_manifest
from napari_haiku.atlas.store import Atlas
from napari_haiku.evaluation.cohort import ATLAS, EvaluationCohort
from napari_haiku.evaluation.counterfactual import askable_edits, read_truth
from napari_haiku.evaluation.counterfactual_bench import Bench, lay_out, roles
from napari_haiku.evaluation.counterfactual_scores import REAL
from napari_haiku.evaluation.counterfactual_tables import TableSettings, make_tables
from napari_haiku.evaluation.evaluating import REPORT, evaluate
from napari_haiku.evaluation.request import EvaluateRequest
from napari_haiku.jobs import run_job
from napari_haiku.model.compact.model import CompactModel
from napari_haiku.model.loading import load_model

HEADS, QUERY_PATIENTS, TABLES_A_HEAD = 20, 3, 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("test", type=Path, help="manifest of the virtual patients asked about")
    parser.add_argument("--fit", type=Path, required=True, help="manifest that heads are fitted on")
    parser.add_argument("--model", action="append", help="name or folder; repeatable")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--cache", type=Path, help="cache of a training run; under --work by default"
    )
    parser.add_argument("--patients", type=int, default=200, help="that fit one head")
    parser.add_argument("--atlas-patients", type=int, default=100)
    parser.add_argument("--heads", type=int, default=HEADS, help="0 evaluates the model only")
    parser.add_argument("--ridge", type=float, default=200.0)
    parser.add_argument("--power", action="store_true", help="ask real edits too")
    parser.add_argument("--patches", type=int, default=6, help="of a niche, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--docs", action="store_true", help="write the page of the docs")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.model or ["default"]:
        measure(name, asked)
    if asked.docs:
        write_page(asked.work)


def measure(name: str, asked: argparse.Namespace) -> None:
    """Everything of one model; what is kept already is not done again."""
    started = time.process_time()
    model = load_model(name)
    if not isinstance(model, CompactModel):
        raise SystemExit(f"{name} is no model of this project's own architecture.")
    label = name if not Path(name).is_dir() else Path(name).name
    home = asked.work / f"{label}-{model.fingerprint[:12]}"
    report = home / "evaluate" / REPORT
    if not report.is_file():
        request = EvaluateRequest(
            asked.test, report.parent, model=name, tasks=("counterfactual",), seed=asked.seed
        )
        run_job(evaluate(request))
    print(f"{label}: evaluated, {time.process_time() - started:.0f} s", flush=True)
    if not asked.heads:
        return
    atlas = Atlas.open(report.parent / ATLAS)
    cohort = EvaluationCohort(atlas, model, read_manifest(asked.test))
    cases = cases_of(model, asked.fit, home / "cases.npz", asked.cache or asked.work / "cache")
    print(f"{label}: {cases.n_patients} patients to fit, {time.process_time() - started:.0f} s")
    bench = run_job(lay_out(cohort))
    edits = askable_edits(read_truth(cohort.truth), bench) if asked.power else []
    settings = {
        "model": label,
        "fingerprint": model.fingerprint[:12],
        "heads": asked.heads,
        "patients_a_head": min(asked.patients, cases.n_patients),
        "patients_to_draw_from": cases.n_patients,
        "atlas_patients": asked.atlas_patients,
        "patches_a_niche": asked.patches,
        "ridge": asked.ridge,
        "seed": asked.seed,
        "power": asked.power,
    }
    found = []
    for head in range(asked.heads):
        file = home / "heads" / f"head_{head:02}.json"
        if file.is_file():
            kept = json.loads(file.read_text())
            # More heads may join those that are there.
            if {**kept["settings"], "heads": 0} != {**settings, "heads": 0}:
                raise SystemExit(f"{file} is of other settings: remove {file.parent.name} first.")
        else:
            kept = keep(file, one_head(head, model, cases, bench, edits, settings))
        found.append(kept["tests"])
        print(f"{label}: head {head + 1}, {time.process_time() - started:.0f} s", flush=True)
    content = {"settings": settings, "tests": summary(found, asked.seed)}
    keep(home / "summary.json", content)


def one_head(head, model, cases, bench: Bench, edits, settings) -> dict:
    """Tables of a few patients of an atlas drawn anew, read by one head."""
    rng = np.random.default_rng([settings["seed"], head])
    own = rng.choice(np.unique(cases.patient), settings["patients_a_head"], replace=False)
    drawn_head = DrawnHead(model, of_patients(cases, own), settings["ridge"])
    everyone = np.unique(bench.patient[bench.niche >= 0])
    size = min(settings["atlas_patients"], len(everyone))
    drawn = np.sort(rng.choice(everyone, size, replace=False))
    tables = run_job(
        make_tables(
            part_of(bench, drawn),
            drawn_head,
            edits,
            TableSettings(
                query_patients=QUERY_PATIENTS,
                patches_a_niche=settings["patches_a_niche"],
                placebo_tables=TABLES_A_HEAD,
                resamples=50,
                seed=settings["seed"] + head,
            ),
        )
    )
    real = [roles(edit, bench) == REAL for edit in edits]
    tests = {}
    for test, p in tables.p.items():
        kept = {"any": [], "rows": [], "power": []}
        for table, edit in zip(p, tables.edit, strict=True):
            known = table[np.isfinite(table)]
            if edit >= 0:
                rows = table[real[edit] & np.isfinite(table)]
                kept["power"] += [[int((rows < 0.05).sum()), len(rows)]] if len(rows) else []
            elif len(known):
                q = benjamini_hochberg(table)
                kept["any"].append(bool((q[np.isfinite(q)] < 0.05).any()))
                kept["rows"].append(float((known < 0.05).mean()))
        tests[test] = kept
    return {"settings": settings, "tests": tests}


def part_of(bench: Bench, patients: np.ndarray) -> Bench:
    """The bench of some patients."""
    rows = bench.of_patients(patients)
    columns = ("he", "mif", "values", "positions_um", "patient", "niche")
    return replace(bench, **{name: getattr(bench, name)[rows] for name in columns})


def summary(found: list[dict], seed: int) -> dict:
    """Shares over tables and rows, with intervals over heads: tables of one share its direction."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(found), (2000, len(found)))
    out = {}
    for test in found[0]:
        each = {"tables": sum(len(one[test]["any"]) for one in found)}
        for name in ("any", "rows", "power"):
            pairs = np.array([total(one[test][name]) for one in found], float)
            sums = pairs[drawn].sum(axis=1)
            if pairs[:, 1].sum() == 0:
                continue
            low, high = np.nanpercentile(sums[:, 0] / np.maximum(sums[:, 1], 1), [2.5, 97.5])
            value = pairs[:, 0].sum() / pairs[:, 1].sum()
            each[name] = {"value": float(value), "low": float(low), "high": float(high)}
        out[test] = each
    return out


def total(values: list) -> tuple[float, float]:
    """Sum and number: of shares of tables, or of (called, rows) pairs."""
    if values and isinstance(values[0], list):
        return float(sum(v[0] for v in values)), float(sum(v[1] for v in values))
    return float(sum(values)), float(len(values))


if __name__ == "__main__":
    main()
