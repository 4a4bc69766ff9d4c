"""Patches and drawn regions as GeoJSON that QuPath opens as objects."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.export.destination import fresh_file
from napari_haiku.export.niche_colours import niche_rgb
from napari_haiku.export.provenance import KEY
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.regions.region import Region
    from napari_haiku.export.patch_data import PatchData
    from napari_haiku.export.qupath_frame import QuPathFrame

Feature = dict[str, Any]

# Makes the id of an object from what it is, so that the same export has the same ids.
_IDS = uuid.UUID("6f1c6f0a-6f61-5b0b-9f2a-2f6d7f0b7a11")
_PATCHES_A_STEP = 2048
_NOT_MEASURED = ("patch", "x_um", "y_um", "niche_name")


def write_patches_geojson(
    path: Path,
    data: PatchData,
    frame: QuPathFrame,
    notes: Mapping[str, Any],
    *,
    regions: Sequence[Region] = (),
    table: pd.DataFrame | None = None,
    replace: bool = False,
) -> Job[int]:
    """Write patches as QuPath tiles with measurements, and regions as annotations.

    The class of a tile is its niche. A measurement that has no value is left
    out of its object.

    Parameters
    ----------
    path : Path
        File to write.
    data : PatchData
        The patches.
    frame : QuPathFrame
        Pixels of the image QuPath has open.
    notes : mapping
        How the numbers were made; kept beside the objects.
    regions : sequence of Region
        Drawn regions to write as well.
    table : DataFrame, optional
        Measurements of the regions, one row each, in their order.
    replace : bool
        Whether an earlier file may go.

    Returns
    -------
    int
        Number of objects.
    """
    total = len(data) + len(regions)
    head = json.dumps(
        {"type": "FeatureCollection", KEY: {**notes, "coordinates": "px"}}, allow_nan=False
    )
    with fresh_file(path, replace=replace) as fresh, fresh.open("w", encoding="utf-8") as stream:
        stream.write(head[:-1] + ', "features": [')
        comma = "\n"
        for number, feature in enumerate(_features(data, frame, regions, table)):
            if number % _PATCHES_A_STEP == 0:
                yield Progress(number, total, "Writing", "objects")
            stream.write(comma + json.dumps(feature, allow_nan=False))
            comma = ",\n"
        stream.write("\n]}\n")
    return total


def region_feature(
    region: Region,
    frame: QuPathFrame,
    measurements: Mapping[str, float] | None = None,
) -> Feature:
    """Turn a region into a QuPath annotation."""
    polygons = [[_closed(frame.to_px(ring)) for ring in rings] for rings in region.polygons]
    geometry = (
        {"type": "Polygon", "coordinates": polygons[0]}
        if len(polygons) == 1
        else {"type": "MultiPolygon", "coordinates": polygons}
    )
    properties: dict[str, Any] = {"objectType": "annotation", "name": region.name}
    if region.kind:
        properties["classification"] = {"name": region.kind}
    if measurements:
        properties["measurements"] = dict(measurements)
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_IDS, json.dumps([region.name, geometry]))),
        "geometry": geometry,
        "properties": properties,
    }


def _features(
    data: PatchData, frame: QuPathFrame, regions: Sequence[Region], table: pd.DataFrame | None
) -> Iterator[Feature]:
    rows = [_finite(row) for row in table.to_dict("records")] if table is not None else []
    for number, region in enumerate(regions):
        yield region_feature(region, frame, rows[number] if number < len(rows) else None)
    yield from _tiles(data, frame)


def _tiles(data: PatchData, frame: QuPathFrame) -> Iterator[Feature]:
    columns = {
        name: column.to_numpy(np.float64)
        for name, column in data.table().items()
        if name not in _NOT_MEASURED
    }
    names = list(columns)
    numbers = np.stack([columns[name] for name in names], axis=1)
    known = np.isfinite(numbers)
    corners = data.grid.corners_um
    near = frame.to_px(corners)
    far = frame.to_px(corners + data.grid.patch_um)
    classes, owner = data.niche_names(), "/".join(data.encoding.image_fingerprints.values())
    for patch in range(len(data)):
        properties: dict[str, Any] = {
            "objectType": "tile",
            "name": f"Patch {patch}",
            "measurements": {
                names[i]: float(f"{numbers[patch, i]:.7g}") for i in np.flatnonzero(known[patch])
            },
        }
        if classes is not None and data.niches is not None and data.niches.labels[patch] > 0:
            properties["classification"] = {
                "name": classes[patch],
                "color": list(niche_rgb(int(data.niches.labels[patch]))),
            }
        (x0, y0), (x1, y1) = near[patch].round(3).tolist(), far[patch].round(3).tolist()
        ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
        yield {
            "type": "Feature",
            "id": str(uuid.uuid5(_IDS, f"{owner}/{patch}")),
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": properties,
        }


def _closed(ring: NDArray[np.float64]) -> list[list[float]]:
    corners: list[list[float]] = ring.round(3).tolist()
    return corners if corners[0] == corners[-1] else [*corners, corners[0]]


def _finite(row: Mapping[Any, Any]) -> dict[str, float]:
    return {
        str(name): float(value)
        for name, value in row.items()
        if not isinstance(value, str) and np.isfinite(value)
    }
