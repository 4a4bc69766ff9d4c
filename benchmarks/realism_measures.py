"""What is measured on a piece of tissue, real or virtual, at the same pixel size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.color import rgb2hed
from skimage.feature import peak_local_max

from napari_haiku.analysis.biomarkers.hand_made_features import hand_made_features
from napari_haiku.analysis.biomarkers.yardstick import measure_yardstick

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXEL_UM = 1.3
PATCH_PX = 77
_LEAST_TISSUE = 0.5
# A nucleus is a peak of haematoxylin, smoothed to the size of the smallest nuclei.
_NUCLEUS_SIGMA_PX, _NUCLEUS_APART_PX, _NUCLEUS_DARK = 1.2, 3, 0.055
# A nucleus is clearly positive where the mean over 6.5 um around it exceeds this, of 255.
_AROUND_PX, _POSITIVE = 5, 60.0


@dataclass(frozen=True)
class Piece:
    """One registered piece of tissue.

    Parameters
    ----------
    he : ndarray of uint8, (y, x, 3)
        H&E at PIXEL_UM.
    mif : dict of str to ndarray, (y, x)
        Each marker at PIXEL_UM.
    tissue : ndarray of bool, (y, x)
        Where there is tissue.
    dark : dict of str to float
        Share of tissue pixels that are exactly zero in the file, by marker.
    group : str
        What must not be split between fitting and testing: a patient, a block.
    fit : bool or None
        Whether regressions are fitted on it, tested on it (False), or neither.
    """

    he: NDArray[np.uint8]
    mif: dict[str, NDArray[np.float32]]
    tissue: NDArray[np.bool_]
    dark: dict[str, float]
    group: str
    fit: bool | None


@dataclass(frozen=True)
class Patches:
    """Patches of 100 um that are at least half tissue.

    Parameters
    ----------
    features : ndarray, (n, 23)
        Hand-made features of the H&E.
    means : ndarray, (n, markers)
        Mean of each marker.
    nuclei : ndarray, (n,)
        Nuclei found.
    group : ndarray of str, (n,)
        Group of each patch's piece.
    fit : ndarray of float, (n,)
        1 fitted on, 0 tested on, NaN neither.
    """

    features: NDArray[np.float32]
    means: NDArray[np.float32]
    nuclei: NDArray[np.int64]
    group: NDArray[np.str_]
    fit: NDArray[np.float64]


def measure(pieces: list[Piece], markers: list[str]) -> tuple[dict[str, float], Patches]:
    """Return every quantity of the table by name, and the patches."""
    pixels, dye, nearest, positive, patches = [], [], [], [], []
    area, found = 0.0, 0
    for piece in pieces:
        hematoxylin = rgb2hed(piece.he)[..., 0].astype(np.float32)
        pixels.append(piece.he[piece.tissue][::7])
        dye.append(hematoxylin[piece.tissue][::7])
        nuclei = find_nuclei(hematoxylin, piece.tissue)
        area += piece.tissue.sum() * PIXEL_UM**2 * 1e-6
        found += len(nuclei)
        if len(nuclei) > 1:
            nearest.append(cKDTree(nuclei).query(nuclei, k=2)[0][:, 1] * PIXEL_UM)
            positive.append(_positive(piece, nuclei, markers))
        patches.append(_patches(piece, nuclei, markers))
    table = _spread("H&E red", np.concatenate(pixels)[:, 0], (5, 50, 95))
    table |= _spread("H&E green", np.concatenate(pixels)[:, 1], (5, 50, 95))
    table |= _spread("H&E blue", np.concatenate(pixels)[:, 2], (5, 50, 95))
    table |= _spread("haematoxylin", np.concatenate(dye), (5, 25, 50, 75, 95))
    table["nuclei per mm2"] = found / area
    table |= _spread("nearest nucleus, um", np.concatenate(nearest), (5, 50, 95))
    joined = _joined(patches)
    table |= _spread("nuclei per patch", joined.nuclei, (5, 25, 50, 75, 95))
    weight = [piece.tissue.sum() for piece in pieces]
    for name in markers:
        share = np.average([piece.dark[name] for piece in pieces], weights=weight)
        table[f"exactly zero, {name}"] = float(share)
    shares = np.concatenate(positive).mean(axis=0)
    table |= {f"nuclei positive, {name}": float(s) for name, s in zip(markers, shares, strict=True)}
    r = np.corrcoef(joined.means.T)
    for anchor in ("CD3e", "PanCK"):
        for name in markers:
            if name != anchor:
                at = markers.index(anchor), markers.index(name)
                table[f"r with {anchor}, {name}"] = float(r[at])
    return table, joined


def visible(patches: Patches, markers: list[str]) -> dict[str, float]:
    """Return how well hand-made H&E features tell each marker: the better of two regressions."""
    fit, test = patches.fit == 1, patches.fit == 0
    result = measure_yardstick(
        patches.features[fit], patches.means[fit], patches.features[test], patches.means[test],
        markers,
    )  # fmt: skip
    return {name: max(result.ridge_r[name], result.neighbours_r[name]) for name in markers}


def find_nuclei(hematoxylin: NDArray[np.float32], tissue: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return rows and columns of nuclei in a haematoxylin picture."""
    smooth = ndimage.gaussian_filter(hematoxylin, _NUCLEUS_SIGMA_PX)
    found: NDArray[np.int64] = peak_local_max(
        np.where(tissue, smooth, 0),
        min_distance=_NUCLEUS_APART_PX,
        threshold_abs=_NUCLEUS_DARK,
        exclude_border=False,
    )
    return found


