"""Where things are in the tissue: niches, glands, vessels, fat, fibres and glass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_haiku.simulation.fields import Float, resample, smooth_field
from napari_haiku.simulation.randomness import stream
from napari_haiku.simulation.vocabulary import GLASS, NICHES, niche_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.simulation.record import Patient

STEP_UM = 2.0
EMPTY, MUCIN, DEBRIS = 1, 2, 3

_TUMOUR, _MARGIN, _STROMA = map(niche_index, ("tumour", "tumour margin", "stroma"))
_IMMUNE, _VASCULAR = map(niche_index, ("immune aggregate", "vessel-rich stroma"))
_NECROSIS, _NORMAL, _FAT = map(niche_index, ("necrosis", "normal epithelium", "fat or lumen"))


@dataclass(frozen=True)
class Vessel:
    """One vessel cut across: centre, semi-axes and thickness in um, angle in radians.

    `number` is its place among all places that were tried, kept or not.
    """

    x: float
    y: float
    major: float
    minor: float
    angle: float
    wall: float
    filled: bool
    number: int


@dataclass(frozen=True)
class Architecture:
    """The tissue's plan on a grid of :data:`STEP_UM`; all maps are (rows, columns).

    Parameters
    ----------
    niche : ndarray of uint8
        Number of the niche, or GLASS.
    epithelium : ndarray of uint8
        0 none, 1 tumour, 2 normal.
    wall : ndarray of float32
        Distance to the epithelium's outer border in um, positive inside,
        negative outside.
    across : ndarray of float32
        Angle that points from the border inwards, in radians.
    lumen : ndarray of uint8
        0 none, else EMPTY, MUCIN or DEBRIS.
    flow : ndarray of float32
        Direction of fibres, radians.
    vessel : ndarray of float32
        Distance to the nearest vessel's inner wall in um, negative inside.
    blood : ndarray of bool
        Inside a vessel that is filled with red cells.
    muscle : ndarray of float32
        Thickness of that vessel's wall in um.
    fat : ndarray of float32
        Distance to the nearest fat-cell membrane in um where there is fat, else 0.
    collagen : ndarray of float32
        How much of the stroma is dense collagen, 0 to 1.
    core : ndarray of float32
        How central a place of an immune aggregate is, 0 at its rim.
    vessels : tuple of Vessel
        The vessels.
    vessels_tried : int
        How many places were tried for a vessel.
    """

    niche: NDArray[np.uint8]
    epithelium: NDArray[np.uint8]
    wall: Float
    across: Float
    lumen: NDArray[np.uint8]
    flow: Float
    vessel: Float
    blood: NDArray[np.bool_]
    muscle: Float
    fat: Float
    collagen: Float
    core: Float
    vessels: tuple[Vessel, ...]
    vessels_tried: int


def plan_tissue(patient: Patient, field_um: tuple[float, float]) -> Architecture:
    """Lay out one patient's tissue.

    Parameters
    ----------
    patient : Patient
        Whose tissue.
    field_um : tuple of float
        Width and height in um.
    """
    shape = (round(field_um[1] / STEP_UM), round(field_um[0] / STEP_UM))
    tissue = _tissue(patient, shape)
    niche = _niches(patient, shape)
    epithelium, lumen, wall, across = _epithelium(patient, niche, tissue)
    free = tissue & (epithelium == 0) & (lumen == 0)
    vessels, vessel, blood, muscle = _vessels(patient, niche, free)
    flow = _flow(patient, wall, shape)
    fat = _fat(patient, niche, free & (vessel > 4))
    bundles = smooth_field(stream(patient.seed, patient.index, "collagen"), shape, STEP_UM, 45)
    collagen = 1 / (1 + np.exp(-1.8 * bundles - 0.4 * (niche == _MARGIN)))
    core = ndimage.distance_transform_edt(niche == _IMMUNE).astype(np.float32) * STEP_UM
    lumen[~tissue] = 0
    epithelium[~tissue] = 0
    return Architecture(
        niche=np.where(tissue, niche, GLASS).astype(np.uint8),
        epithelium=epithelium,
        wall=wall,
        across=across,
        lumen=lumen,
        flow=flow,
        vessel=vessel,
        blood=blood,
        muscle=muscle,
        fat=fat,
        collagen=collagen.astype(np.float32),
        core=core,
        vessels=vessels,
        vessels_tried=_vessel_places(shape),
    )


def _tissue(patient: Patient, shape: tuple[int, int]) -> NDArray[np.bool_]:
    rng = stream(patient.seed, patient.index, "outline")
    height, width = shape
    large = min(shape) * STEP_UM >= 1200
    # A small field keeps most of its tissue: its border is smaller too.
    small = min(1.0, (min(shape) * STEP_UM / 500) ** 2)
    low, high = (70.0, 150.0) if large else (-90.0, 45.0 * small)
    left, right, top, bottom = rng.uniform(low, high, 4)
    x = (np.arange(width) + 0.5) * STEP_UM
    y = ((np.arange(height) + 0.5) * STEP_UM)[:, None]
    inside = np.minimum(
        np.minimum(x - left, width * STEP_UM - right - x),
        np.minimum(y - top, height * STEP_UM - bottom - y),
    )
    corner = 0.25 if large else 0.1
    reach = corner * min(shape) * STEP_UM
    horizontal = np.minimum(x - left, width * STEP_UM - right - x)
    vertical = np.minimum(y - top, height * STEP_UM - bottom - y)
    bite = np.hypot(np.clip(reach - horizontal, 0, None), np.clip(reach - vertical, 0, None))
    inside = np.minimum(inside, reach - bite)
    rough = 38 * smooth_field(rng, shape, STEP_UM, 110) + 9 * smooth_field(rng, shape, STEP_UM, 16)
    tissue: NDArray[np.bool_] = inside + small * rough > 0
    tear = np.abs(smooth_field(rng, shape, STEP_UM, 60))
    where = smooth_field(rng, shape, STEP_UM, 120)
    return tissue & ~((tear < 0.035) & (where > 1.4))


def _niches(patient: Patient, shape: tuple[int, int]) -> NDArray[np.uint8]:
    logits = patient.area_logits()
    best = np.full(shape, -np.inf, np.float32)
    niche = np.zeros(shape, np.uint8)
    for number in range(len(NICHES)):
        if number == _MARGIN:
            continue
        rng = stream(patient.seed, patient.index, "niche", number)
        scale = 62 if number == _IMMUNE else 85
        score = smooth_field(rng, shape, STEP_UM, scale) + np.float32(0.7 * logits[number])
        score += 0.22 * smooth_field(rng, shape, STEP_UM, 13)
        better = score > best
        best[better] = score[better]
        niche[better] = number
    tumour = niche == _TUMOUR
    away = ndimage.distance_transform_edt(~tumour) * STEP_UM if tumour.any() else None
    if away is not None:
        width = 55 * np.exp(0.3 * patient.log_area.get("tumour margin", 0.0))
        niche[((niche == _STROMA) | (niche == _VASCULAR)) & (away < width)] = _MARGIN
    return niche


def _epithelium(
    patient: Patient, niche: NDArray[np.uint8], tissue: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Float, Float]:
    tumour = _tumour_clusters(patient, niche) & tissue
    crypts = _crypts(patient, niche) & tissue & ~ndimage.binary_dilation(tumour, iterations=4)
    body = tumour | crypts
    inside = ndimage.distance_transform_edt(body) * STEP_UM
    outside = ndimage.distance_transform_edt(~body) * STEP_UM
    wall = ndimage.gaussian_filter((inside - outside).astype(np.float32), 1.0)
    down, across = np.gradient(ndimage.gaussian_filter(wall, 2.0))
    angle = np.arctan2(down, across).astype(np.float32)

    rng = stream(patient.seed, patient.index, "lumina")
    grade = int(patient.clinical["grade"][1])
    thick = (28 + 4 * grade) * np.exp(0.22 * smooth_field(rng, niche.shape, STEP_UM, 30))
    holes = smooth_field(rng, niche.shape, STEP_UM, 9)
    lumen = np.zeros(niche.shape, np.uint8)
    open_tumour = tumour & (wall > thick)
    if not patient.glandular:
        open_tumour &= holes > 2.2
    else:
        open_tumour |= tumour & (wall > 13) & (holes > 2.4 - 0.2 * grade)
    open_normal = crypts & (wall > 19)
    content = resample(
        smooth_field(rng, (niche.shape[0] // 8 + 2, niche.shape[1] // 8 + 2), 16, 30), niche.shape
    )
    filling = np.where(content > 0.8, DEBRIS, np.where(content > -0.3, MUCIN, EMPTY))
    colon = patient.clinical["tissue_type"] == "Colon/Rectum"
    if not colon:
        filling = np.where(filling == MUCIN, EMPTY, filling)
    lumen[open_tumour] = filling[open_tumour]
    lumen[open_normal] = MUCIN if colon else EMPTY
    kind = np.where(tumour, 1, np.where(crypts, 2, 0)).astype(np.uint8)
    kind[lumen > 0] = 0
    retraction = (wall < 0) & (wall > -3.2) & (smooth_field(rng, niche.shape, STEP_UM, 25) > 1.6)
    lumen[retraction & tissue] = EMPTY
    return kind, lumen, wall, angle


def _tumour_clusters(patient: Patient, niche: NDArray[np.uint8]) -> NDArray[np.bool_]:
    rng = stream(patient.seed, patient.index, "glands")
    grade = int(patient.clinical["grade"][1])
    scale = (30 - 3 * grade) if patient.glandular else (26 - 4 * grade)
    pattern = smooth_field(rng, niche.shape, STEP_UM, scale)
    pattern += 0.35 * smooth_field(rng, niche.shape, STEP_UM, scale / 3)
    within = ndimage.gaussian_filter((niche == _TUMOUR).astype(np.float32), 5)
    clusters = pattern > (0.75 - 1.15 * within - 0.1 * grade)
    clusters &= within > 0.25
    clusters = ndimage.binary_opening(clusters, iterations=3)
    return np.asarray(clusters)


def _crypts(patient: Patient, niche: NDArray[np.uint8]) -> NDArray[np.bool_]:
    rng = stream(patient.seed, patient.index, "crypts")
    height, width = niche.shape
    pitch = 92.0
    bend = (
        14 * smooth_field(rng, niche.shape, STEP_UM, 90),
        14 * smooth_field(rng, niche.shape, STEP_UM, 90),
    )
    angle = rng.uniform(0, np.pi)
    y, x = np.indices((height, width), dtype=np.float32) * np.float32(STEP_UM)
    x, y = x + bend[0], y + bend[1]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = (-x * np.sin(angle) + y * np.cos(angle)) / 0.87
    row = np.round(across / pitch)
    u = along / pitch - 0.5 * (row % 2)
    distance = np.hypot(u - np.round(u), (across / pitch - row) * 0.87) * pitch
    size = 34 + 4 * smooth_field(rng, niche.shape, STEP_UM, 40)
    clear = ndimage.distance_transform_edt(niche == _NORMAL) * STEP_UM > 6
    return np.asarray((distance < size) & clear)


def _vessel_places(shape: tuple[int, ...]) -> int:
    return int(200e-6 * shape[0] * shape[1] * STEP_UM**2)


def _vessels(
    patient: Patient, niche: NDArray[np.uint8], free: NDArray[np.bool_]
) -> tuple[tuple[Vessel, ...], Float, NDArray[np.bool_], Float]:
    rng = stream(patient.seed, patient.index, "vessels")
    height, width = niche.shape
    rate = np.full(len(NICHES), 8.0)
    rate[[_VASCULAR, _MARGIN, _STROMA, _IMMUNE, _NORMAL]] = 150, 45, 22, 45, 25
    count = _vessel_places(niche.shape)
    rows = (rng.random(count) * height).astype(int)
    columns = (rng.random(count) * width).astype(int)
    radius = np.clip(rng.lognormal(np.log(7.5), 0.5, count), 3.5, 30)
    stretch = rng.uniform(1.0, 2.4, count)
    angle = rng.uniform(0, np.pi, count)
    keep = rng.random(count) * 200
    filled = rng.random(count) < 0.55
    room = ndimage.distance_transform_edt(free) * STEP_UM
    distance = np.full(niche.shape, 99.0, np.float32)
    blood = np.zeros(niche.shape, bool)
    muscle = np.zeros(niche.shape, np.float32)
    vessels = []
    for number, (row, column, size, long, turn, luck, full) in enumerate(
        zip(rows, columns, radius, stretch, angle, keep, filled, strict=True)
    ):
        wall = 2.5 + 0.35 * size
        if luck > rate[niche[row, column]] or room[row, column] < size + wall * 0.6:
            continue
        major = min(size * long, room[row, column])
        reach = int((major + 30) / STEP_UM)
        top, left = max(0, row - reach), max(0, column - reach)
        view = np.s_[top : row + reach + 1, left : column + reach + 1]
        if distance[row, column] < size + 8:
            continue
        y, x = np.indices(distance[view].shape, dtype=np.float32)
        y, x = (y + top - row) * STEP_UM, (x + left - column) * STEP_UM
        u = (x * np.cos(turn) + y * np.sin(turn)) / major
        v = (-x * np.sin(turn) + y * np.cos(turn)) / size
        away = ((np.hypot(u, v) - 1) * size).astype(np.float32)
        closer = away < distance[view]
        distance[view][closer] = away[closer]
        muscle[view][closer] = wall
        blood[view] |= (away < 0) & full
        vessels.append(
            Vessel(
                x=(column + 0.5) * STEP_UM,
                y=(row + 0.5) * STEP_UM,
                major=major,
                minor=size,
                angle=turn,
                wall=wall,
                filled=bool(full),
                number=number,
            )
        )
    return tuple(vessels), distance, blood, muscle


def _flow(patient: Patient, wall: Float, shape: tuple[int, int]) -> Float:
    rng = stream(patient.seed, patient.index, "flow")
    turn = rng.uniform(0, np.pi) + 0.9 * smooth_field(rng, shape, STEP_UM, 130)
    turn += 0.28 * smooth_field(rng, shape, STEP_UM, 22)
    # Directions have no sign, so they are mixed at twice their angle.
    down, across = np.gradient(ndimage.gaussian_filter(wall, 3.0))
    along = np.arctan2(down, across) + np.pi / 2
    near = 1.6 * np.exp(-np.clip(-wall, 0, None) / 22) * (wall > -60)
    sine = np.sin(2 * turn) + near * np.sin(2 * along)
    cosine = np.cos(2 * turn) + near * np.cos(2 * along)
    doubled = np.arctan2(ndimage.gaussian_filter(sine, 2.0), ndimage.gaussian_filter(cosine, 2.0))
    return np.asarray(0.5 * doubled, np.float32)


def _fat(patient: Patient, niche: NDArray[np.uint8], free: NDArray[np.bool_]) -> Float:
    where = (niche == _FAT) & free
    if not where.any():
        return np.zeros(niche.shape, np.float32)
    rng = stream(patient.seed, patient.index, "fat")
    pitch = int(58 / STEP_UM)
    height, width = niche.shape
    rows = np.arange(pitch // 2, height + pitch, pitch)
    columns = np.arange(pitch // 2, width + pitch, pitch)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    y = np.clip(y + rng.integers(-pitch // 3, pitch // 3, y.shape), 0, height - 1)
    x = np.clip(x + rng.integers(-pitch // 3, pitch // 3, x.shape), 0, width - 1)
    seeds = np.ones(niche.shape, bool)
    seeds[y, x] = False
    nearest = ndimage.distance_transform_edt(seeds, return_distances=False, return_indices=True)
    owner = nearest[0] * width + nearest[1]
    edge = np.zeros(niche.shape, bool)
    edge[:-1] |= owner[:-1] != owner[1:]
    edge[:, :-1] |= owner[:, :-1] != owner[:, 1:]
    depth = ndimage.distance_transform_edt(where & ~edge) * STEP_UM
    return np.where(where, depth, 0).astype(np.float32)
