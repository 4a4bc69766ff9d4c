"""Maps of patch values as OME-Zarr images, in um of the slide's frame."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.notices import ASSOCIATION, RESEARCH_USE
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
    from napari_haiku.images.grid import PatchGrid

_NOTES = "napari_haiku"
_LARGEST_CHUNK = 1024


def write_maps_ome_zarr(
    path: Path,
    maps: Mapping[str, NDArray[Any]],
    grid: PatchGrid,
    *,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write maps as one OME-Zarr 0.5 image, one channel a map, one pixel a grid step.

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
    notes : mapping, optional
        What JSON can hold: how the maps were made.

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
    import zarr

    if not maps:
        raise HaikuError("There is no map to write: choose at least one marker.")
    if path.exists() and not is_map(path):
        raise HaikuError(f"{path.name} exists already and is no map: choose another name.")
    stack = np.stack([_on_grid(name, values, grid) for name, values in maps.items()])
    fresh = path.parent / f".{path.name}.new"
    with speaking(path):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        group = zarr.open_group(str(fresh), mode="w", zarr_format=3)
        array = group.create_array(
            "0",
            shape=stack.shape,
            chunks=(1, *(min(side, _LARGEST_CHUNK) for side in stack.shape[1:])),
            dtype="float32",
            fill_value=float("nan"),
            dimension_names=("c", "y", "x"),
        )
        array[:] = stack
        group.attrs.update(
            {
                "ome": {
                    "version": "0.5",
                    "multiscales": [_multiscale(path.name, grid)],
                    "omero": {
                        "channels": [_channel(*entry) for entry in zip(maps, stack, strict=False)]
                    },
                },
                _NOTES: {**(notes or {}), "notice": RESEARCH_USE},
            }
        )
        old = path.parent / f".{path.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.rename(old)
        fresh.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def is_map(path: Path) -> bool:
    """Whether a folder holds maps written by :func:`write_maps_ome_zarr`."""
    import zarr

    try:
        return _NOTES in zarr.open_group(str(path), mode="r").attrs
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


def _multiscale(name: str, grid: PatchGrid) -> dict[str, Any]:
    corner = [place + (grid.patch_um - grid.stride_um) / 2 for place in grid.origin_um]
    return {
        "name": name,
        "axes": [
            {"name": "c", "type": "channel"},
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ],
        "datasets": [
            {
                "path": "0",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0, grid.stride_um, grid.stride_um]},
                    {"type": "translation", "translation": [0.0, corner[1], corner[0]]},
                ],
            }
        ],
    }


def _channel(name: str, values: NDArray[np.float32]) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    start, end = (float(v) for v in np.percentile(known, [2, 99])) if known.size else (low, high)
    return {
        "label": name,
        "color": "FFFFFF",
        "active": True,
        "window": {"min": low, "max": high, "start": start, "end": end},
    }
