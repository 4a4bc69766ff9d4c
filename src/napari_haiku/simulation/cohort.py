"""A virtual cohort on disk: slides with records, listed in one manifest."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.simulation.difficulty import (
    STANDARD,
    Difficulty,
    difficulty_settings,
)
from napari_haiku.simulation.neutral import PLACEBO, TWINS
from napari_haiku.simulation.patient import (
    HE_PIXEL_UM,
    MIF_PIXEL_UM,
    check_field,
    simulate_patient,
)
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.truth import write_truth
from napari_haiku.simulation.vocabulary import MARKERS
from napari_haiku.simulation.writing import he_file, mif_file
from napari_haiku.simulation.writing_zarr import write_he_zarr, write_mif_zarr
from napari_haiku.storage import speaking, write_bytes, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

GENERATOR = 2
# Earlier generators that made the same pixels and shorter records.
_SAME_PIXELS = (1,)
MANIFEST = "cohort.csv"
SETTINGS = "simulation.json"
_IMAGES = "images"
FORMATS: dict[str, str] = {"ome-tiff": "ome.tif", "ome-zarr": "ome.zarr"}


@dataclass(frozen=True)
class SimulateRequest:
    """What cohort to make.

    Parameters
    ----------
    output : Path
        Folder to write, made if absent.
    patients : int
        How many patients, one slide each.
    seed : int
        Seed, 0 or larger; recorded in `simulation.json`.
    field_um : tuple of float
        Width and height of each slide in um.
    workers : int
        Processes that work side by side; their number changes no byte.
    difficulty : Difficulty
        Knobs of the cohort; see :mod:`~napari_haiku.simulation.difficulty`.
    image_format : {"ome-tiff", "ome-zarr"}
        Of the images.
    """

    output: Path
    patients: int
    seed: int
    field_um: tuple[float, float] = (600.0, 600.0)
    workers: int = 1
    difficulty: Difficulty = STANDARD
    image_format: str = "ome-tiff"


@dataclass(frozen=True)
class SimulatedCohort:
    """Where the cohort is and what was done for it.

    Parameters
    ----------
    manifest : Path
        The manifest table.
    patients : int
        Slides in the cohort.
    markers : tuple of str
        Markers of the cohort; a slide has those of its panel.
    resumed_from : int
        Slides that an earlier run had finished.
    renewed_from : int or None
        Version of an earlier generator whose manifest was replaced: its pixels
        are today's, its records lacked fields.
    """

    manifest: Path
    patients: int
    markers: tuple[str, ...]
    resumed_from: int
    renewed_from: int | None = None


def simulate_cohort(request: SimulateRequest) -> Job[SimulatedCohort]:
    """Write a virtual cohort; the same request again resumes it.

    A folder that an earlier generator made with the same pixels keeps its
    images; its manifest and settings are renewed.

    Parameters
    ----------
    request : SimulateRequest
        What to make.

    Yields
    ------
    Progress
        After each slide.

    Returns
    -------
    SimulatedCohort
        The manifest and the counts.

    Raises
    ------
    HaikuError
        Impossible numbers, a folder that holds another cohort, or a disk
        that is full.
    """
    _check(request)
    output = Path(request.output)
    with speaking(output / _IMAGES):
        (output / _IMAGES).mkdir(parents=True, exist_ok=True)
    renewed_from = _claim(output, request)
    missing = [index for index in range(request.patients) if not _finished(request, index)]
    resumed = request.patients - len(missing)
    done = resumed
    yield Progress(done, request.patients, "Simulating", "slides")
    for _ in _made(request, missing):
        done += 1
        yield Progress(done, request.patients, "Simulating", "slides")
    manifest = output / MANIFEST
    if missing or renewed_from is not None or not manifest.exists():
        write_text(manifest, _manifest(request))
    slides = {index: (slide_id(index), patient_id(index)) for index in range(request.patients)}
    write_truth(output, request.seed, slides, request.difficulty)
    if renewed_from is not None:
        # Last, so that a renewal that was cut off is done again.
        write_json(output / SETTINGS, _settings(request))
    return SimulatedCohort(manifest, request.patients, MARKERS, resumed, renewed_from)


def slide_id(index: int) -> str:
    """Return the name of a patient's slide in the manifest."""
    return f"slide_{index:05d}"


def patient_id(index: int) -> str:
    """Return the name of a patient in the manifest."""
    return f"patient_{index:05d}"


