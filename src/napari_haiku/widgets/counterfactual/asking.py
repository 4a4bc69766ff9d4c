"""Jobs of the Counterfactual dock, off the main thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.counterfactual.shift_maps import ShiftMaps
from napari_haiku.viewer.slides.record_fields import offered_fields

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_haiku.analysis.counterfactual.counterfactual import CounterfactualRequest
    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
    from napari_haiku.analysis.niches.niches import NicheResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.jobs import Job
    from napari_haiku.model.base import TissueModel


def values_of(
    encoding: Encoding | None, atlas: Atlas | None, model: TissueModel | None = None
) -> dict[str, dict[str, int]]:
    """Values that the atlas knows of each field of the slide's record, with patients.

    Fields that were made to mean nothing come last.
    """
    if encoding is None or atlas is None:
        return {}
    shared = [field for field in encoding.record if field in atlas.fields]
    offered = offered_fields(shared, model)
    ordered = [*offered, *(field for field in shared if field not in offered)]
    return {field: atlas.values_of(field) for field in ordered}


def without_meaning(fields: Collection[str], model: TissueModel | None = None) -> frozenset[str]:
    """Give those of the fields that were made to mean nothing."""
    return frozenset(fields).difference(offered_fields(fields, model))


def ask(
    encoding: Encoding,
    atlas: Atlas,
    model: TissueModel | None,
    request: CounterfactualRequest,
    niches: NicheResult | None,
) -> Job[tuple[ShiftMaps, TissueModel]]:
    """Ask what would shift, and draw what takes a while to draw."""
    from napari_haiku.analysis.counterfactual.counterfactual import run_counterfactual
    from napari_haiku.model.loading import load_model
    from napari_haiku.widgets.frame.preferences import preferences

    if model is None:
        model = load_model("default", device=preferences().device)
    result = yield from run_counterfactual(encoding, atlas, model, request, niches)
    maps = ShiftMaps(encoding.grid, result)
    # Hatching a large slide takes a while: do it here, off the main thread.
    _ = maps.outside
    return maps, model


def write_report(target: Path, result: CounterfactualResult, atlas: Atlas) -> Path:
    """Write report and tables into a folder."""
    from napari_haiku.export.report import write_counterfactual_report

    result.save(target)
    write_counterfactual_report(target / "report.html", result, atlas)
    return target


def pictures_of(atlas: Atlas, rows: Collection[int]) -> dict[int, NDArray[np.uint8]]:
    """Read the pictures of atlas patches; those that have none are left out."""
    pictures = {}
    for row in dict.fromkeys(rows):
        try:
            pictures[row] = atlas.thumbnail(row)
        except HaikuError:
            continue
    return pictures


def record_line(atlas: Atlas, row: int) -> str:
    """Say whose patch it is, and what is recorded of the patient."""
    record = atlas.record_of(row)
    words = ", ".join(f"{field.replace('_', ' ')} {text}" for field, text in record.items())
    return f"{atlas.pseudonym_of(row)}: {words or 'no record'}"
