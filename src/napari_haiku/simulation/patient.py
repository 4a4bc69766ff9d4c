"""One virtual patient from seed to slide: record, tissue, cells, both pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.simulation.architecture import STEP_UM, plan_tissue
from napari_haiku.simulation.cells import place_cells
from napari_haiku.simulation.difficulty import STANDARD, Difficulty, panel_markers
from napari_haiku.simulation.fluorescence import render_mif
from napari_haiku.simulation.geometry import COARSE_UM, FINE_UM, draw_geometry
from napari_haiku.simulation.histology import fibre_texture, render_he
from napari_haiku.simulation.record import Patient, draw_patient
from napari_haiku.simulation.registration import misregister
from napari_haiku.simulation.vocabulary import MARKERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

HE_PIXEL_UM = FINE_UM
MIF_PIXEL_UM = COARSE_UM
NICHE_PIXEL_UM = STEP_UM
_SMALLEST_UM, _LARGEST_UM = 100.0, 8000.0


@dataclass(frozen=True)
class VirtualSlide:
    """One virtual tissue section with everything known about it.

    Parameters
    ----------
    he : ndarray of uint8, (y, x, 3)
        H&E at 0.5 um per pixel.
    mif : ndarray of uint8, (c, y, x)
        mIF at 1.0 um per pixel; both start at the same corner, and at the
        standard difficulty they are registered and show the same section.
    markers : tuple of str
        Canonical marker of each channel: those of the patient's panel.
    record : dict of str to str
        Clinical record in caption order, with the fields without effect it shows.
    cells : pandas.DataFrame
        x_um, y_um, type, niche, state; one row a cell of the section the H&E shows.
    niche : ndarray of uint8, (y, x)
        Niche at 2 um per pixel: index into vocabulary.NICHES, 255 is glass.
    patient : Patient
        What stands above the tissue, latent tone included.
    """

    he: NDArray[np.uint8]
    mif: NDArray[np.uint8]
    markers: tuple[str, ...]
    record: dict[str, str]
    cells: pd.DataFrame
    niche: NDArray[np.uint8]
    patient: Patient


def simulate_patient(
    seed: int,
    index: int,
    *,
    field_um: tuple[float, float] = (600.0, 600.0),
    edits: Mapping[str, str] | None = None,
    tone: float | None = None,
    difficulty: Difficulty = STANDARD,
) -> VirtualSlide:
    """Make one patient's slide; same arguments, same bytes.

    Parameters
    ----------
    seed : int
        Seed of the cohort.
    index : int
        Number of the patient in the cohort.
    field_um : tuple of float
        Width and height of the slide in um.
    edits : mapping, optional
        Record fields to set: the true counterfactual slide, all other random
        numbers kept.
    tone : float, optional
        Immune tone to set in place of the drawn one.
    difficulty : Difficulty, optional
        Knobs of the cohort; `standard` when left out.

    Raises
    ------
    HaikuError
        The field is too small or too large, or an edited field is unknown.
    """
    check_field(field_um)
    # Whole steps of the coarsest grid keep every map in register.
    width, height = (round(side / STEP_UM) * STEP_UM for side in field_um)
    field = (width, height)
    patient = draw_patient(seed, index, edits=edits, tone=tone, difficulty=difficulty)
    plan = plan_tissue(patient, field)
    cells = place_cells(patient, plan, field)
    geometry = draw_geometry(plan, cells, field)
    fibres = fibre_texture(patient, plan, geometry.owner.shape)
    he = render_he(patient, plan, cells, geometry, fibres)
    beside, others, outlines = patient, cells, geometry
    if difficulty.serial_section:
        beside = replace(patient, section=1)
        others = place_cells(beside, plan, field)
        outlines = draw_geometry(plan, others, field)
    mif = render_mif(beside, plan, others, outlines, fibres)
    markers = panel_markers(seed, index, difficulty)
    if markers != MARKERS:
        mif = mif[[MARKERS.index(name) for name in markers]]
    return VirtualSlide(
        he=he,
        mif=misregister(mif, patient, MIF_PIXEL_UM),
        markers=markers,
        record=patient.record,
        cells=cells.table(),
        niche=plan.niche,
        patient=patient,
    )


def check_field(field_um: tuple[float, float]) -> None:
    """Refuse a field that cannot be made.

    Raises
    ------
    HaikuError
        A side is below 100 um or above 8000 um.
    """
    for side in field_um:
        if not _SMALLEST_UM <= side <= _LARGEST_UM:
            raise HaikuError(
                f"A virtual field of {field_um[0]:g} x {field_um[1]:g} um cannot be made: "
                f"choose sides between {_SMALLEST_UM:g} and {_LARGEST_UM:g} um."
            )
