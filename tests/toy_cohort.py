"""A small cohort of known make, in real stores on disk, for the analysis and export rooms.

Three niches lie in bands over each slide. An "immune tone" u is high in patients
of stage IV and low in stage II; it raises CD8 in niche 2 and nothing else. The
towers are linear: H&E shows the niches and u only faintly, mIF shows both, and
the text tower has learned that stage IV means high u. Placebo fields move the
text in directions of no meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_haiku.analysis.counterfactual.counterfactual import (
    CounterfactualRequest,
    run_counterfactual,
)
from napari_haiku.analysis.retrieval.outside_atlas import OutsideCalibration
from napari_haiku.atlas.build import build_atlas
from napari_haiku.clinical import caption, public_record
from napari_haiku.encoding import layout
from napari_haiku.encoding.plan import Plan
from napari_haiku.encoding.store import Encoding
from napari_haiku.encoding.writer import EncodingWriter
from napari_haiku.images.grid import PatchGrid
from napari_haiku.jobs import run_job
from napari_haiku.model.base import TissueModel
from napari_haiku.model.devices import Device

if TYPE_CHECKING:
    from napari_haiku.atlas.store import Atlas

DIM = 24
MARKERS = ("PanCK", "CD8", "CollagenIV", "Ki67")
STAGES = ("II", "III", "IV")
PLACEBO_FIELDS = {
    "box colour": ["red", "blue", "green", "grey", "white"],
    "weekday": ["Monday", "Tuesday", "Friday"],
    "ward": ["north", "south", "east", "west", "central", "annex"],
}
_U = 3
_FIELD = re.compile(r"([\w ]+): ([\w ]+)")


class ToyModel(TissueModel):
    """The text tower of the toy world; images are encoded by :func:`write_slide`."""

    def __init__(self, *, placebo: bool = True, fingerprint: str = "toy") -> None:
        self.name = "toy"
        self.fingerprint = fingerprint
        self.dim = DIM
        self.modalities = frozenset(("he", "mif", "text"))
        self.shared_space = True
        self.pixel_size_um = 1.0
        self.patch_px = 100
        self.card = {"placebo_fields": PLACEBO_FIELDS} if placebo else {}
        self.device = Device("cpu", "CPU, 1 core", "chosen by the test")

    def _he_vectors(self, patches, pixel_size):
        raise AssertionError("the toy world has no pictures")

    def _mif_vectors(self, patches, markers, pixel_size, scaling):
        raise AssertionError("the toy world has no pictures")

    def _text_vectors(self, captions):
        return torch.from_numpy(np.stack([text_vector(words) for words in captions]))

    def unknown_words(self, text):
        return tuple(word for word in ("gibberish",) if word in text)


def text_vector(words: str) -> np.ndarray:
    """Stage decides u; every other field and value adds a direction of its own."""
    vector = np.zeros(DIM)
    vector[0] = 0.3
    for field, value in _FIELD.findall(re.split(r"includes?: ", words)[-1]):
        field = field.strip()
        if field == "stage":
            vector[_U] += {"II": -1.0, "III": 0.0, "IV": 1.0}.get(value, 0.0)
        else:
            vector += 0.15 * _direction(f"{field}={value}")
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@cache
def _direction(name: str) -> np.ndarray:
    return np.random.default_rng(list(name.encode())).normal(size=DIM) / np.sqrt(DIM)


@dataclass(frozen=True)
class ToySlide:
    """What goes into one encoding."""

    he: np.ndarray
    mif: np.ndarray
    expression: np.ndarray
    niches: np.ndarray
    rows: np.ndarray
    cols: np.ndarray


def toy_slide(rng: np.random.Generator, u: float, shape: tuple[int, int]) -> ToySlide:
    """Draw the patches of one slide."""
    rows, cols = (axis.ravel() for axis in np.indices(shape))
    niches = np.minimum(3 * cols // shape[1], 2) + 1
    n = len(niches)
    patch_u = u + 0.3 * rng.normal(size=n)
    latent = 0.25 * rng.normal(size=(n, DIM)) + 0.1 * rng.normal(size=DIM)
    latent[np.arange(n), niches - 1] += 2.0
    he, mif = latent.copy(), latent + 0.15 * rng.normal(size=(n, DIM))
    immune = niches == 2
    he[immune, _U] += 0.2 * patch_u[immune]
    mif[immune, _U] += 1.0 * patch_u[immune]
    expression = 100 + 10 * rng.normal(size=(n, len(MARKERS)))
    expression[niches == 1, 0] += 80
    expression[immune, 1] += 80 + 30 * patch_u[immune]
    expression[niches == 3, 2] += 80
    return ToySlide(_unit(he), _unit(mif), expression.astype(np.float32), niches, rows, cols)


def write_slide(
    path: Path,
    slide: ToySlide,
    record: dict[str, str],
    *,
    patient: str,
    modalities: tuple[str, ...] = ("he", "mif"),
    markers: tuple[str, ...] = MARKERS,
    origin_um: tuple[float, float] = (0.0, 0.0),
) -> Encoding:
    """Write a finished encoding with the given vectors."""
    n = len(slide.niches)
    grid = PatchGrid(
        100.0,
        100.0,
        origin_um,
        (int(slide.rows.max()) + 1, int(slide.cols.max()) + 1),
        slide.rows,
        slide.cols,
        np.ones(n),
    )
    words = caption(record)
    streamed = {layout.embedding_name(name): [[DIM], "float32"] for name in modalities}
    streamed |= {layout.thumbnail_name(name): [[64, 64, 3], "uint8"] for name in modalities}
    if "mif" in modalities:
        streamed[layout.EXPRESSION] = [[len(markers)], "float32"]
    attributes = {
        "format": layout.FORMAT,
        "format_version": layout.FORMAT_VERSION,
        "slide_id": path.stem,
        "patient_id": patient,
        "modalities": list(modalities),
        "has_text": bool(words),
        "model": {"name": "toy", "fingerprint": "toy", "dim": DIM, "pixel_size_um": 1.0},
        "images": {
            name: {"name": f"{path.stem}_{name}", "fingerprint": f"{path.stem}-{name}"}
            for name in modalities
        },
        "geometry": {
            "patch_um": 100.0,
            "stride_um": 100.0,
            "min_tissue": 0.5,
            "region_um": None,
            "origin_um": list(origin_um),
            "shape": list(grid.shape),
        },
        "markers": list(markers) if "mif" in modalities else [],
        "scaling": None,
        "record": public_record(record),
        "caption": words,
        "n_patches": n,
        "chunk_rows": layout.CHUNK_ROWS,
        "streamed": streamed,
        "notes": [],
        "inputs": {},
        "computed_on": [{"first_patch": 0}],
    }
    text = text_vector(words) if words else None
    writer = EncodingWriter.create(path, Plan(grid, attributes, text))
    picture = np.zeros((n, 64, 64, 3), np.uint8) + (60 * slide.niches[:, None, None, None]).astype(
        np.uint8
    )
    columns = [MARKERS.index(name) for name in markers]
    arrays = {
        layout.embedding_name("he"): slide.he,
        layout.embedding_name("mif"): slide.mif,
        layout.thumbnail_name("he"): picture,
        layout.thumbnail_name("mif"): picture,
        layout.EXPRESSION: slide.expression[:, columns],
    }
    for start in range(0, n, layout.CHUNK_ROWS):
        rows = slice(start, start + layout.CHUNK_ROWS)
        writer.commit({name: arrays[name][rows] for name in streamed})
    return Encoding.open(path)


def toy_record(rng: np.random.Generator, patient: int) -> dict[str, str]:
    """Stages take turns; other fields are drawn."""
    record = {
        "tissue": "Colon",
        "disease": "Colon Cancer",
        "stage": STAGES[patient % 3],
        "sex": str(rng.choice(["female", "male"])),
    }
    for field, levels in PLACEBO_FIELDS.items():
        record[field] = str(rng.choice(levels))
    return record


def toy_encodings(
    folder: Path, *, patients: int = 18, shape: tuple[int, int] = (6, 9), seed: int = 0
) -> list[Encoding]:
    """Write one encoding a patient, patient-000 and on."""
    encodings = []
    for patient in range(patients):
        rng = np.random.default_rng([seed, patient])
        record = toy_record(rng, patient)
        u = {"II": -1.0, "III": 0.0, "IV": 1.0}[record["stage"]] + 0.3 * rng.normal()
        name = f"patient-{patient:03d}"
        slide = toy_slide(rng, float(u), shape)
        encodings.append(write_slide(folder / f"slide-{patient:03d}", slide, record, patient=name))
    return encodings


def toy_atlas(folder: Path, encodings: list[Encoding], **options) -> Atlas:
    """Build an atlas from encodings."""
    return run_job(build_atlas(encodings, folder / "toy-atlas", **options))


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


KNOWN = OutsideCalibration(-1.0, 0.02, 100, "given by the test")


def ask(encoding, atlas, edits, niches=None, model=None, **request):
    request = {"k": 20, "resamples": 60} | request
    return run_job(
        run_counterfactual(
            encoding,
            atlas,
            model or ToyModel(),
            CounterfactualRequest(edits=edits, **request),
            niches,
            calibration=KNOWN,
        )
    )