def _positive(piece: Piece, nuclei: NDArray[np.int64], markers: list[str]) -> NDArray[np.bool_]:
    columns = []
    for name in markers:
        around = ndimage.uniform_filter(piece.mif[name], _AROUND_PX)
        columns.append(around[nuclei[:, 0], nuclei[:, 1]] > _POSITIVE)
    return np.column_stack(columns)


def _patches(piece: Piece, nuclei: NDArray[np.int64], markers: list[str]) -> Patches:
    rows, columns = (side // PATCH_PX for side in piece.tissue.shape)
    tissue = _means(piece.tissue.astype(np.float32))
    kept = tissue.ravel() >= _LEAST_TISSUE
    cut = piece.he[: rows * PATCH_PX, : columns * PATCH_PX]
    cut = cut.reshape(rows, PATCH_PX, columns, PATCH_PX, 3).swapaxes(1, 2)
    pictures = cut.reshape(-1, PATCH_PX, PATCH_PX, 3)[kept]
    at = nuclei // PATCH_PX
    inside = (at[:, 0] < rows) & (at[:, 1] < columns)
    count = np.bincount(at[inside, 0] * columns + at[inside, 1], minlength=rows * columns)
    means = np.column_stack([_means(piece.mif[name]).ravel() for name in markers])
    fit = np.nan if piece.fit is None else float(piece.fit)
    return Patches(
        features=hand_made_features(pictures, PIXEL_UM),
        means=means[kept],
        nuclei=count[kept],
        group=np.full(int(kept.sum()), piece.group),
        fit=np.full(int(kept.sum()), fit),
    )


def _means(image: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = (side // PATCH_PX for side in image.shape)
    cut = image[: rows * PATCH_PX, : columns * PATCH_PX]
    result: NDArray[np.float32] = cut.reshape(rows, PATCH_PX, columns, PATCH_PX).mean((1, 3))
    return result


def _joined(patches: list[Patches]) -> Patches:
    columns = ("features", "means", "nuclei", "group", "fit")
    return Patches(*(np.concatenate([getattr(p, name) for p in patches]) for name in columns))


def _spread(
    name: str, values: NDArray[np.generic], percentiles: tuple[int, ...]
) -> dict[str, float]:
    found = np.percentile(values, percentiles)
    return {f"{name}, {p} %": float(v) for p, v in zip(percentiles, found, strict=True)}
