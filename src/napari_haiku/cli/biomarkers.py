"""``napari-haiku biomarkers``: markers of a slide, read off similar measured patches."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import (
    DebugFlag,
    JsonFlag,
    NeighboursOption,
    OutputOption,
    WeightsOption,
    WhereOption,
    WithinPatientOption,
)
from napari_haiku.cli.parsing import parse_weights
from napari_haiku.cli.reporting import reporting

MAPS = "maps.ome.zarr"


def biomarkers(
    encoding: Annotated[Path, typer.Argument(metavar="ENC.zarr", show_default=False)],
    atlas: Annotated[Path, typer.Argument(metavar="ATLAS", show_default=False)],
    output: OutputOption,
    k: NeighboursOption = 50,
    weights: WeightsOption = None,
    within_patient: WithinPatientOption = None,
    where: WhereOption = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Predict markers from H&E and record; the slide's own mIF is never asked."""
    shares = parse_weights(weights)
    with reporting(as_json, debug) as report:
        from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, predict_biomarkers
        from napari_haiku.atlas.store import Atlas
        from napari_haiku.encoding.store import Encoding
        from napari_haiku.export.maps import write_biomarker_maps

        slide = Encoding.open(encoding)
        predicted = report.run(
            predict_biomarkers(
                slide,
                Atlas.open(atlas),
                BiomarkerRequest(
                    k=k, weights=shares, within_patient_um=within_patient, where=where
                ),
            )
        )
        predicted.save(output)
        maps = output / MAPS
        write_biomarker_maps(maps, predicted, slide.grid)
        report.result(
            {
                "patches": len(predicted),
                "markers": predicted.markers,
                "pearson_r": predicted.pearson_r,
                "mean_pearson_r": predicted.mean_pearson_r,
                "outside_atlas": int(predicted.outside_atlas.sum()),
                "weights": predicted.weights,
                "label": predicted.label,
                "output": str(output),
                "maps": str(maps),
            },
            [
                (
                    f"{len(predicted):,} patches predicted for {len(predicted.markers)} markers; "
                    f"{int(predicted.outside_atlas.sum()):,} have nothing alike in the atlas."
                ),
                *(f"  {name}: r = {r:.2f}" for name, r in predicted.pearson_r.items()),
                *([predicted.label] if predicted.label else []),
            ],
        )
