"""The mIF picture: the same cells under the fluorescence microscope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, special

from napari_haiku.simulation.expression import PATTERN, express, matrix_factor
from napari_haiku.simulation.fields import Float, band_texture, resample, smooth_field, tiled
from napari_haiku.simulation.geometry import COARSE_UM, Geometry
from napari_haiku.simulation.randomness import stream
from napari_haiku.simulation.vocabulary import GLASS, MARKERS, marker_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.simulation.architecture import Architecture
    from napari_haiku.simulation.cells import Cells
    from napari_haiku.simulation.record import Patient

_TILE = 512
_PHOTONS = 90.0
_READ = 0.018
_BACKGROUND = 0.045
_PSF_UM = 0.75

# (from, to, share of the light that ends up in the wrong channel)
SPILL: tuple[tuple[str, str, float], ...] = (
    ("DAPI", "FoxP3", 0.015),
    ("PanCK", "ECad", 0.04),
    ("CD8", "CD4", 0.03),
    ("CD68", "GranzymeB", 0.04),
    ("CD20", "PD1", 0.03),
    ("Vimentin", "aSMA", 0.03),
    ("CD45", "CD11c", 0.03),
)
# Light of red cells and matrix without any antibody.
_AUTOFLUORESCENCE: dict[str, float] = {
    "CD20": 0.30, "FoxP3": 0.28, "PDL1": 0.22, "GranzymeB": 0.15, "CD11c": 0.12, "PD1": 0.10,
}  # fmt: skip
# The window a scanner's export leaves: what falls below the first value is 0, above the second 255.
_WINDOW: dict[str, tuple[float, float]] = {
    "DAPI": (0.22, 2.6), "PDL1": (0.45, 3.0), "Vimentin": (0.20, 2.2), "CollagenIV": (0.22, 2.2),
    "CD20": (0.19, 2.0), "FoxP3": (0.20, 2.0), "PD1": (0.17, 2.0), "GranzymeB": (0.16, 2.0),
    "CD11c": (0.15, 2.0),
}  # fmt: skip
_PLAIN_WINDOW = (0.12, 2.0)


def render_mif(
    patient: Patient, plan: Architecture, cells: Cells, geometry: Geometry, fibres: Float
) -> NDArray[np.uint8]:
    """Render the mIF image.

    Parameters
    ----------
    patient : Patient
        For the random numbers.
    plan, cells, geometry
        The tissue.
    fibres : ndarray, coarse grid
        Texture of the collagen fibres, the one the H&E shows.

    Returns
    -------
    ndarray of uint8, (c, y, x)
        At 1.0 um per pixel, channels in the order of MARKERS.
    """
    shape = geometry.owner.shape
    light = signals(patient, plan, cells, geometry, fibres, express(patient, plan, cells))
    glow = autofluorescence(plan, fibres, shape)
    spilt = {
        (source, target): share * light[marker_index(source)] for source, target, share in SPILL
    }
    picture = np.empty((len(MARKERS), *shape), np.uint8)
    batch = stream(patient.seed, patient.index, "mif gain")
    gains = np.exp(0.08 * patient.difficulty.stain * batch.standard_normal(len(MARKERS)))
    for number, marker in enumerate(MARKERS):
        image = light[number]
        for (_, target), extra in spilt.items():
            if target == marker:
                image += extra
        image += glow * np.float32(_AUTOFLUORESCENCE.get(marker, 0.04))
        image *= np.float32(gains[number])
        rng = stream(patient.seed, patient.index, "mif noise", number)
        haze = smooth_field(rng, (shape[0] // 32 + 2, shape[1] // 32 + 2), 32, 120)
        image += _BACKGROUND * (1 + 0.12 * resample(haze, shape))
        spread = np.sqrt(image * np.float32(1 / _PHOTONS) + np.float32(_READ**2))
        spread *= np.float32(patient.difficulty.noise)
        image += spread * rng.standard_normal(shape, dtype=np.float32)
        low, high = window(marker)
        image -= np.float32(low)
        image *= np.float32(255 / (high - low))
        picture[number] = np.clip(image, 0, 255)
    return picture


def signals(
    patient: Patient,
    plan: Architecture,
    cells: Cells,
    geometry: Geometry,
    fibres: Float,
    expression: Float,
    *,
    collagen: Float | None = None,
) -> Float:
    """Return the light of every marker before spill-over, noise and window.

    Parameters
    ----------
    patient : Patient
        For the random numbers.
    plan, cells, geometry
        The tissue.
    fibres : ndarray, coarse grid
        Texture of the collagen fibres.
    expression : ndarray, (cells, markers)
        What each cell carries.
    collagen : ndarray, (rows, columns) of the plan, optional
        Strength of collagen IV in the matrix in place of the patient's own.

    Returns
    -------
    ndarray of float32, (markers, y, x)
        At 1.0 um per pixel.
    """
    shape = geometry.owner.shape
    rng = stream(patient.seed, patient.index, "mif texture")
    grain = tiled(band_texture(rng, _TILE, 0.6, 2.2), shape)
    owner = geometry.owner.ravel()
    nucleus = np.flatnonzero(geometry.inner)
    body = np.flatnonzero(geometry.body | geometry.inner)
    shell = np.flatnonzero(geometry.shell)
    in_body = np.where(geometry.inner.ravel()[body], 0.45, 1.0).astype(np.float32)
    granular = np.clip(0.6 + 0.9 * grain.ravel()[body], 0, 3) * in_body
    smooth = (1 + 0.2 * grain.ravel()[body]) * in_body
    mottled = 1 + 0.18 * grain.ravel()[nucleus]
    places = {
        "nucleus": (nucleus, mottled),
        "cytoplasm": (body, smooth),
        "granules": (body, granular),
        "membrane": (shell, np.float32(1.35)),
    }
    light = np.zeros((len(MARKERS), *shape), np.float32)
    for number, marker in enumerate(MARKERS):
        pattern = PATTERN[marker]
        flat = light[number].ravel()
        if len(cells) and pattern in places:
            where, weight = places[pattern]
            flat[where] = expression[owner[where], number] * weight
        if pattern == "matrix":
            strength = matrix_factor(patient, plan) if collagen is None else collagen
            light[number] += matrix(plan, fibres, strength, shape)
        ndimage.gaussian_filter(
            light[number], _PSF_UM / COARSE_UM, output=light[number], truncate=2.5
        )
    return light


def matrix(plan: Architecture, fibres: Float, factor: Float, shape: tuple[int, int]) -> Float:
    """Return the collagen IV of basement membranes and stroma before blur; `factor` on the plan."""
    wall = resample(plan.wall, shape)
    vessel = resample(plan.vessel, shape)
    strength = resample(factor, shape)
    tissue = resample((plan.niche != GLASS).astype(np.float32), shape)
    open_stroma = (wall < -1) & (resample((plan.lumen > 0).astype(np.float32), shape) < 0.5)
    collagen = resample(plan.collagen, shape)
    sheet = np.exp(-(((wall + 1.0) / 1.3) ** 2)) * 0.9
    sheet += np.exp(-(((vessel - 1.2) / 1.3) ** 2)) * 0.9
    sheet += open_stroma * np.clip(0.10 + 0.12 * fibres, 0, 1) * (0.4 + collagen)
    return np.asarray(sheet * strength * tissue, np.float32)


def autofluorescence(plan: Architecture, fibres: Float, shape: tuple[int, int]) -> Float:
    """Return the light of red cells and matrix without any antibody, 1 being full blood."""
    blood = resample(plan.blood.astype(np.float32), shape)
    stroma = resample(((plan.epithelium == 0) & (plan.niche != GLASS)).astype(np.float32), shape)
    collagen = resample(plan.collagen, shape)
    return np.asarray(blood + 0.18 * stroma * collagen * np.clip(0.5 + 0.4 * fibres, 0, 2))


def expected_brightness(light: Float, marker: str) -> Float:
    """Return the mean brightness, in the image's units, of pixels that receive this light.

    Parameters
    ----------
    light : ndarray
        Light of one marker, spill-over and autofluorescence included.
    marker : str
        Which channel's window.
    """
    low, high = window(marker)
    light = light + np.float32(_BACKGROUND)
    above = light - np.float32(low)
    spread = np.sqrt(light * np.float32(1 / _PHOTONS) + np.float32(_READ**2))
    # Noise lifts what lies near the window's lower end; the mean of a clipped normal.
    z = above / spread
    above = above * special.ndtr(z) + spread * np.exp(-0.5 * z * z) * np.float32(0.39894228)
    # The image stores whole numbers, cut off.
    bright = np.clip(above * np.float32(255 / (high - low)), 0, 255)
    return np.asarray(np.where(bright > 1, bright - 0.5, 0.5 * bright), np.float32)


def window(marker: str) -> tuple[float, float]:
    """Return the light that a channel's export shows as 0 and as 255."""
    return _WINDOW.get(marker, _PLAIN_WINDOW)


def autofluorescence_share(marker: str) -> float:
    """Return how much of the autofluorescence a channel sees."""
    return _AUTOFLUORESCENCE.get(marker, 0.04)


def blurred(light: Float) -> Float:
    """Return light as the microscope's lens spreads it."""
    return np.asarray(ndimage.gaussian_filter(light, _PSF_UM / COARSE_UM, truncate=2.5))
