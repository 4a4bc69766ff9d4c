"""A slide's patches as AnnData: one ``.h5ad`` file, or the table of a SpatialData store."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.export.anndata_format import Annotated, write_annotated
from napari_haiku.export.destination import fresh_file
from napari_haiku.export.provenance import KEY
from napari_haiku.export.sinks import Hdf5Sink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_haiku.export.patch_data import PatchData

Content = Literal["measured", "predicted"]
_IN_OBS = ("patch", "x_um", "y_um", "tissue_fraction", "niche", "similarity", "outside_atlas")


def annotated(
    data: PatchData, notes: Mapping[str, Any], *, content: Content | None = None
) -> Annotated:
    """Arrange a slide's patches by markers.

    ``X`` holds the predicted values where there are any, else the measured
    ones; ``layers`` holds both and the spread. NaN is "no value".

    Parameters
    ----------
    data : PatchData
        The slide.
    notes : mapping
        How the numbers were made, for ``uns``.
    content : {"measured", "predicted"}, optional
        What ``X`` holds.

    Raises
    ------
    HaikuError
        There is nothing of the content asked for.
    """
    content = content or ("predicted" if data.predictions is not None else "measured")
    markers = data.markers
    layers = _layers(data, markers)
    if content not in layers and markers:
        raise HaikuError(
            f"There are no {content} markers to write: "
            + ("predict them first." if content == "predicted" else "the slide has no mIF.")
        )
    table = data.table()
    obs = table[[name for name in _IN_OBS if name in table]].copy()
    if data.niches is not None:
        obs["niche_name"] = data.niche_names()
    obsm: dict[str, Any] = {"spatial": data.encoding.centres_um.astype(np.float64)}
    for modality in data.encoding.modalities:
        vectors = data.encoding.embeddings(modality)
        if vectors is not None:
            obsm[f"X_{modality}"] = vectors
    if data.projection is not None:
        obsm["X_umap"] = np.asarray(data.projection, np.float32)
    uns: dict[str, Any] = {KEY: {**notes, "X": content if markers else "no marker"}}
    text = data.encoding.embeddings("text")
    if text is not None:
        uns["embedding_text"] = text
    return Annotated(
        x=layers.get(content, np.zeros((len(data), 0), np.float32)),
        obs=obs,
        names=[f"patch {patch}" for patch in range(len(data))],
        markers=list(markers),
        layers=layers,
        obsm=obsm,
        uns=uns,
    )


def write_h5ad(
    path: Path,
    data: PatchData,
    notes: Mapping[str, Any],
    *,
    content: Content | None = None,
    replace: bool = False,
) -> None:
    """Write a slide's patches as one ``.h5ad`` file.

    Raises
    ------
    HaikuError
        h5py is missing, the place is taken, or there is nothing to write.
    """
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise HaikuError(
            'Writing AnnData needs h5py: install it with pip install "napari-haiku[anndata]".'
        ) from error
    table = annotated(data, notes, content=content)
    with (
        fresh_file(path, replace=replace) as fresh,
        h5py.File(fresh, "w", track_order=False) as file,
    ):
        write_annotated(Hdf5Sink(file), table)


def _layers(data: PatchData, markers: tuple[str, ...]) -> dict[str, Any]:
    def stack(kind: str) -> Any:
        values = np.full((len(data), len(markers)), np.nan, np.float32)
        for column, marker in enumerate(markers):
            found = data.measured(marker) if kind == "measured" else data.predicted(marker)
            if found is not None:
                values[:, column] = found
        return values

    layers: dict[str, Any] = {}
    if data.encoding.expression is not None:
        layers["measured"] = stack("measured")
    if data.predictions is not None:
        layers["predicted"] = stack("predicted")
        spread = np.full((len(data), len(markers)), np.nan, np.float32)
        for column, marker in enumerate(data.predictions.markers):
            spread[:, markers.index(marker)] = data.predictions.spread[:, column]
        layers["spread"] = spread
    return layers
