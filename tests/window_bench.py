"""Small slides with a known pattern, their atlas, and a model that sees the pattern.

Every patch has a hidden value z between 0 and 1. H&E colour and markers follow
it, the towers read it back, and the stage in a caption stands for a z as well,
so that maps, niches and shifts have a known shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from fake_model import FakeModel

from napari_haiku.atlas.build import build_atlas
from napari_haiku.atlas.store import Atlas
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.encoding.store import Encoding
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job

MARKERS = ("DAPI", "CD8", "PanCK", "Ki67")
STAGE_Z = {"I": 0.1, "II": 0.35, "IV": 0.9}
PALE, DARK = np.array([235.0, 170, 205]), np.array([120.0, 60, 150])
_PATCH = 100
_CENTRES = np.linspace(0, 1, 12)


class PatternModel(FakeModel):
    """Towers that read z and describe it by soft steps, alike in all modalities."""

    def __init__(self) -> None:
        super().__init__(dim=len(_CENTRES))
        self.name = "pattern"

    def _he_vectors(self, patches, pixel_size):
        colour = patches.reshape(len(patches), -1, 3).mean(axis=1)
        span = DARK - PALE
        return _steps((colour - PALE) @ span / (span @ span))

    def _mif_vectors(self, patches, markers, pixel_size, scaling):
        column = list(markers).index("PanCK")
        scaled = scaling.apply(patches)[:, column]
        return _steps(scaled.reshape(len(patches), -1).mean(axis=1))

    def _text_vectors(self, captions):
        z = [
            next((z for stage, z in STAGE_Z.items() if f"stage: {stage}." in f"{caption}."), 0.5)
            for caption in captions
        ]
        return _steps(np.array(z))


def _steps(z):
    rows = np.exp(-(((np.asarray(z)[:, None] - _CENTRES) / 0.15) ** 2))
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return torch.from_numpy(rows.astype(np.float32))


def pattern(rows: int, cols: int, seed: int) -> np.ndarray:
    """Values of z: rising from left to right, wavy, a little noisy."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:cols]
    wave = 0.15 * np.sin(y / 1.7 + seed)
    z = x / max(1, cols - 1) * 0.8 + 0.1 + wave + rng.normal(0, 0.04, (rows, cols))
    return np.clip(z, 0, 1)


def write_pair(folder: Path, name: str, z: np.ndarray, seed: int) -> tuple[Path, Path]:
    """Write H&E (1 um) and mIF (2 um) of a pattern."""
    rng = np.random.default_rng([seed, 1])
    fine = np.kron(z, np.ones((_PATCH, _PATCH)))[..., None]
    he = PALE + fine * (DARK - PALE) + rng.normal(0, 6, (*fine.shape[:2], 3))
    half = np.kron(z, np.ones((_PATCH // 2, _PATCH // 2)))
    planes = np.stack(
        [
            np.full(half.shape, 500.0),
            900 * (1 - half),
            1000 * half,
            100 + 300 * rng.random(half.shape),
        ]
    )
    mif = planes + rng.normal(0, 20, planes.shape)
    paths = folder / f"{name}_he.ome.tif", folder / f"{name}_mif.ome.tif"
    for path, pixels, size, extra in (
        (paths[0], np.clip(he, 0, 245).astype(np.uint8), 1.0, {"axes": "YXS"}),
        (
            paths[1],
            np.clip(mif, 0, 65535).astype(np.uint16),
            2.0,
            {"axes": "CYX", "Channel": {"Name": list(MARKERS)}},
        ),
    ):
        tifffile.imwrite(
            path,
            pixels,
            photometric="rgb" if extra["axes"] == "YXS" else "minisblack",
            metadata={
                **extra,
                "PhysicalSizeX": size,
                "PhysicalSizeY": size,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeYUnit": "µm",
            },
        )
    return paths


@dataclass(frozen=True)
class Stores:
    """A slide, its encoding and two atlases, all on disk.

    Attributes
    ----------
    z : ndarray
        Pattern of the slide.
    he, mif : Path
        Its images.
    encoding, atlas, one_patient : Path
        Encoding, atlas of eleven other patients, atlas of one other patient
        (stage II, as the slide's own).
    model : PatternModel
        What encoded them.
    """

    z: np.ndarray
    he: Path
    mif: Path
    encoding: Path
    atlas: Path
    one_patient: Path
    model: PatternModel

    def open_encoding(self) -> Encoding:
        return Encoding.open(self.encoding)

    def open_atlas(self) -> Atlas:
        return Atlas.open(self.atlas)


@cache
def build_stores(folder: Path) -> Stores:
    """Write, encode and gather twelve small patients; the first is the slide in view."""
    folder = folder / "window_bench"
    folder.mkdir()
    model = PatternModel()
    encodings = []
    z = pattern(8, 12, 0)
    # One corner of a kind that no other patient has.
    z[:2, :3] = 1.0
    for patient in range(12):
        stage = list(STAGE_Z)[patient % 3] if patient else "II"
        own = z if patient == 0 else pattern(5, 7, patient) * 0.85
        he, mif = write_pair(folder, f"p{patient}", own, patient)
        request = EncodeRequest(
            he=open_image(he),
            mif=open_image(mif),
            output=folder / f"p{patient}.zarr",
            slide_id=f"slide {patient}",
            patient_id=f"patient {patient}",
            record={"tissue": "Colon", "disease": "Carcinoma", "grade": "low", "stage": stage},
        )
        run_job(encode_slide(request, model))
        encodings.append(request.output)
    run_job(build_atlas(encodings[1:], folder / "atlas"))
    run_job(build_atlas(encodings[1:2], folder / "one"))
    first = folder / "p0_he.ome.tif", folder / "p0_mif.ome.tif"
    return Stores(z, *first, encodings[0], folder / "atlas", folder / "one", model)


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
    """Stores that no test may change."""
    # One folder for every room that asks, so that they are built once.
    return build_stores(tmp_path_factory.getbasetemp())
