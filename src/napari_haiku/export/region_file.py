"""Drawn regions alone as GeoJSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_haiku import __version__
from napari_haiku.export.destination import fresh_file
from napari_haiku.export.geojson import region_feature
from napari_haiku.export.provenance import KEY
from napari_haiku.export.qupath_frame import QuPathFrame
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_haiku.analysis.regions.region import Region

_UM = QuPathFrame(1.0)


def write_regions(
    path: Path,
    regions: Sequence[Region],
    frame: QuPathFrame | None,
    *,
    replace: bool = False,
) -> None:
    """Write regions as QuPath annotations.

    Parameters
    ----------
    path : Path
        File to write.
    regions : sequence of Region
        The regions.
    frame : QuPathFrame or None
        Pixels of the image that QuPath has open. None writes um, and the file
        says so: QuPath would show them at the wrong place.
    replace : bool
        Whether an earlier file may go.
    """
    content = {
        "type": "FeatureCollection",
        KEY: {
            "made_by": f"napari-haiku {__version__}",
            "coordinates": "um" if frame is None else "px",
            "notice": RESEARCH_USE,
        },
        "features": [region_feature(region, frame or _UM) for region in regions],
    }
    with fresh_file(path, replace=replace) as fresh:
        fresh.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
