"""``napari-haiku niches``: patches grouped by what they look like."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_haiku.analysis.niches.niche_request import CLUSTERS, METHOD, SMOOTH, NicheRequest
from napari_haiku.cli.opening import check_output, is_atlas, opened_atlas, opened_encoding
from napari_haiku.cli.options import DebugFlag, JsonFlag, OutputOption, SeedOption
from napari_haiku.cli.reporting import reporting

if TYPE_CHECKING:
    from napari_haiku.analysis.niches.niches import NicheResult


def _number(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter("give a number from 1, or auto", param_hint="--clusters")
    return int(text)


def niches(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="ENC.zarr...|ATLAS",
            help="Encoded slides, or an atlas; 'demo' is the one that ships.",
            show_default=False,
        ),
    ],
    output: OutputOption,
    clusters: Annotated[
        str,
        typer.Option(
            "--clusters",
            "--k",
            help="Number of niches; auto takes the one that comes out alike in separate parts "
            "of the tissue.",
            metavar="N|auto",
        ),
    ] = str(CLUSTERS),
    modality: Annotated[
        Literal["he", "mif", "both"] | None,
        typer.Option(
            "--modality",
            help="What makes patches alike; by default everything that all slides have.",
        ),
    ] = None,
    method: Annotated[
        Literal["kmeans", "gaussian", "leiden"],
        typer.Option("--method", help="How to group; leiden finds the number by itself."),
    ] = METHOD,
    resolution: Annotated[
        float, typer.Option("--resolution", help="Of leiden: larger gives more niches.")
    ] = 1.0,
    smooth: Annotated[
        bool,
        typer.Option("--smooth/--no-smooth", help="Let each patch listen to its eight neighbours."),
    ] = SMOOTH,
    permutations: Annotated[
        int,
        typer.Option(
            "--permutations",
            help="Of the test of which niches lie side by side; 0 leaves it out.",
            min=0,
        ),
    ] = 1000,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Group the patches of slides, or of a whole atlas, into niches."""
    wanted = _number(clusters)
    with reporting(as_json, debug) as report:
        from napari_haiku.analysis.niches.neighbourhood import niche_neighbourhood
        from napari_haiku.analysis.niches.niche_request import usual_modality
        from napari_haiku.analysis.niches.niche_slides import (
            atlas_modalities,
            atlas_slides,
            encoding_slides,
        )
        from napari_haiku.analysis.niches.niches import group_slides

        check_output(output)
        from_atlas = len(sources) == 1 and is_atlas(sources[0])
        atlas = opened_atlas(sources[0]) if from_atlas else None
        encodings = [] if from_atlas else [opened_encoding(source) for source in sources]
        grouped_by = modality or usual_modality(
            [atlas_modalities(atlas)] if atlas is not None else [e.modalities for e in encodings]
        )
        request = NicheRequest(
            clusters=wanted,
            modality=grouped_by,
            seed=seed,
            smooth=smooth,
            method=method,
            resolution=resolution,
        )
        slides = (
            atlas_slides(atlas, grouped_by)
            if atlas is not None
            else encoding_slides(encodings, grouped_by)
        )
        found = report.run(group_slides(slides, request))
        found.save(output)
        touching = None
        if permutations and len(found.niches) > 1:
            work = niche_neighbourhood(found, permutations=permutations, seed=seed)
            touching = report.run(work)
            touching.save(output)
        report.result(
            {
                "niches": {niche: found.names[niche] for niche in found.niches},
                "sizes": found.sizes,
                "patches": sum(found.sizes.values()),
                "slides": len(found.slides),
                "modality": grouped_by,
                "smooth": smooth,
                "method": method,
                "stability": None if found.number is None else found.number.to_json(),
                "neighbourhood": touching is not None,
                "seed": seed,
                "output": str(output),
            },
            _lines(found),
        )


def _lines(found: "NicheResult") -> list[str]:
    lines = [f"{found.names[niche]}: {found.sizes[niche]:,} patches" for niche in found.niches]
    if found.number is not None and found.number.note:
        lines.append(found.number.note)
    return lines
