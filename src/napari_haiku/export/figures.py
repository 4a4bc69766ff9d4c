"""Maps as figures: PNG, SVG or PDF, with colour bar, scale bar and what they are."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.export.destination import fresh_file
from napari_haiku.export.niche_colours import niche_rgb
from napari_haiku.notices import RESEARCH_USE, SAME_PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.export.patch_data import PatchData

SUFFIXES = (".png", ".svg", ".pdf")
NICHES, SIMILARITY = "niches", "similarity"
_TISSUE_PX = 16
_INCHES = 6.0
_BARS_UM = tuple(unit * 10.0**power for power in range(1, 6) for unit in (1, 2, 5))


def quantities(data: PatchData) -> tuple[str, ...]:
    """Name what can be drawn of a slide: markers measured and predicted, niches, similarity."""
    names = list(data.numbers())
    if data.niches is not None:
        names.append(NICHES)
    if data.predictions is not None:
        names.append(SIMILARITY)
    return tuple(names)


def write_figure(
    path: Path,
    data: PatchData,
    quantity: str,
    *,
    limits: tuple[float, float] | None = None,
    tissue: bool = True,
    replace: bool = False,
) -> None:
    """Draw one map as a figure; the file's ending decides the format.

    Parameters
    ----------
    path : Path
        File to write: ``.png``, ``.svg`` or ``.pdf``.
    data : PatchData
        The slide.
    quantity : str
        One of :func:`quantities`.
    limits : tuple of float, optional
        Values at the ends of the colour bar; 2nd and 99th percentile by default.
    tissue : bool
        Whether the tissue is shown faintly beneath.
    replace : bool
        Whether an earlier file may go.

    Raises
    ------
    HaikuError
        Matplotlib is missing, there is no such map, or another format is asked
        for.
    """
    if path.suffix.casefold() not in SUFFIXES:
        raise HaikuError(f"{path.name} is no figure: end its name in .png, .svg or .pdf.")
    known = quantities(data)
    if quantity not in known:
        raise HaikuError(
            f"There is no map '{quantity}' of this slide: choose one of {', '.join(known)}."
            if known
            else "There is no map of this slide yet: predict markers or find niches first."
        )
    try:
        matplotlib = importlib.import_module("matplotlib")
        figure_module = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise HaikuError(
            'Figures need Matplotlib: install it with pip install "napari-haiku[figures]".'
        ) from error
    # A fixed salt and no date: the same slide gives the same file.
    with (
        matplotlib.rc_context({"svg.hashsalt": "napari-haiku", "svg.fonttype": "none"}),
        fresh_file(path, replace=replace) as fresh,
    ):
        rows, columns = data.grid.shape
        figure = figure_module.Figure(
            figsize=(_INCHES + 1.6, max(2.6, _INCHES * rows / max(columns, 1) + 0.9)),
            layout="constrained",
        )
        axes = figure.add_subplot()
        _draw(figure, axes, data, quantity, limits, tissue)
        kind = path.suffix.casefold()[1:]
        figure.savefig(fresh, format=kind, dpi=200, metadata=_metadata(kind, data, quantity))


def _metadata(kind: str, data: PatchData, quantity: str) -> Mapping[str, Any]:
    words = f"{quantity}; model {data.encoding.model_name}"
    if data.predictions is not None:
        words += f"; atlas {data.predictions.notes.get('atlas', '')}"
    said: dict[str, Any] = {"Title": f"{words}. {RESEARCH_USE}"}
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None, "ModDate": None}, "png": {}}
    return {**said, **dates[kind]}


def _draw(
    figure: Any,
    axes: Any,
    data: PatchData,
    quantity: str,
    limits: tuple[float, float] | None,
    tissue: bool,
) -> None:
    grid = data.grid
    x, y = grid.origin_um
    half = (grid.patch_um - grid.stride_um) / 2
    left, top = x + half, y + half
    right, bottom = left + grid.shape[1] * grid.stride_um, top + grid.shape[0] * grid.stride_um
    extent = (left, right, bottom, top)
    modalities = data.encoding.images
    if tissue and ("he" in modalities or "mif" in modalities):
        axes.imshow(_tissue(data), extent=extent, interpolation="bilinear", alpha=0.6)
    if quantity == NICHES:
        _draw_niches(axes, data, extent)
    else:
        _draw_values(figure, axes, data, quantity, limits, extent)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_xticks([])
    axes.set_yticks([])
    _scale_bar(axes, left, right, bottom, top)
    axes.set_title(quantity, fontsize=11)
    under = [RESEARCH_USE]
    if data.predictions is not None and data.predictions.notes.get("label") == SAME_PATIENT:
        under.insert(0, SAME_PATIENT)
    axes.set_xlabel("\n".join(under), fontsize=7)


def _draw_values(
    figure: Any,
    axes: Any,
    data: PatchData,
    quantity: str,
    limits: tuple[float, float] | None,
    extent: tuple[float, float, float, float],
) -> None:
    is_similarity = quantity == SIMILARITY and data.predictions is not None
    values = (
        data.predictions.similarity
        if is_similarity and data.predictions is not None
        else data.numbers()[quantity]
    )
    laid = np.full(data.grid.shape, np.nan, np.float32)
    laid[data.grid.rows, data.grid.cols] = values
    known = values[np.isfinite(values)]
    low, high = limits or (
        tuple(float(v) for v in np.percentile(known, [2, 99])) if known.size else (0.0, 1.0)
    )
    drawn = axes.imshow(
        laid,
        extent=extent,
        interpolation="nearest",
        cmap="magma" if is_similarity else "viridis",
        vmin=low,
        vmax=high if high > low else low + 1,
        alpha=0.8,
    )
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
    unit = {"similarity": "cosine similarity"}.get(
        quantity,
        "atlas units, mean of the patch"
        if quantity.endswith("predicted")
        else "stored intensity, mean of the patch",
    )
    bar.set_label(unit, fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _draw_niches(axes: Any, data: PatchData, extent: tuple[float, float, float, float]) -> None:
    patches = importlib.import_module("matplotlib.patches")
    if data.niches is None:
        return
    grid, labels = data.grid, data.niches.labels
    laid = np.zeros((*grid.shape, 4), np.uint8)
    used = sorted({int(niche) for niche in np.unique(labels) if niche > 0})
    for niche in used:
        there = labels == niche
        laid[grid.rows[there], grid.cols[there]] = (*niche_rgb(niche), 128)
    axes.imshow(laid, extent=extent, interpolation="nearest")
    handles = [
        patches.Patch(
            facecolor=np.array(niche_rgb(niche)) / 255,
            label=f"{niche} {data.niches.names.get(niche, '')}".strip(),
        )
        for niche in used
    ]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)


def _tissue(data: PatchData) -> NDArray[np.uint8]:
    """Lay the thumbnails out as they lie on the slide, small; white where there is no patch."""
    grid = data.grid
    modality = "he" if "he" in data.encoding.images else "mif"
    side = _TISSUE_PX
    canvas = np.full((grid.shape[0], side, grid.shape[1], side, 3), 255, np.uint8)
    pictures = data.encoding.thumbnails(modality)
    step = max(1, pictures.shape[1] // side)
    small = pictures[:, ::step, ::step][:, :side, :side]
    for patch, (row, column) in enumerate(zip(grid.rows, grid.cols, strict=True)):
        canvas[row, :, column] = small[patch]
    return canvas.reshape(grid.shape[0] * side, grid.shape[1] * side, 3)


def _scale_bar(axes: Any, left: float, right: float, bottom: float, top: float) -> None:
    fitting = [um for um in _BARS_UM if um <= (right - left) / 3]
    if not fitting:
        return
    length = fitting[-1]
    x, y = right - 0.04 * (right - left), bottom - 0.04 * (bottom - top)
    axes.plot([x - length, x], [y, y], color="white", linewidth=5, solid_capstyle="butt")
    axes.plot([x - length, x], [y, y], color="black", linewidth=3, solid_capstyle="butt")
    words = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} um"
    axes.annotate(
        words,
        (x - length / 2, y),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1},
    )
