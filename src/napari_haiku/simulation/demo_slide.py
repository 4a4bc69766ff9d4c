"""The virtual tumour slide of the demo, as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.simulation.patient import HE_PIXEL_UM, MIF_PIXEL_UM, simulate_patient
from napari_haiku.simulation.writing import he_file, mif_file
from napari_haiku.storage import speaking, write_bytes, write_json

if TYPE_CHECKING:
    from napari_haiku.clinical import Record

# Beyond every cohort that the project makes, so that no atlas holds this patient.
PATIENT_INDEX = 1_000_000
FIELD_UM = (2000.0, 2000.0)
_HE, _MIF, _RECORD, _SETTINGS = (
    "virtual_he.ome.tif",
    "virtual_mif.ome.tif",
    "record.json",
    "virtual_slide.json",
)


@dataclass(frozen=True)
class DemoSlide:
    """Files of one virtual slide.

    Parameters
    ----------
    he, mif : Path
        Registered images.
    record_file : Path
        The clinical record as a JSON object.
    record : dict of str to str
        The same, read.
    patient_id : str
        A patient that no shipped atlas holds.
    """

    he: Path
    mif: Path
    record_file: Path
    record: Record
    patient_id: str


def make_demo_slide(
    folder: Path, seed: int, *, field_um: tuple[float, float] = FIELD_UM
) -> Job[DemoSlide]:
    """Write the demo's slide into a folder, or find it there.

    Parameters
    ----------
    folder : Path
        Made if absent.
    seed : int
        Same seed, same slide.
    field_um : tuple of float
        Width and height in um.

    Raises
    ------
    HaikuError
        The folder holds the slide of another seed, or cannot be written.
    """
    folder = Path(folder)
    he, mif, record_file = folder / _HE, folder / _MIF, folder / _RECORD
    settings_file = folder / _SETTINGS
    settings = {"seed": seed, "patient": PATIENT_INDEX, "field_um": list(field_um)}
    if settings_file.is_file():
        found = json.loads(settings_file.read_text(encoding="utf-8"))
        if found != settings:
            raise HaikuError(
                f"{folder.name} holds the virtual slide of another seed or size: choose another "
                "folder or the same seed."
            )
        record = json.loads(record_file.read_text(encoding="utf-8"))
        return DemoSlide(he, mif, record_file, record, _patient_id(seed))
    with speaking(folder):
        folder.mkdir(parents=True, exist_ok=True)
    yield Progress(0, 3, "Making the virtual slide", "steps")
    slide = simulate_patient(seed, PATIENT_INDEX, field_um=field_um)
    yield Progress(1, 3, "Making the virtual slide", "steps")
    write_bytes(he, he_file(slide.he, HE_PIXEL_UM))
    yield Progress(2, 3, "Making the virtual slide", "steps")
    write_bytes(mif, mif_file(slide.mif, slide.markers, MIF_PIXEL_UM))
    write_json(record_file, slide.record)
    # Written last: it says that the other files are whole.
    write_json(settings_file, settings)
    yield Progress(3, 3, "Making the virtual slide", "steps")
    return DemoSlide(he, mif, record_file, dict(slide.record), _patient_id(seed))


def _patient_id(seed: int) -> str:
    return f"virtual_{seed}_{PATIENT_INDEX}"
