"""Which pixel belongs to which cell: nuclei, bodies and membranes, shared by both renderings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_haiku.simulation.fields import Float, resample
from napari_haiku.simulation.vocabulary import CELL_TYPES, type_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.simulation.architecture import Architecture
    from napari_haiku.simulation.cells import Cells

FINE_UM = 0.5
COARSE_UM = 1.0

# How far the cell's body reaches beyond its nucleus, um.
_REACH: dict[str, float] = {
    "tumour epithelium": 9.0, "normal epithelium": 14.0, "fibroblast": 2.4, "myofibroblast": 3.2,
    "endothelium": 1.7, "CD8 T": 1.9, "CD4 T": 1.9, "Treg": 1.9, "B": 1.9, "plasma": 3.4,
    "macrophage M1": 4.4, "macrophage M2": 4.4, "neutrophil": 2.2, "dendritic": 4.0, "mast": 3.4,
    "nerve": 3.0,
}  # fmt: skip
REACH = np.array([_REACH[name] for name in CELL_TYPES], np.float32)
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Geometry:
    """Pixels of the cells.

    Parameters
    ----------
    nucleus : ndarray of int32, fine grid
        Cell number plus 1 where there is a nucleus, else 0.
    depth : ndarray of float32, fine grid
        0 at a nucleus's centre, 1 at its outline; 9 where there is none.
    owner : ndarray of int32, coarse grid
        Number of the nearest cell.
    away : ndarray of float32, coarse grid
        Distance to that cell's nucleus in um.
    inner : ndarray of bool, coarse grid
        Inside a nucleus.
    body : ndarray of bool, coarse grid
        Inside a cell, outside its nucleus.
    shell : ndarray of bool, coarse grid
        On a cell's membrane.
    epithelium : ndarray of bool, coarse grid
        Inside an epithelium.
    """

    nucleus: NDArray[np.int32]
    depth: Float
    owner: NDArray[np.int32]
    away: Float
    inner: NDArray[np.bool_]
    body: NDArray[np.bool_]
    shell: NDArray[np.bool_]
    epithelium: NDArray[np.bool_]


def draw_geometry(plan: Architecture, cells: Cells, field_um: tuple[float, float]) -> Geometry:
    """Draw the outlines of all cells.

    Parameters
    ----------
    plan : Architecture
        Where epithelium is.
    cells : Cells
        The cells.
    field_um : tuple of float
        Width and height in um.
    """
    fine = (round(field_um[1] / FINE_UM), round(field_um[0] / FINE_UM))
    coarse = (round(field_um[1] / COARSE_UM), round(field_um[0] / COARSE_UM))
    nucleus = np.zeros(fine, np.int32)
    depth = np.full(fine, 9, np.float32)
    wobble = np.where(cells.kind == type_index("neutrophil"), 0.22, 0.06).astype(np.float32)
    stamp(
        nucleus, depth, FINE_UM, cells.x, cells.y, cells.major, cells.minor, cells.angle,
        cells.phase, wobble,
    )  # fmt: skip
    label = nucleus[: coarse[0] * 2 : 2, : coarse[1] * 2 : 2]
    if not (label > 0).any():
        owner = np.zeros(coarse, np.int32)
        away = np.full(coarse, 99, np.float32)
    else:
        far, nearest = ndimage.distance_transform_edt(label == 0, return_indices=True)
        owner = label[nearest[0], nearest[1]] - 1
        away = far.astype(np.float32)
    epithelium = resample((plan.epithelium > 0).astype(np.float32), coarse) > 0.5
    kind = cells.kind[owner] if len(cells) else np.zeros(coarse, np.int16)
    spindle = _spindles(cells, coarse, owner, (label > 0) | epithelium)
    kind = cells.kind[owner] if len(cells) else kind
    lining = kind <= type_index("normal epithelium")
    inner = label > 0
    body = ((away < REACH[kind]) | spindle) & ~inner
    body &= np.where(lining, epithelium, True)
    return Geometry(
        nucleus=nucleus,
        depth=depth,
        owner=owner,
        away=away,
        inner=inner,
        body=body,
        shell=_shell(owner, body, inner, kind),
        epithelium=epithelium,
    )


def _spindles(
    cells: Cells,
    shape: tuple[int, int],
    owner: NDArray[np.int32],
    taken: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Give spindle cells their long bodies: changes `owner` in place, returns where."""
    names = ("fibroblast", "myofibroblast", "endothelium", "nerve")
    chosen = np.flatnonzero(np.isin(cells.kind, [type_index(name) for name in names]))
    label = np.zeros(shape, np.int32)
    if len(chosen):
        depth = np.full(shape, 9, np.float32)
        wide = np.where(cells.kind[chosen] == type_index("myofibroblast"), 2.1, 1.5)
        stamp(
            label, depth, COARSE_UM, cells.x[chosen], cells.y[chosen],
            cells.major[chosen] * np.float32(2.5), cells.minor[chosen] * wide.astype(np.float32),
            cells.angle[chosen], cells.phase[chosen], np.full(len(chosen), 0.04, np.float32),
        )  # fmt: skip
    found = (label > 0) & ~taken
    owner[found] = chosen[label[found] - 1]
    return np.asarray(found)


