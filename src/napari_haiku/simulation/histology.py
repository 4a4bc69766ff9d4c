"""The H&E picture: how much of each dye every pixel holds, and the light that comes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_haiku.simulation.architecture import DEBRIS, EMPTY, MUCIN, STEP_UM, Architecture
from napari_haiku.simulation.fields import (
    Float,
    band_texture,
    resample,
    smooth_field,
    streaks,
    tiled,
)
from napari_haiku.simulation.geometry import COARSE_UM, FINE_UM, Geometry, stamp
from napari_haiku.simulation.randomness import stream
from napari_haiku.simulation.record import SCANNERS, SITES, Patient
from napari_haiku.simulation.vocabulary import CELL_TYPES, GLASS, niche_index, type_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.simulation.cells import Cells

_TILE = 512

# Eosin and hematoxylin of the cell body (optical density), hematoxylin of the nucleus.
_DYE: dict[str, tuple[float, float, float]] = {
    "tumour epithelium": (0.26, 0.26, 0.62), "normal epithelium": (0.30, 0.16, 0.66),
    "fibroblast": (0.30, 0.12, 0.72), "myofibroblast": (0.40, 0.12, 0.72),
    "endothelium": (0.34, 0.12, 0.78), "CD8 T": (0.12, 0.16, 0.98), "CD4 T": (0.12, 0.16, 0.98),
    "Treg": (0.12, 0.16, 0.98), "B": (0.12, 0.18, 0.96), "plasma": (0.22, 0.36, 0.92),
    "macrophage M1": (0.28, 0.10, 0.60), "macrophage M2": (0.28, 0.10, 0.60),
    "neutrophil": (0.38, 0.06, 1.05), "dendritic": (0.24, 0.10, 0.66), "mast": (0.26, 0.30, 0.85),
    "nerve": (0.26, 0.12, 0.66),
}  # fmt: skip
_BODY_E, _BODY_H, _NUCLEAR = np.array([_DYE[name] for name in CELL_TYPES], np.float32).T

_HEMATOXYLIN = np.array((0.61, 0.69, 0.39))
_EOSIN = np.array((0.09, 0.99, 0.16))
_HEMOGLOBIN = np.array((0.30, 1.0, 0.66), np.float32)


@dataclass(frozen=True)
class Stain:
    """One site's stain and one scanner's look.

    Parameters
    ----------
    hematoxylin, eosin : ndarray, (3,)
        Optical density of a unit of dye in red, green, blue.
    blur_um : float
        Width of the out-of-focus blur.
    gain : ndarray, (3,)
        Light of empty glass, 0 to 255.
    gamma : float
        Tone curve.
    """

    hematoxylin: Float
    eosin: Float
    blur_um: float
    gain: Float
    gamma: float


def draw_stain(patient: Patient) -> Stain:
    """Draw how the patient's site stains and scanner sees; never depends on biology."""
    site = stream(patient.seed, 0, "site stain", SITES.index(patient.clinical["site"]))
    own = stream(patient.seed, patient.index, "slide stain")
    far = patient.difficulty.stain
    look = stream(patient.seed, 0, "scanner", SCANNERS.index(patient.clinical["scanner"]))
    strength = np.exp(0.18 * far * site.standard_normal(2) + 0.07 * far * own.standard_normal(2))
    hematoxylin = (
        _HEMATOXYLIN + 0.035 * far * site.standard_normal(3) + 0.012 * far * own.standard_normal(3)
    )
    eosin = _EOSIN + far * np.array((0.03, 0.04, 0.05)) * site.standard_normal(3)
    hematoxylin, eosin = np.clip(hematoxylin, 0.05, None), np.clip(eosin, 0.02, None)
    hematoxylin *= 2.15 * strength[0] / np.linalg.norm(hematoxylin)
    eosin *= 0.60 * strength[1] / np.linalg.norm(eosin)
    return Stain(
        hematoxylin=hematoxylin.astype(np.float32),
        eosin=eosin.astype(np.float32),
        blur_um=float(
            0.42 * np.exp(0.25 * far * look.standard_normal() + 0.1 * far * own.standard_normal())
        ),
        gain=np.clip(243 + 4 * far * look.standard_normal(3), 225, 252).astype(np.float32),
        gamma=float(np.exp(0.05 * far * look.standard_normal())),
    )


