"""``napari-haiku project``: patches as points on a plane, alike ones together."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_haiku.cli.opening import check_output, is_atlas, opened_atlas, opened_encoding
from napari_haiku.cli.options import DebugFlag, JsonFlag, OutputOption, SeedOption
from napari_haiku.cli.reporting import reporting


def project(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="ENC.zarr...|ATLAS",
            help="Encoded slides, or an atlas; 'demo' is the one that ships.",
            show_default=False,
        ),
    ],
    output: OutputOption,
    modality: Annotated[
        Literal["he", "mif", "both"], typer.Option("--modality", help="What makes patches alike.")
    ] = "he",
    repeat: Annotated[
        Literal["exact", "fast"],
        typer.Option("--repeat", help="The same map for a seed on one core, or all cores."),
    ] = "exact",
    neighbours: Annotated[
        int, typer.Option("--neighbours", help="Neighbours each patch holds on to.", min=2)
    ] = 15,
    min_dist: Annotated[
        float, typer.Option("--min-dist", help="How close points may come.", min=0, max=1)
    ] = 0.1,
    fit_on: Annotated[
        int, typer.Option("--fit-on", help="Patches fitted on; the rest are placed.", min=10)
    ] = 20_000,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Lay the patches of slides, or of a whole atlas, out on a plane by UMAP."""
    with reporting(as_json, debug) as report:
        from napari_haiku.analysis.niches.projection import (
            CAUTION,
            ProjectionRequest,
            project_atlas,
            project_encodings,
        )

        check_output(output)
        request = ProjectionRequest(
            modality=modality,
            repeat=repeat,
            seed=seed,
            neighbours=neighbours,
            min_dist=min_dist,
            fit_on=fit_on,
        )
        if len(sources) == 1 and is_atlas(sources[0]):
            job = project_atlas(opened_atlas(sources[0]), request)
        else:
            job = project_encodings([opened_encoding(source) for source in sources], request)
        found = report.run(job)
        found.save(output)
        report.result(
            {
                "patches": len(found),
                "fitted": int(found.fitted.sum()),
                "slides": len(found.slides),
                "modality": modality,
                "repeat": repeat,
                "seed": seed,
                "output": str(output),
            },
            [f"{len(found):,} patches laid out, {int(found.fitted.sum()):,} fitted.", CAUTION],
        )