def _shell(
    owner: NDArray[np.int32],
    body: NDArray[np.bool_],
    inner: NDArray[np.bool_],
    kind: NDArray[np.int16],
) -> NDArray[np.bool_]:
    cell = body | inner
    between = np.zeros(owner.shape, bool)
    between[:-1] |= owner[:-1] != owner[1:]
    between[:, :-1] |= owner[:, :-1] != owner[:, 1:]
    edge = cell & ~ndimage.binary_erosion(cell)
    small = np.isin(kind, [type_index(name) for name in ("CD8 T", "CD4 T", "Treg", "B")])
    return np.asarray((between & cell) | edge | (small & body))


def stamp(
    label: NDArray[np.int32],
    depth: Float,
    pixel_um: float,
    x: Float,
    y: Float,
    major: Float,
    minor: Float,
    angle: Float,
    phase: Float,
    wobble: Float,
) -> None:
    """Draw irregular ellipses into `label` (number plus 1) and `depth`, in place.

    Parameters
    ----------
    label, depth : ndarray
        Images drawn into; a pixel keeps the ellipse whose centre is closest.
    pixel_um : float
        Size of a pixel.
    x, y, major, minor, angle : ndarray, (n,)
        Centres and semi-axes in um, directions in radians.
    phase, wobble : ndarray, (n,)
        Where and how strongly the outline departs from an ellipse.
    """
    height, width = label.shape
    flat_label, flat_depth = label.ravel(), depth.ravel()
    reach = np.ceil(np.maximum(major, minor) * (1 + 2 * wobble) / pixel_um + 1).astype(int)
    order = np.argsort(reach, kind="stable")
    start = 0
    while start < len(order):
        # Cells of like size share a window, so that little is drawn in vain.
        limit = max(reach[order[start]] * 5 // 4, reach[order[start]] + 2)
        most = max(1, _CHUNK // (2 * limit + 1) ** 2)
        stop = min(start + most, int(np.searchsorted(reach[order], limit, side="right")))
        chosen = order[start:stop]
        half = int(reach[chosen].max())
        start = stop
        span = np.arange(-half, half + 1)
        column = np.floor(x[chosen] / pixel_um).astype(int)[:, None, None] + span
        row = np.floor(y[chosen] / pixel_um).astype(int)[:, None, None] + span[:, None]
        dx = (column + 0.5) * pixel_um - x[chosen, None, None]
        dy = (row + 0.5) * pixel_um - y[chosen, None, None]
        cos = np.cos(angle[chosen])[:, None, None]
        sin = np.sin(angle[chosen])[:, None, None]
        u = ((dx * cos + dy * sin) / major[chosen, None, None]).astype(np.float32)
        v = ((dy * cos - dx * sin) / minor[chosen, None, None]).astype(np.float32)
        radius = np.hypot(u, v) + np.float32(1e-6)
        c, s = u / radius, v / radius
        bend = wobble[chosen, None, None]
        turn = phase[chosen, None, None]
        outline = 1 + bend * (
            (c * c - s * s) * np.cos(turn)
            - 2 * c * s * np.sin(turn)
            + (4 * c**3 - 3 * c) * np.cos(2 * turn)
        )
        rho = radius / outline
        hit = (rho < 1) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
        place = (row * width + column)[hit]
        value = rho[hit]
        number = np.broadcast_to(chosen[:, None, None] + 1, hit.shape)[hit]
        better = value < flat_depth[place]
        flat_depth[place[better]] = value[better]
        flat_label[place[better]] = number[better]