def render_he(
    patient: Patient, plan: Architecture, cells: Cells, geometry: Geometry, fibres: Float
) -> NDArray[np.uint8]:
    """Render the H&E image.

    Parameters
    ----------
    patient : Patient
        For the stain and the random numbers.
    plan, cells, geometry
        The tissue.
    fibres : ndarray, coarse grid
        Texture of the collagen fibres; see :func:`fibre_texture`.

    Returns
    -------
    ndarray of uint8, (y, x, 3)
        At 0.5 um per pixel.
    """
    shape = geometry.nucleus.shape
    rng = stream(patient.seed, patient.index, "he texture")
    eosin, hematoxylin, blood = _background(plan, cells, geometry, fibres, rng)
    eosin, hematoxylin = resample(eosin, shape), resample(hematoxylin, shape)
    _add_nuclei(patient, cells, geometry, eosin, hematoxylin, rng)
    stain = draw_stain(patient)
    thickness = 1 + 0.07 * smooth_field(rng, (shape[0] // 16 + 2, shape[1] // 16 + 2), 8, 120)
    thick = resample(thickness, shape)
    sigma = stain.blur_um / FINE_UM
    sharp = band_texture(rng, _TILE, 0.7, 2.4)
    for dye, offset in ((eosin, (0, 0)), (hematoxylin, (71, 29))):
        dye *= thick
        dye *= 1 + 0.16 * tiled(sharp, shape, offset)
        ndimage.gaussian_filter(dye, sigma, output=dye, truncate=2.5)
    blood = resample(blood, shape)
    noise = rng.standard_normal((_TILE, _TILE), dtype=np.float32)
    grain = 1.6 * patient.difficulty.noise
    picture = np.empty((*shape, 3), np.uint8)
    for colour in range(3):
        light = hematoxylin * -stain.hematoxylin[colour]
        light -= eosin * stain.eosin[colour]
        light -= blood * _HEMOGLOBIN[colour]
        if stain.gamma != 1:
            light *= np.float32(stain.gamma)
        np.exp(light, out=light)
        light *= stain.gain[colour]
        light += grain * tiled(noise, shape, (137 * colour, 211 * colour))
        picture[..., colour] = np.clip(light + 0.5, 0, 255)
    return picture


def _background(
    plan: Architecture,
    cells: Cells,
    geometry: Geometry,
    fibres: Float,
    rng: np.random.Generator,
) -> tuple[Float, Float, Float]:
    """Eosin and hematoxylin outside the nuclei, and blood, on the coarse grid."""
    shape = geometry.owner.shape
    collagen = resample(plan.collagen, shape)
    dense = np.clip(0.55 + 0.27 * fibres, 0, 2.0)
    eosin = 0.03 + collagen * (0.10 + 0.20 * dense) + (1 - collagen) * 0.05 * dense
    hematoxylin = 0.13 + 0.08 * dense + 0.05 * (1 - collagen) * np.clip(fibres, -1, 2)
    cleft = np.clip(-fibres - 1.7, 0, 0.8) * np.clip(1.25 - collagen, 0, 1)
    eosin *= 1 - cleft
    hematoxylin *= 1 - cleft
    grain = tiled(band_texture(rng, _TILE, 0.7, 2.5), shape)
    clouds = tiled(band_texture(rng, _TILE, 2.5, 9), shape)

    niche = _nearest(plan.niche, shape)
    dead = niche == niche_index("necrosis")
    broad = tiled(band_texture(rng, _TILE, 6.0, 20.0), shape)
    dust = np.clip(clouds - 1.1, 0, 1.5)
    dead = ndimage.gaussian_filter(dead.astype(np.float32), 2.5)
    eosin += dead * (0.38 + 0.055 * grain + 0.05 * clouds + 0.06 * broad - eosin)
    hematoxylin += dead * (0.12 + 0.03 * grain + 0.03 * broad + 0.25 * dust - hematoxylin)

    kind = cells.kind[geometry.owner] if len(cells) else np.zeros(shape, np.int16)
    inside = geometry.body | geometry.inner
    fade = np.where(kind <= 1, 1.0, np.clip(1.15 - 0.1 * geometry.away, 0.5, 1.0))
    mottle = 1 + 0.18 * grain + 0.10 * clouds
    body_e, body_h = _BODY_E[kind] * mottle * fade, _BODY_H[kind] * mottle * fade
    eosin = np.where(inside, np.maximum(body_e, 0.5 * eosin + 0.5 * body_e), eosin)
    hematoxylin = np.where(inside, np.maximum(body_h, hematoxylin), hematoxylin)
    between = geometry.epithelium & ~inside
    eosin[between] = (0.26 * mottle)[between]
    hematoxylin[between] = (0.16 * mottle)[between]
    border = geometry.shell & geometry.epithelium
    eosin[border] += 0.05
    _add_vacuoles(plan, cells, eosin, hematoxylin, grain)
    blood = _add_spaces(plan, eosin, hematoxylin, grain, fibres, rng)
    tissue = _soft(plan.niche != GLASS, shape)
    eosin *= tissue
    hematoxylin = hematoxylin * tissue + 0.004
    return (
        np.clip(eosin, 0, None).astype(np.float32),
        np.clip(hematoxylin, 0, None).astype(np.float32),
        blood,
    )


def _soft(mask: NDArray[np.bool_], shape: tuple[int, int]) -> Float:
    """Return a mask on a finer grid with smooth, slightly soft borders."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), 0.9)
    return np.asarray(np.clip(2.2 * (resample(smooth, shape) - 0.5) + 0.5, 0, 1))


def _nearest(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    rows = (np.arange(shape[0]) * image.shape[0]) // shape[0]
    columns = (np.arange(shape[1]) * image.shape[1]) // shape[1]
    result: NDArray[np.uint8] = image[rows][:, columns]
    return result


def fibre_texture(patient: Patient, plan: Architecture, shape: tuple[int, int]) -> Float:
    """Return collagen fibres as a texture of mean 0 and variance about 1 at 1 um per pixel."""
    rng = stream(patient.seed, patient.index, "fibres")
    # Doubled, because a direction and its opposite are the same fibre.
    cosine, sine = np.cos(2 * plan.flow), np.sin(2 * plan.flow)
    doubled = np.arctan2(resample(sine, shape), resample(cosine, shape))
    angle = np.asarray(0.5 * doubled, np.float32)
    fine = tiled(band_texture(rng, _TILE, 0.6, 1.8), shape)
    broad = tiled(band_texture(rng, _TILE, 1.4, 7.0), shape)
    patches = tiled(band_texture(rng, _TILE, 6.0, 14.0), shape)
    wisps = np.float32(0.95) * streaks(fine, angle, 5, 1.3)
    wisps += np.float32(0.45) * streaks(broad, angle, 5, 2.0)
    return np.asarray(wisps * (1 + 0.4 * np.clip(patches, -1.5, 1.5)) + 0.25 * patches)


def _add_vacuoles(
    plan: Architecture, cells: Cells, eosin: Float, hematoxylin: Float, grain: Float
) -> None:
    """Draw the mucin drops of goblet cells, on the lumen's side of the nucleus."""
    chosen = np.flatnonzero(cells.goblet)
    if not len(chosen):
        return
    rows = np.clip((cells.y[chosen] / STEP_UM).astype(int), 0, plan.across.shape[0] - 1)
    columns = np.clip((cells.x[chosen] / STEP_UM).astype(int), 0, plan.across.shape[1] - 1)
    inward = plan.across[rows, columns]
    label = np.zeros(eosin.shape, np.int32)
    depth = np.full(eosin.shape, 9, np.float32)
    push = cells.major[chosen] + 4.4
    stamp(
        label, depth, COARSE_UM,
        cells.x[chosen] + push * np.cos(inward), cells.y[chosen] + push * np.sin(inward),
        np.full(len(chosen), 5.4, np.float32), np.full(len(chosen), 4.0, np.float32), inward,
        cells.phase[chosen], np.full(len(chosen), 0.05, np.float32),
    )  # fmt: skip
    drop = label > 0
    eosin[drop] = 0.03
    hematoxylin[drop] = (0.10 + 0.03 * grain)[drop]


def _add_spaces(
    plan: Architecture,
    eosin: Float,
    hematoxylin: Float,
    grain: Float,
    fibres: Float,
    rng: np.random.Generator,
) -> Float:
    """Draw what fills lumina, vessels and fat; return how much blood there is."""
    shape = eosin.shape
    wall = resample(plan.muscle, shape)
    inside = resample(plan.vessel, shape)
    ring = (inside >= -0.2) & (inside < wall) & (wall > 4)
    eosin[ring] = np.maximum(eosin, 0.42 + 0.06 * grain)[ring]

    wisps = np.clip(0.5 + 0.5 * fibres, 0, 2)
    fillings = (
        (plan.lumen == EMPTY, 0.0, 0.0),
        (plan.lumen == MUCIN, 0.03 + 0.03 * wisps, 0.07 + 0.09 * wisps),
        (plan.lumen == DEBRIS, 0.40 + 0.14 * grain, 0.16 + 0.11 * grain),
    )
    for where, eosin_there, hematoxylin_there in fillings:
        if where.any():
            share = _soft(where, shape)
            eosin += share * (eosin_there - eosin)
            hematoxylin += share * (hematoxylin_there - hematoxylin)
    lumen = np.clip(0.5 - inside, 0, 1)
    fat = np.clip(resample(plan.fat, shape) - 1.2, 0, 1)
    for space in (lumen, fat):
        eosin *= 1 - space
        hematoxylin *= 1 - space
    discs = np.clip(0.9 + 0.35 * tiled(band_texture(rng, _TILE, 1.3, 3.2), shape), 0.3, 1.3)
    return np.asarray(lumen * discs * resample(plan.blood.astype(np.float32), shape))


def _add_nuclei(
    patient: Patient,
    cells: Cells,
    geometry: Geometry,
    eosin: Float,
    hematoxylin: Float,
    rng: np.random.Generator,
) -> None:
    hit = np.flatnonzero(geometry.nucleus.ravel())
    if not len(hit):
        return
    cell = geometry.nucleus.ravel()[hit] - 1
    rho = geometry.depth.ravel()[hit]
    kind = cells.kind[cell]
    shape = geometry.nucleus.shape
    rows, columns = np.divmod(hit, shape[1])
    fine = band_texture(rng, _TILE, 0.8, 2.2)
    clumps = band_texture(rng, _TILE, 1.6, 4.0)
    own = cells.identity[cell]
    at = ((rows + 7 * own) % _TILE, (columns + 13 * own) % _TILE)
    open_chromatin = np.isin(
        kind, [type_index(name) for name in ("tumour epithelium", "macrophage M1", "macrophage M2")]
    )
    contrast = np.where(open_chromatin, 0.22, 0.15).astype(np.float32)
    centre = np.where(open_chromatin, 0.80, 0.95).astype(np.float32)
    texture = 1 + contrast * (0.7 * fine[at] + 0.7 * clumps[at])
    edge = np.clip((1 - rho) / 0.16, 0, 1)
    rim = centre + (1.08 - centre) * rho**3
    density = _NUCLEAR[kind] * cells.shade[cell] * texture * rim
    nucleolus = open_chromatin & (int(patient.clinical["grade"][1]) >= 2)
    spot = np.hypot(rho, 0) < 0.2 + 0.05 * np.sin(cells.phase[cell])
    density = density * np.where(nucleolus & spot & (np.cos(3 * cells.phase[cell]) > 0), 1.45, 1.0)
    flat_h, flat_e = hematoxylin.ravel(), eosin.ravel()
    flat_h[hit] = flat_h[hit] * (1 - 0.6 * edge) + density * edge
    flat_e[hit] *= 1 - 0.45 * edge
