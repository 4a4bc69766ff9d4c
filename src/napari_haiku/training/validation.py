"""How well matching patches of patients kept out of training find each other."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_haiku.clinical import caption
from napari_haiku.model.compact.preprocessing import he_normalise
from napari_haiku.training.sampler import MIN_TISSUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.model.compact.caption_reader import CaptionReader
    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.training.tissue_cache import CachedSlide


def validate(
    network: CompactNetwork,
    reader: CaptionReader | None,
    slides: list[CachedSlide],
    limit: int = 1000,
) -> dict[str, float]:
    """Rank the true counterpart of every patch among all patches kept out.

    Parameters
    ----------
    network : CompactNetwork
    reader : CaptionReader or None
        None leaves captions out.
    slides : list of CachedSlide
    limit : int
        Most patches.

    Returns
    -------
    dict
        ``patches`` and, for each direction such as ``he->mif``, recall at 1, 10
        and 50. From text, any patch of the right patient counts; to text,
        the gallery is one caption a patient.
    """
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    vectors, patients = _encode(network, reader, slides, limit)
    for part, training in modes:
        part.training = training
    return recall(vectors, patients)


def recall(vectors: dict[str, NDArray[np.float32]], patients: NDArray[np.str_]) -> dict[str, float]:
    """Recall of each direction between unit vectors of the same patches; see :func:`validate`."""
    figures: dict[str, float] = {"patches": float(len(patients))}
    first = np.unique(patients, return_index=True)[1]
    for query, target in permutations(sorted(vectors), 2):
        # A caption is the patient's, not the patch's: it stands in the gallery once.
        columns = first if target == "text" else np.arange(len(patients))
        if "text" in (query, target):
            same = patients[:, None] == patients[columns][None]
        else:
            same = np.eye(len(patients), dtype=bool)
        scores = vectors[query] @ vectors[target][columns].T
        best = np.where(same, scores, -np.inf).max(1, keepdims=True)
        rank = (np.where(same, -np.inf, scores) > best).sum(1)
        for k in (1, 10, 50):
            figures[f"{query}->{target} R@{k}"] = float((rank < k).mean())
    return figures


def _encode(
    network: CompactNetwork, reader: CaptionReader | None, slides: list[CachedSlide], limit: int
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.str_]]:
    config = network.config
    side = config.patch_px // config.cell_px
    per_slide = max(1, limit // max(1, len(slides)))
    found: dict[str, list[NDArray[np.float32]]] = {}
    patients: list[str] = []
    with torch.inference_mode():
        for slide in slides:
            corners = _corners(slide, side)[:per_slide]
            if not len(corners):
                continue
            patients += [slide.patient_id] * len(corners)
            for name, rows in _slide_vectors(network, reader, slide, corners).items():
                found.setdefault(name, []).append(rows)
    return {name: np.concatenate(parts) for name, parts in found.items()}, np.array(patients)


def _slide_vectors(
    network: CompactNetwork,
    reader: CaptionReader | None,
    slide: CachedSlide,
    corners: NDArray[np.int64],
) -> dict[str, NDArray[np.float32]]:
    side = network.config.patch_px // network.config.cell_px
    device = network.mif.summary.device
    out = {}
    if slide.he is not None:
        he = np.stack([slide.he_patch(r, c, side) for r, c in corners])
        image = he_normalise(torch.from_numpy(he).permute(0, 3, 1, 2).float() / 255)
        out["he"] = network.embed_he(image.to(device)).cpu().numpy()
    if slide.cells is not None:
        cells = np.stack([slide.cells[:, :, r : r + side, c : c + side] for r, c in corners])
        tensor = torch.from_numpy(cells.astype(np.float32))
        ranges = None if slide.scaling is None else torch.from_numpy(slide.scaling.log_range)
        ids = network.marker_ids(slide.markers)
        ranges = None if ranges is None else ranges.to(device)
        out["mif"] = network.embed_mif(tensor.to(device), ids, ranges).cpu().numpy()
    if reader is not None:
        features = torch.from_numpy(reader.read([caption(slide.record)]))
        out["text"] = np.repeat(
            network.embed_text(features.to(device)).cpu().numpy(), len(corners), 0
        )
    return out


def _corners(slide: CachedSlide, side: int) -> NDArray[np.int64]:
    rows, columns = (np.arange(0, n - side + 1, side) for n in slide.shape)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    kept: NDArray[np.int64] = grid[slide.tissue_share(grid[:, 0], grid[:, 1], side) >= MIN_TISSUE]
    return kept
