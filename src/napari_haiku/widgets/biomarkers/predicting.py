"""From a question to maps, table rows and files; what is slow here runs in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.viewer.biomarkers.marker_maps import MarkerMaps, atlas_sample
from napari_haiku.viewer.biomarkers.marker_rows import MarkerRow, marker_rows

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, BiomarkerResult
    from napari_haiku.analysis.niches.niches import NicheResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.jobs import Job
    from napari_haiku.model.base import TissueModel


def predict_maps(
    encoding: Encoding, atlas: Atlas, request: BiomarkerRequest, niches: NicheResult | None
) -> Job[MarkerMaps]:
    """Predict every marker of the atlas, and prepare what is drawn."""
    from napari_haiku.analysis.biomarkers.biomarkers import predict_biomarkers

    result = yield from predict_biomarkers(encoding, atlas, request)
    maps = MarkerMaps(encoding.grid, result, atlas_sample(atlas))
    maps.agreement = agreement_by_niche(maps, niches)
    # Hatching a large slide takes a while: do it here, off the main thread.
    _ = maps.outside
    return maps


def agreement_by_niche(maps: MarkerMaps, niches: NicheResult | None) -> pd.DataFrame | None:
    """Compare with what was measured, over all patches and by niche of the same slide."""
    result = maps.result
    if niches is None or len(niches.labels) != 1:
        return result.agreement()
    own = niches.of()
    if len(own.labels) != len(maps.grid.rows):
        return result.agreement()
    return result.agreement(own.labels[result.rows], own.names)


def seen_words(model: TissueModel | None, encoding: Encoding, result: BiomarkerResult) -> str:
    """Say that the model was trained on this tissue; "" where it was not."""
    from napari_haiku.model.seen_images import seen_in_training, seen_notice

    if model is None or model.fingerprint != encoding.model_fingerprint:
        return ""
    fingerprints = encoding.image_fingerprints.values()
    return seen_notice(seen_in_training(model.card, fingerprints, result.centres_um))


def rows_of(maps: MarkerMaps) -> list[MarkerRow]:
    """Rows of the marker table, with all that is known of each marker."""
    result, intervals = maps.result, maps.result.intervals
    held = (
        {}
        if intervals is None
        else dict(zip(intervals.markers, intervals.checked.tolist(), strict=True))
    )
    return marker_rows(
        result.markers,
        result.pearson_r,
        predictable=maps.predictable(),
        agreement=maps.agreement,
        coverage=held,
    )


def export_maps(target: Path, maps: MarkerMaps) -> Path:
    """Write tables and maps into a new folder."""
    from napari_haiku.analysis.counterfactual.result_tables import write_csv
    from napari_haiku.export.maps import write_maps_ome_zarr

    maps.result.save(target)
    if maps.agreement is not None:
        write_csv(target / "agreement.csv", maps.agreement)
    pictures = {marker: maps.picture(marker) for marker in sorted(maps.predictable())}
    write_maps_ome_zarr(target / "maps.ome.zarr", pictures, maps.grid)
    return target
