"""A slide's patches as a SpatialData store, written to the public format without the library.

The library asks for older versions of what this project needs; its format is
zarr v3 with OME-Zarr rasters, GeoParquet shapes and AnnData tables, all of which
are written here already.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku import __version__
from napari_haiku.export.anndata_file import annotated
from napari_haiku.export.anndata_format import Annotated, write_annotated
from napari_haiku.export.destination import fresh_folder
from napari_haiku.export.ome_zarr import corner_um
from napari_haiku.export.provenance import KEY
from napari_haiku.export.sinks import ZarrSink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.analysis.regions.region import Region
    from napari_haiku.export.patch_data import PatchData
    from napari_haiku.images.grid import PatchGrid

_ATTRS = "spatialdata_attrs"
_CONTAINER, _RASTER, _SHAPES, _TABLES = "0.2", "0.3", "0.3", "0.2"
_RASTER_OME = "0.5-dev-spatialdata"
_FRAME = "global"
# Polygons of rings of corners, for each area.
Areas = Sequence[Sequence[Sequence["NDArray[np.float64]"]]]
_PATCHES, _REGION_KEY, _INSTANCE_KEY = "patches", "region", "patch_id"


def write_spatialdata(
    path: Path,
    data: PatchData,
    notes: Mapping[str, Any],
    *,
    regions: Sequence[Region] = (),
    replace: bool = False,
) -> None:
    """Write a slide's patches, maps, niches and table as one SpatialData store.

    It holds the shapes ``patches`` (and ``regions``), the table ``table`` that
    annotates the patches, the image ``maps`` and the labels ``niches``, all in
    um in the frame ``global``.

    Parameters
    ----------
    path : Path
        Folder to write.
    data : PatchData
        The slide.
    notes : mapping
        How the numbers were made.
    regions : sequence of Region
        Drawn regions.
    replace : bool
        Whether an earlier store of this project may go.
    """
    import zarr

    with fresh_folder(path, ours=is_store, replace=replace) as fresh:
        root = zarr.open_group(str(fresh), mode="w", zarr_format=3)
        root.attrs.update(
            {
                _ATTRS: {
                    "version": _CONTAINER,
                    "spatialdata_software_version": f"napari-haiku {__version__}",
                },
                KEY: dict(notes),
            }
        )
        _write_maps(root.create_group("images"), data)
        if data.niches is not None:
            _write_niches(root.create_group("labels"), data)
        areas: dict[str, tuple[Areas, dict[str, list[str]]]] = {_PATCHES: (_squares(data.grid), {})}
        if regions:
            areas["regions"] = (
                [region.polygons for region in regions],
                {
                    "name": [region.name for region in regions],
                    "class": [region.kind for region in regions],
                },
            )
        shapes = root.create_group("shapes")
        for name in areas:
            _describe_shapes(shapes.create_group(name))
        _write_table(root.create_group("tables"), data, notes)
        for name, (polygons, columns) in areas.items():
            _write_geoparquet(fresh / "shapes" / name / "shapes.parquet", polygons, columns)


def is_store(path: Path) -> bool:
    """Whether a folder is a store written by :func:`write_spatialdata`."""
    import zarr

    try:
        attributes = zarr.open_group(str(path), mode="r").attrs
        return KEY in attributes and _ATTRS in attributes
    except (OSError, ValueError, KeyError):
        return False


def _write_table(tables: Any, data: PatchData, notes: Mapping[str, Any]) -> None:
    import pandas as pd

    whole = annotated(data, notes)
    obs = whole.obs.copy()
    obs[_REGION_KEY] = pd.Categorical([_PATCHES] * len(obs))
    obs[_INSTANCE_KEY] = np.arange(len(obs), dtype=np.int64)
    keys = {"region": _PATCHES, "region_key": _REGION_KEY, "instance_key": _INSTANCE_KEY}
    table = tables.create_group("table")
    write_annotated(
        ZarrSink(table),
        Annotated(
            x=whole.x,
            obs=obs,
            names=whole.names,
            markers=whole.markers,
            layers=whole.layers,
            obsm=whole.obsm,
            uns={**whole.uns, _ATTRS: keys},
        ),
    )
    table.attrs.update(
        {"spatialdata-encoding-type": "ngff:regions_table", **keys, "version": _TABLES}
    )


def _write_maps(images: Any, data: PatchData) -> None:
    maps = {"tissue fraction": data.encoding.tissue_fraction, **data.numbers()}
    grid = data.grid
    stack = np.full((len(maps), *grid.shape), np.nan, np.float32)
    for channel, values in enumerate(maps.values()):
        stack[channel, grid.rows, grid.cols] = values
    group = images.create_group("maps")
    _raster(group, stack, ("c", "y", "x"), np.nan)
    described = _multiscales("maps", ("c", "y", "x"), grid)
    described["omero"] = {"channels": [{"label": name} for name in maps]}
    group.attrs.update({"ome": described, _ATTRS: {"version": _RASTER}})


def _write_niches(labels: Any, data: PatchData) -> None:
    if data.niches is None:
        return
    labels.attrs["ome"] = {"labels": ["niches"]}
    grid = data.grid
    laid = np.zeros(grid.shape, np.int32)
    laid[grid.rows, grid.cols] = data.niches.labels
    group = labels.create_group("niches")
    _raster(group, laid, ("y", "x"), 0)
    described = _multiscales("niches", ("y", "x"), grid)
    described["image-label"] = {"version": "0.5"}
    group.attrs.update({"ome": described, _ATTRS: {"version": _RASTER}})


def _raster(group: Any, values: NDArray[Any], axes: tuple[str, ...], fill: float) -> None:
    chunks = (1,) * (values.ndim - 2) + tuple(min(max(1, s), 1024) for s in values.shape[-2:])
    array = group.create_array(
        "s0",
        shape=values.shape,
        chunks=chunks,
        dtype=values.dtype.name,
        fill_value=fill,
        dimension_names=axes,
    )
    array[...] = values


def _multiscales(name: str, axes: tuple[str, ...], grid: PatchGrid) -> dict[str, Any]:
    x, y = corner_um(grid)
    step = {"c": 1.0, "y": grid.stride_um, "x": grid.stride_um}
    shift = {"c": 0.0, "y": y, "x": x}
    ends = {"input": _system(axes, "".join(axes)), "output": _system(axes, _FRAME)}
    return {
        "version": _RASTER_OME,
        "multiscales": [
            {
                "name": name,
                "axes": [_axis(axis) for axis in axes],
                "datasets": [
                    {
                        "path": "s0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [1.0] * len(axes)}
                        ],
                    }
                ],
                "coordinateTransformations": [
                    {
                        "type": "sequence",
                        "transformations": [
                            {"type": "scale", "scale": [step[axis] for axis in axes], **ends},
                            {
                                "type": "translation",
                                "translation": [shift[axis] for axis in axes],
                                **ends,
                            },
                        ],
                        **ends,
                    }
                ],
            }
        ],
    }


def _axis(name: str) -> dict[str, str]:
    if name == "c":
        return {"name": "c", "type": "channel"}
    return {"name": name, "type": "space", "unit": "micrometer"}


def _system(axes: Sequence[str], name: str) -> dict[str, Any]:
    return {"name": name, "axes": [_axis(axis) for axis in axes]}


def _describe_shapes(group: Any) -> None:
    axes = ("x", "y")
    group.attrs.update(
        {
            "encoding-type": "ngff:shapes",
            "axes": list(axes),
            "coordinateTransformations": [
                {
                    "type": "identity",
                    "input": _system(axes, "xy"),
                    "output": _system(axes, _FRAME),
                }
            ],
            _ATTRS: {"version": _SHAPES},
        }
    )


def _write_geoparquet(
    path: Path,
    areas: Areas,
    columns: Mapping[str, Sequence[str]],
) -> None:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    single = all(len(polygons) == 1 for polygons in areas)
    frame = pd.DataFrame(
        {"geometry": [_wkb(polygons, single=single) for polygons in areas], **columns},
        index=pd.RangeIndex(len(areas)),
    )
    table = pa.Table.from_pandas(frame, preserve_index=True)
    kind = "Polygon" if single else "MultiPolygon"
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "crs": None, "geometry_types": [kind]}},
    }
    metadata = {**(table.schema.metadata or {}), b"geo": json.dumps(geo).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def _wkb(polygons: Sequence[Sequence[NDArray[np.float64]]], *, single: bool) -> bytes:
    """Well-known binary, little-endian: a polygon is kind 3, several together are kind 6."""
    parts = [_wkb_polygon(rings) for rings in polygons]
    return parts[0] if single else struct.pack("<BII", 1, 6, len(parts)) + b"".join(parts)


def _wkb_polygon(rings: Sequence[NDArray[np.float64]]) -> bytes:
    written = struct.pack("<BII", 1, 3, len(rings))
    for ring in rings:
        closed = np.concatenate([ring, ring[:1]])
        written += struct.pack("<I", len(closed)) + closed.astype("<f8").tobytes()
    return written


def _squares(grid: PatchGrid) -> list[tuple[tuple[NDArray[np.float64], ...], ...]]:
    side = grid.patch_um
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float64)
    return [((corner + square,),) for corner in grid.corners_um]