def _check(request: SimulateRequest) -> None:
    if request.patients < 1:
        raise HaikuError(f"A cohort of {request.patients} patients is empty: ask for at least 1.")
    if request.seed < 0:
        raise HaikuError(f"Seed {request.seed} is negative: choose 0 or larger.")
    if request.workers < 1:
        raise HaikuError(f"{request.workers} workers cannot do anything: choose at least 1.")
    if request.image_format not in FORMATS:
        raise HaikuError(
            f"Images cannot be written as {request.image_format!r}: choose {' or '.join(FORMATS)}."
        )
    check_field(request.field_um)


def _settings(request: SimulateRequest) -> dict[str, Any]:
    return {
        "generator": GENERATOR,
        "patients": request.patients,
        "seed": request.seed,
        "field_um": [float(side) for side in request.field_um],
        "markers": list(MARKERS),
        "format": request.image_format,
        **difficulty_settings(request.difficulty),
    }


def _claim(output: Path, request: SimulateRequest) -> int | None:
    """Mark the folder as this cohort's, or refuse it when it is another's.

    Returns the version of an earlier generator whose records must be renewed.
    """
    settings = _settings(request)
    path = output / SETTINGS
    if not path.exists():
        if (output / MANIFEST).exists():
            raise HaikuError(
                f"{output.name} already holds a cohort that was not simulated here: "
                "choose another folder."
            )
        write_json(path, settings)
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HaikuError(
            f"{path.name} in {output.name} cannot be read: choose another folder."
        ) from error
    if not isinstance(found, dict):
        found = {}
    version = found.get("generator")
    earlier = version if version in _SAME_PIXELS else None
    if earlier is not None:
        # It knew one difficulty and one format.
        plain = replace(request, difficulty=STANDARD, image_format="ome-tiff")
        found = _settings(plain) | found | {"generator": GENERATOR}
    differing = [name for name, value in settings.items() if found.get(name) != value]
    if differing:
        told = ", ".join(f"{name} {found.get(name)!r} not {settings[name]!r}" for name in differing)
        raise HaikuError(
            f"{output.name} holds a cohort made with other settings ({told}): "
            "choose another folder or the same settings."
        )
    return earlier


def _paths(request: SimulateRequest, index: int) -> tuple[Path, Path]:
    name, end = slide_id(index), FORMATS[request.image_format]
    folder = Path(request.output) / _IMAGES
    return folder / f"{name}_he.{end}", folder / f"{name}_mif.{end}"


def _finished(request: SimulateRequest, index: int) -> bool:
    return all(path.exists() for path in _paths(request, index))


def _made(request: SimulateRequest, missing: list[int]) -> Iterator[int]:
    if request.workers == 1 or len(missing) < 2:
        for index in missing:
            yield _make(request, index)
        return
    # Forking a process that runs Qt or torch threads can hang, so start clean ones.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(request.workers, len(missing)), mp_context=context) as pool:
        waiting = [pool.submit(_make, request, index) for index in missing]
        try:
            for future in as_completed(waiting):
                yield future.result()
        except BrokenProcessPool as error:
            raise HaikuError(
                "A worker process was ended from outside, perhaps for lack of memory: run the "
                "same command again with fewer workers, finished slides are kept."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _make(request: SimulateRequest, index: int) -> int:
    slide = simulate_patient(
        request.seed, index, field_um=request.field_um, difficulty=request.difficulty
    )
    he, mif = _paths(request, index)
    if request.image_format == "ome-zarr":
        # One of the two may stand from a run that was ended between them.
        if not he.exists():
            write_he_zarr(he, slide.he, HE_PIXEL_UM)
        if not mif.exists():
            write_mif_zarr(mif, slide.mif, slide.markers, MIF_PIXEL_UM)
    else:
        write_bytes(he, he_file(slide.he, HE_PIXEL_UM))
        write_bytes(mif, mif_file(slide.mif, slide.markers, MIF_PIXEL_UM))
    return index


def _manifest(request: SimulateRequest) -> str:
    rows = []
    for index in range(request.patients):
        he, mif = _paths(request, index)
        patient = draw_patient(request.seed, index, difficulty=request.difficulty)
        rows.append(
            {
                "slide_id": slide_id(index),
                "patient_id": patient_id(index),
                "he": f"{_IMAGES}/{he.name}",
                "mif": f"{_IMAGES}/{mif.name}",
                "markers": "",
                **patient.record,
            }
        )
    without_effect = (*PLACEBO, *TWINS)
    known = [name for name in rows[0] if name not in without_effect]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*known, *without_effect], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
