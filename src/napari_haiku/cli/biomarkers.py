"""``napari-haiku biomarkers``: markers of a slide, read off similar measured patches."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_haiku.cli.opening import check_output, loaded_model, opened_atlas, opened_encoding
from napari_haiku.cli.options import (
    AtlasArgument,
    DebugFlag,
    DeviceOption,
    JsonFlag,
    ModelOption,
    NeighboursOption,
    OutputOption,
    WeightsOption,
    WhereOption,
    WithinPatientOption,
)
from napari_haiku.cli.parsing import parse_weights
from napari_haiku.cli.reporting import reporting

if TYPE_CHECKING:
    from napari_haiku.analysis.biomarkers.conformal import IntervalCalibration
    from napari_haiku.analysis.retrieval.query_map import QueryMap

MAPS = "maps.ome.zarr"


def biomarkers(
    encoding: Annotated[Path, typer.Argument(metavar="ENC.zarr", show_default=False)],
    atlas: AtlasArgument,
    output: OutputOption,
    k: NeighboursOption = 50,
    weights: WeightsOption = None,
    within_patient: WithinPatientOption = None,
    where: WhereOption = None,
    coverage: Annotated[
        float,
        typer.Option(
            "--coverage",
            help="Stated coverage of the intervals, checked on atlas patients left out; 0 leaves "
            "intervals out.",
            min=0,
            max=0.999,
        ),
    ] = 0.9,
    niches: Annotated[
        Path | None,
        typer.Option("--niches", help="Niches of the slide: r is given for each.", metavar="DIR"),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(
            "--query",
            help="Words and markers over the slide, such as 'CD8 high, tumour margin'; repeatable.",
        ),
    ] = None,
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Predict markers from H&E and record; the slide's own mIF is never asked."""
    shares = parse_weights(weights)
    with reporting(as_json, debug) as report:
        from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, predict_biomarkers
        from napari_haiku.analysis.biomarkers.conformal import calibrate_intervals
        from napari_haiku.analysis.counterfactual.result_tables import write_csv
        from napari_haiku.analysis.niches.niches import read_niches
        from napari_haiku.analysis.retrieval.query_map import map_query, read_query
        from napari_haiku.atlas.selection import where_rows
        from napari_haiku.export.maps import write_biomarker_maps

        check_output(output)
        slide, evidence = opened_encoding(encoding), opened_atlas(atlas)
        evidence.check_model(slide.model_fingerprint)
        if where is not None:
            where_rows(evidence, where)
        request = BiomarkerRequest(
            k=k, weights=shares, within_patient_um=within_patient, where=where
        )
        labels = None if niches is None else read_niches(niches, slide.centres_um)
        asked = [read_query(words, slide.markers or evidence.markers) for words in query or ()]
        towers = loaded_model(report, model, device) if any(one.words for one in asked) else None
        intervals = None
        if coverage and {"he", "mif"} <= set(evidence.modalities):
            intervals = report.run(calibrate_intervals(evidence, request, level=coverage))
        predicted = report.run(predict_biomarkers(slide, evidence, request, intervals=intervals))
        predicted.save(output)
        agreement = predicted.agreement(
            None if labels is None else labels.labels, None if labels is None else labels.names
        )
        if agreement is not None:
            write_csv(output / "agreement.csv", agreement)
        answers = []
        for number, words in enumerate(query or (), 1):
            found = map_query(
                slide,
                words,
                model=towers,
                markers=predicted.markers,
                predicted=predicted.shown(),
            )
            found.save(output, f"query_{number}.parquet")
            answers.append(_answer(found, f"query_{number}.parquet"))
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
                "coverage": None if intervals is None else _coverage(intervals),
                "queries": answers,
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
                *([intervals.how] if intervals is not None else []),
                *(
                    f"{answer['query']}: best at "
                    + ", ".join(f"{x:g},{y:g} um" for x, y in answer["best_um"][:3])
                    for answer in answers
                ),
                *(note for answer in answers for note in answer["notes"]),
                *([predicted.label] if predicted.label else []),
            ],
        )


def _coverage(intervals: "IntervalCalibration") -> dict[str, Any]:
    found = dict(zip(intervals.markers, intervals.checked.tolist(), strict=True))
    return {"stated": intervals.level, "found": found, "says": intervals.how}


def _answer(found: "QueryMap", file: str) -> dict[str, Any]:
    return {
        "query": found.query,
        "words": found.asked.words,
        "markers": dict(found.asked.markers),
        "markers_from": found.markers_from,
        "best_um": found.centres_um[found.best(5)].tolist(),
        "notes": list(found.notes),
        "file": file,
    }
