"""A cohort whose figures can be worked out by hand: patients, places, labels, markers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_haiku.atlas import layout
from napari_haiku.atlas.store import Atlas
from napari_haiku.clinical import caption

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DIM = 16
MARKERS = ("DAPI", "CD8", "PanCK")


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass
class Patient:
    """One patient with one slide."""

    record: dict[str, str]
    he: np.ndarray
    mif: np.ndarray
    expression: np.ndarray
    text: np.ndarray | None = None


def write_atlas(
    folder: Path, patients: Sequence[Patient], markers: Sequence[str] = MARKERS
) -> Atlas:
    """Write an atlas with vectors given by the test; a row of NaN is an image not there."""
    folder.mkdir(parents=True)
    sizes = [len(patient.he) for patient in patients]
    fields = list(dict.fromkeys(name for p in patients for name in p.record))
    slides = pd.DataFrame(
        [
            {
                "slide_id": f"slide-{number}",
                "patient_id": f"secret-{number}",
                "slide_pseudonym": f"S{number + 1:02d}",
                "patient_pseudonym": f"P{number + 1:02d}",
                "n_patches": len(p.he),
                "has_he": bool(np.isfinite(p.he).all()),
                "has_mif": bool(np.isfinite(p.mif).all()),
                "has_text": p.text is not None,
                "caption": caption(p.record),
                "encoding": f"slide-{number}.zarr",
                "he_name": "he",
                "he_fingerprint": f"he-{number}",
                "mif_name": "mif",
                "mif_fingerprint": f"mif-{number}",
            }
            for number, p in enumerate(patients)
        ]
    )
    records = pd.DataFrame(
        [
            {"slide_id": f"slide-{n}", "patient_id": f"secret-{n}"}
            | {name: p.record.get(name, "") for name in fields}
            for n, p in enumerate(patients)
        ]
    )
    of = np.repeat(np.arange(len(patients)), sizes)
    place = np.concatenate([np.arange(size) for size in sizes])
    patches = (
        records.iloc[of]
        .reset_index(drop=True)
        .assign(
            patch=place, row=0, col=place, x_um=100.0 * place + 50, y_um=50.0, tissue_fraction=1.0
        )
    )
    slides.to_parquet(folder / layout.SLIDES, index=False)
    records.to_parquet(folder / layout.RECORDS, index=False)
    patches.to_parquet(folder / layout.PATCHES, index=False)
    modalities = [name for name in ("he", "mif") if slides[f"has_{name}"].any()]
    for name in modalities:
        vectors = np.nan_to_num(np.concatenate([getattr(p, name) for p in patients]))
        np.save(folder / layout.embeddings_file(name), vectors.astype(np.float16))
    if slides["has_text"].any():
        modalities.append("text")
        blank = np.zeros(patients[0].he.shape[1])
        texts = np.stack([blank if p.text is None else p.text for p in patients])
        np.save(folder / layout.embeddings_file("text"), texts.astype(np.float16))
    expression = np.concatenate([p.expression for p in patients]).astype(np.float32)
    np.save(folder / layout.EXPRESSION, expression)
    files = sorted(file.name for file in folder.iterdir())
    description = {
        "format": layout.FORMAT,
        "format_version": layout.FORMAT_VERSION,
        "slides": len(patients),
        "patients": len(patients),
        "patches": int(sum(sizes)),
        "markers": list(markers),
        "fields": fields,
        "modalities": modalities,
        "thumbnails": [],
        "model": {"name": "toy", "fingerprint": "toy", "dim": patients[0].he.shape[1]},
        "patch_um": 100.0,
        "index": {"kind": "exact", "recall_at_50": 1.0},
        "built_from": [[f"slide-{n}"] for n in range(len(patients))],
        "files": {name: {"bytes": (folder / name).stat().st_size} for name in files},
    }
    (folder / layout.DESCRIPTION).write_text(json.dumps(description))
    return Atlas.open(folder)


def draw_patients(
    n: int = 12,
    patches: int = 10,
    *,
    seed: int = 0,
    noise: float = 0.3,
    site_signal: float = 0.0,
    label_signal: float = 0.0,
) -> list[Patient]:
    """Patients whose H&E is their mIF plus noise; markers are read off the mIF's directions."""
    rng = np.random.default_rng(seed)
    site_axes, label_axes = rng.normal(size=(2, 2, DIM))
    reading = rng.normal(size=(DIM, len(MARKERS)))
    out = []
    for number in range(n):
        label, site = number % 2, (number // 2) % 2
        base = rng.normal(size=(patches, DIM))
        base += label_signal * label_axes[label] + site_signal * site_axes[site]
        mif = unit(base)
        he = unit(mif + noise * rng.normal(size=mif.shape) / np.sqrt(DIM))
        record = {
            "disease": ("Lung Cancer", "Colon Cancer")[label],
            "site": ("North", "South")[site],
            "age": str(50 + number),
        }
        text = unit(rng.normal(size=(1, DIM)))[0]
        out.append(Patient(record, he, mif, 100 * mif @ reading + 500, text))
    return out
