"""Maps of patch values as OME-Zarr images, in um of the slide's frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.export.destination import fresh_folder
from napari_haiku.export.ome_zarr import write_image
from napari_haiku.export.provenance import KEY
from napari_haiku.notices import ASSOCIATION, RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
    from napari_haiku.export.ome_zarr import LabelMap, Version
    from napari_haiku.images.grid import PatchGrid


def write_maps_ome_zarr(
    path: Path,
    maps: Mapping[str, NDArray[Any]],
    grid: PatchGrid,
    *,
    labels: Mapping[str, LabelMap] | None = None,
    notes: Mapping[str, Any] | None = None,
    version: Version = "0.5",
    replace: bool = True,
) -> None:
    """Write maps as one OME-Zarr image, one channel a map, one pixel a grid step.

    Parameters
    ----------
    path : Path
        Folder to write. An earlier map there is replaced in one step; anything
        else there is left alone.
    maps : mapping of str to ndarray
        One value a patch, shape (n,), or laid out already, shape `grid.shape`.
        NaN, and places without a patch, mean no value.
    grid : PatchGrid
        Where the patches lie.
    labels : mapping of str to LabelMap, optional
        Labels that belong to the maps.
    notes : mapping, optional
        What JSON can hold: how the maps were made.
    version : {"0.4", "0.5"}
        Version of OME-Zarr; 0.4 lies in zarr v2.
    replace : bool
        Whether an earlier map may go.

    Raises
    ------
    HaikuError
        There is no map, a map does not fit the grid, something else is at
        `path`, or it cannot be written.

    Notes
    -----
    The translation is the place of the first pixel's top-left corner, as
    everywhere in this project; a pixel is as wide as the step between patches
    and centred on its patch.
    """
    if not maps:
        raise HaikuError("There is no map to write: choose at least one marker.")
    if path.exists() and not is_map(path):
        raise HaikuError(f"{path.name} exists already and is no map: choose another name.")
    laid = {name: _on_grid(name, values, grid) for name, values in maps.items()}
    with fresh_folder(path, ours=is_map, replace=replace) as fresh:
        write_image(
            fresh,
            path.name,
            laid,
            grid,
            labels=labels or {},
            notes={**(notes or {}), "notice": RESEARCH_USE},
            key=KEY,
            version=version,
        )


def is_map(path: Path) -> bool:
    """Whether a folder holds maps written by :func:`write_maps_ome_zarr`."""
    import zarr

    try:
        return KEY in zarr.open_group(str(path), mode="r").attrs
    except (OSError, ValueError, KeyError):
        return False


def write_biomarker_maps(path: Path, result: BiomarkerResult, grid: PatchGrid) -> None:
    """Write predicted markers, measured ones beside them, and where the atlas knows nothing.

    Parameters
    ----------
    path : Path
        Folder to write.
    result : BiomarkerResult
        Predictions; patches outside the atlas have no value.
    grid : PatchGrid
        Grid of the encoding that was predicted for.
    """
    shown = result.shown()
    maps: dict[str, NDArray[Any]] = {}
    for column, marker in enumerate(result.markers):
        maps[f"{marker} predicted"] = shown[:, column]
        if marker in result.pearson_r and result.measured is not None:
            maps[f"{marker} measured"] = result.measured[:, column]
    maps["outside atlas"] = result.outside_atlas.astype(np.float32)
    notes = {"atlas": result.atlas_name, "weights": result.weights, "label": result.label}
    write_maps_ome_zarr(path, maps, grid.keep(result.rows), notes=notes)


def write_shift_maps(path: Path, result: CounterfactualResult, grid: PatchGrid) -> None:
    """Write the shift of every marker, in SD of the atlas.

    Parameters
    ----------
    path : Path
        Folder to write.
    result : CounterfactualResult
        Shifts; patches outside the atlas have no value.
    grid : PatchGrid
        Grid of the encoding that was asked about.
    """
    shown = result.shown()
    maps: dict[str, NDArray[Any]] = {
        f"{marker} shift": shown[:, column] for column, marker in enumerate(result.markers)
    }
    maps["outside atlas"] = result.outside_atlas.astype(np.float32)
    notes = {
        "edit": result.edit.words,
        "unit": "standard deviations of the atlas",
        "label": result.label,
        "caution": ASSOCIATION,
    }
    write_maps_ome_zarr(path, maps, grid.keep(result.rows), notes=notes)


def _on_grid(name: str, values: NDArray[Any], grid: PatchGrid) -> NDArray[np.float32]:
    values = np.asarray(values, np.float32)
    if values.shape == tuple(grid.shape):
        return values
    if values.shape != (len(grid),):
        raise HaikuError(
            f"The map {name} has shape {values.shape} but the grid has {len(grid)} patches: "
            "give one value a patch."
        )
    laid = np.full(grid.shape, np.nan, np.float32)
    laid[grid.rows, grid.cols] = values
    return laid
