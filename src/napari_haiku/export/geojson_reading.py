"""Annotations drawn in QuPath, read back into um of the slide's frame."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.regions.region import Region
from napari_haiku.errors import HaikuError
from napari_haiku.export.provenance import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_haiku.export.qupath_frame import QuPathFrame

# Objects that are no annotations: patches written by the export, cells, TMA cores.
_MACHINE_MADE = frozenset({"tile", "detection", "cell", "tma_core", "root"})


@dataclass(frozen=True)
class Annotations:
    """What a file of annotations held.

    Parameters
    ----------
    regions : tuple of Region
        The areas, in um.
    left_out : int
        Points and lines, which enclose nothing.
    """

    regions: tuple[Region, ...]
    left_out: int


def read_annotations(path: Path, frame: QuPathFrame) -> Annotations:
    """Read the areas that somebody drew.

    Patches that this project exported, and detections, are passed over. A file
    that says that its coordinates are um is believed.

    Parameters
    ----------
    path : Path
        GeoJSON as QuPath writes it.
    frame : QuPathFrame
        Pixels of the image that was annotated.

    Raises
    ------
    HaikuError
        The file is no GeoJSON or holds no area.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        in_um = isinstance(content, dict) and content.get(KEY, {}).get("coordinates") == "um"
        regions: list[Region] = []
        left_out = 0
        for feature in _features(content):
            properties = feature.get("properties") or {}
            kind = str(properties.get("objectType") or "annotation").casefold()
            if kind in _MACHINE_MADE:
                continue
            polygons = tuple(_polygons(feature.get("geometry") or feature))
            if not polygons:
                left_out += 1
                continue
            regions.append(
                Region(
                    str(properties.get("name") or f"Region {len(regions) + 1}"),
                    tuple(
                        tuple(
                            _open(ring) if in_um else frame.to_um(_open(ring)) for ring in polygon
                        )
                        for polygon in polygons
                    ),
                    _class_of(properties),
                )
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HaikuError(
            f"{path.name} cannot be read as GeoJSON: export the annotations from QuPath again "
            "(File > Object data > Export as GeoJSON, without compression)."
        ) from error
    if not regions:
        raise HaikuError(
            f"{path.name} holds no annotated area: draw one in QuPath and export it again."
        )
    return Annotations(tuple(regions), left_out)


def _features(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, list):
        for part in content:
            yield from _features(part)
    elif content["type"] == "FeatureCollection":
        yield from content["features"]
    else:
        yield content


def _polygons(geometry: dict[str, Any]) -> Iterator[list[Any]]:
    kind = geometry["type"]
    if kind == "Polygon":
        yield geometry["coordinates"]
    elif kind == "MultiPolygon":
        yield from geometry["coordinates"]
    elif kind == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _polygons(part)


def _open(ring: Any) -> Any:
    corners = np.array([point[:2] for point in ring], np.float64).reshape(-1, 2)
    return corners[:-1] if len(corners) > 1 and (corners[0] == corners[-1]).all() else corners


def _class_of(properties: dict[str, Any]) -> str:
    """QuPath names a class in `classification`, a derived one in several `names`."""
    found = properties.get("classification")
    if isinstance(found, str):
        return found
    if not isinstance(found, dict):
        return ""
    names = found.get("names") or [found.get("name") or ""]
    return ": ".join(str(name) for name in names)
