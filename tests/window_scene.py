"""A small virtual slide, and a small atlas of other patients, for tests of the window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fake_model import FakeModel

from napari_haiku.atlas.build import build_atlas
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job
from napari_haiku.simulation.writing import he_file, mif_file

MARKERS = ("DAPI", "PanCK", "CD8", "aSMA", "CD20")
HE_UM, MIF_UM = 1.0, 2.0
FIELD_UM = 800
KINDS = {
    # H&E colour, mean intensity of each marker
    "tumour": ((150, 90, 160), (120, 200, 10, 8, 5)),
    "stroma": ((220, 160, 190), (60, 10, 15, 180, 5)),
    "immune": ((90, 60, 130), (200, 12, 150, 10, 90)),
}


@dataclass(frozen=True)
class Scene:
    """Where everything of the scene lies.

    Parameters
    ----------
    he, mif : Path
        The slide's files.
    record : dict
        Its record.
    atlas : Path
        An atlas of four other patients.
    """

    he: Path
    mif: Path
    record: dict[str, str]
    atlas: Path


def paint_slide(seed: int, stage: str) -> tuple[np.ndarray, np.ndarray]:
    """Paint H&E (y, x, 3) and mIF (c, y, x) of one slide: blocks of tissue with a glass margin.

    Immune tissue of stage IV carries twice the CD20.
    """
    rng = np.random.default_rng(seed)
    cells = FIELD_UM // 100
    kinds = list(KINDS)
    plan = rng.integers(0, len(kinds), (cells, cells))
    glass = np.zeros((cells, cells), bool)
    glass[0] = glass[:, -1] = True
    colours = np.array([KINDS[kind][0] for kind in kinds], float)[plan]
    colours[glass] = (243, 242, 244)
    levels = np.array([KINDS[kind][1] for kind in kinds], float)
    if stage == "IV":
        levels[2, MARKERS.index("CD20")] *= 2
    levels = levels[plan] * rng.uniform(0.7, 1.3, (cells, cells, 1))
    levels[glass] = 2
    he = np.kron(colours, np.ones((100, 100, 1)))
    texture = np.where(np.kron(glass, np.ones((100, 100)))[..., None] > 0, 1.0, 18.0)
    he = np.clip(he + rng.normal(0, 1, he.shape) * texture, 0, 255).astype(np.uint8)
    side = int(100 / MIF_UM)
    mif = np.kron(np.moveaxis(levels, -1, 0), np.ones((1, side, side)))
    mif = np.clip(mif + rng.normal(0, 4, mif.shape), 0, 255).astype(np.uint8)
    return he, mif


def write_slide(folder: Path, name: str, seed: int, stage: str) -> tuple[Path, Path]:
    """Write one painted slide as two OME-TIFF files."""
    folder.mkdir(parents=True, exist_ok=True)
    he, mif = paint_slide(seed, stage)
    he_path, mif_path = folder / f"{name}_he.ome.tif", folder / f"{name}_mif.ome.tif"
    he_path.write_bytes(he_file(he, HE_UM))
    mif_path.write_bytes(mif_file(mif, MARKERS, MIF_UM))
    return he_path, mif_path


def record_of(patient: str, stage: str) -> dict[str, str]:
    """A record with an identifying field and three clinical ones."""
    return {"patient_id": patient, "tissue": "Colon", "disease": "Carcinoma", "stage": stage}


def make_scene(folder: Path, *, patients: int = 4) -> Scene:
    """Write the slide and build the atlas with :class:`FakeModel`."""
    model = FakeModel()
    encodings = []
    for number in range(patients):
        stage = "IV" if number % 2 else "II"
        he, mif = write_slide(folder / "cohort", f"p{number}", 100 + number, stage)
        request = EncodeRequest(
            he=open_image(he),
            mif=open_image(mif),
            output=folder / "cohort" / f"p{number}.zarr",
            slide_id=f"slide-{number}",
            record=record_of(f"patient-{number}", stage),
        )
        encodings.append(run_job(encode_slide(request, model)).path)
    atlas = run_job(build_atlas(encodings, folder / "small_atlas"))
    he, mif = write_slide(folder / "slide", "query", 7, "II")
    return Scene(he, mif, record_of("patient-q", "II"), atlas.path)
