"""Which niche a square of virtual tissue mostly is."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.simulation.architecture import STEP_UM, plan_tissue
from napari_haiku.simulation.difficulty import Difficulty, difficulty_of
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.vocabulary import GLASS, NICHES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_haiku.simulation.record import Patient

_SETTINGS = "simulation.json"


def niches_of_patches(cohort_folder: Path, slide_id: str, boxes_um: ArrayLike) -> NDArray[np.int8]:
    """Return the niche that fills most of each box's tissue.

    Parameters
    ----------
    cohort_folder : Path
        Folder of a simulated cohort.
    slide_id : str
        Slide of its manifest.
    boxes_um : array_like, (n, 4)
        x0, y0, x1, y1 of each box in um.

    Returns
    -------
    ndarray of int8, (n,)
        Index into vocabulary.NICHES; -1 where more than half is glass.

    Raises
    ------
    HaikuError
        The folder is no simulated cohort or has no such slide.
    """
    patient, field_um = patient_of_slide(cohort_folder, slide_id)
    niche = _niches(patient.seed, patient.index, field_um, patient.difficulty)
    return majority(niche, boxes_um)


def patient_of_slide(cohort_folder: Path, slide_id: str) -> tuple[Patient, tuple[float, float]]:
    """Return the patient behind a slide and the slide's field in um.

    Raises
    ------
    HaikuError
        The folder is no simulated cohort or has no such slide.
    """
    path = cohort_folder / _SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        seed, patients = int(settings["seed"]), int(settings["patients"])
        width, height = (float(side) for side in settings["field_um"])
        difficulty = difficulty_of(settings)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HaikuError(
            f"{cohort_folder.name} has no readable {_SETTINGS}: choose the folder of a cohort "
            "that `simulate` wrote."
        ) from error
    number = slide_id.removeprefix("slide_")
    if not (slide_id.startswith("slide_") and number.isdigit() and int(number) < patients):
        raise HaikuError(
            f"The simulated cohort {cohort_folder.name} has no slide {slide_id}: "
            f"its slides are slide_00000 to slide_{patients - 1:05d}."
        )
    # Whole steps, as the slide itself was made.
    field_um = (round(width / STEP_UM) * STEP_UM, round(height / STEP_UM) * STEP_UM)
    return draw_patient(seed, int(number), difficulty=difficulty), field_um


def majority(niche: NDArray[np.uint8], boxes_um: ArrayLike) -> NDArray[np.int8]:
    """Return the niche that fills most of each box's tissue.

    Parameters
    ----------
    niche : ndarray, (rows, columns)
        Niche of each square of STEP_UM, GLASS where there is no tissue.
    boxes_um : array_like, (n, 4)
        x0, y0, x1, y1 of each box in um.
    """
    boxes = np.rint(np.asarray(boxes_um, float).reshape(-1, 4) / STEP_UM).astype(int)
    result = np.full(len(boxes), -1, np.int8)
    for number, (left, top, right, bottom) in enumerate(boxes):
        part = niche[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        counts = np.bincount(part[part != GLASS], minlength=len(NICHES))
        if counts.sum() and 2 * counts.sum() >= part.size:
            result[number] = counts.argmax()
    return result


@lru_cache(maxsize=64)
def _niches(
    seed: int, index: int, field_um: tuple[float, float], difficulty: Difficulty
) -> NDArray[np.uint8]:
    return plan_tissue(draw_patient(seed, index, difficulty=difficulty), field_um).niche
