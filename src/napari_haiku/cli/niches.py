"""``napari-haiku niches``: patches grouped by what they look like."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_haiku.cli.options import DebugFlag, JsonFlag, OutputOption, SeedOption
from napari_haiku.cli.reporting import reporting


def niches(
    sources: Annotated[list[Path], typer.Argument(metavar="ENC.zarr...|ATLAS", show_default=False)],
    output: OutputOption,
    clusters: Annotated[int, typer.Option("--clusters", help="Number of niches.", min=1)] = 4,
    modality: Annotated[
        Literal["he", "mif", "both"], typer.Option("--modality", help="What makes patches alike.")
    ] = "he",
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Let each patch listen to its neighbours.")
    ] = False,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Group the patches of slides, or of a whole atlas, into niches."""
    with reporting(as_json, debug) as report:
        from napari_haiku.analysis.niches.niches import find_atlas_niches, find_niches
        from napari_haiku.atlas.layout import DESCRIPTION
        from napari_haiku.atlas.store import Atlas
        from napari_haiku.encoding.store import Encoding

        if len(sources) == 1 and (sources[0] / DESCRIPTION).is_file():
            job = find_atlas_niches(
                Atlas.open(sources[0]),
                clusters=clusters,
                modality=modality,
                seed=seed,
                smooth=smooth,
            )
        else:
            job = find_niches(
                [Encoding.open(source) for source in sources],
                clusters=clusters,
                modality=modality,
                seed=seed,
                smooth=smooth,
            )
        found = report.run(job)
        found.save(output)
        report.result(
            {
                "niches": {niche: found.names[niche] for niche in found.niches},
                "sizes": found.sizes,
                "patches": sum(found.sizes.values()),
                "slides": len(found.slides),
                "modality": modality,
                "seed": seed,
                "output": str(output),
            },
            [f"{found.names[niche]}: {found.sizes[niche]:,} patches" for niche in found.niches],
        )
