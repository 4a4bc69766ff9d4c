"""``napari-haiku export``: a slide's patches for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_haiku.cli.options import DebugFlag, JsonFlag
from napari_haiku.cli.parsing import parse_numbers
from napari_haiku.cli.reporting import reporting

if TYPE_CHECKING:
    from napari_haiku.analysis.regions.region import Region

_ALIASES = {"h5ad": "anndata", "png": "figure", "svg": "figure", "pdf": "figure"}
_Named = Literal[
    "geojson",
    "csv",
    "parquet",
    "anndata",
    "h5ad",
    "spatialdata",
    "ome-zarr",
    "figure",
    "png",
    "svg",
    "pdf",
]


def export(
    encoding: Annotated[Path, typer.Argument(metavar="ENC.zarr", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", help="File or folder to write.", metavar="OUT")
    ],
    to: Annotated[
        _Named, typer.Option("--format", "--to", help="What to write.", show_default=False)
    ],
    predictions: Annotated[
        Path | None,
        typer.Option("--biomarkers", help="Folder that 'biomarkers' wrote.", metavar="DIR"),
    ] = None,
    niches: Annotated[
        Path | None, typer.Option("--niches", help="Folder that 'niches' wrote.", metavar="DIR")
    ] = None,
    projection: Annotated[
        Path | None,
        typer.Option("--projection", help="Folder that 'project' wrote.", metavar="DIR"),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            "--regions",
            help="Annotations to send along, as QuPath exports them.",
            metavar="GEOJSON",
        ),
    ] = None,
    region_table: Annotated[
        bool,
        typer.Option(
            "--region-table", help="One row a region instead of one a patch (csv, parquet)."
        ),
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(
            "--image", help="The slide's image file, where its format needs it.", metavar="FILE"
        ),
    ] = None,
    modality: Annotated[
        Literal["he", "mif"] | None,
        typer.Option("--image-of", help="Which image QuPath has open; the H&E where there is one."),
    ] = None,
    ome_version: Annotated[
        Literal["0.4", "0.5"], typer.Option("--ome-version", help="Version of OME-Zarr.")
    ] = "0.5",
    show: Annotated[
        str | None,
        typer.Option(
            "--show", help="What a figure shows, such as 'CD8 predicted' or niches.", metavar="MAP"
        ),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option("--limits", help="Ends of a figure's colour bar.", metavar="LOW,HIGH"),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an earlier export of that name.")
    ] = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Write a slide's patches for QuPath, as a table or a figure."""
    ends = None
    if limits is not None:
        low, high = parse_numbers(limits, 2, "--limits", "0,100")
        ends = (low, high)
    if region_table and (regions is None or to not in ("csv", "parquet")):
        raise typer.BadParameter(
            "needs --regions and the format csv or parquet", param_hint="--region-table"
        )
    with reporting(as_json, debug) as report:
        from napari_haiku.encoding.store import Encoding
        from napari_haiku.export.exporting import (
            FORMATS,
            ExportRequest,
            describe_regions,
            export_patches,
        )
        from napari_haiku.export.geojson_reading import read_annotations
        from napari_haiku.export.provenance import provenance
        from napari_haiku.export.qupath_frame import qupath_frame
        from napari_haiku.export.reading import read_patch_data
        from napari_haiku.export.tables import write_table

        slide = Encoding.open(encoding)
        data = read_patch_data(slide, predictions=predictions, niches=niches, projection=projection)
        drawn: tuple[Region, ...] = ()
        if regions is not None:
            found = read_annotations(regions, qupath_frame(slide, image=image, modality=modality))
            drawn = found.regions
            if found.left_out:
                report.say(
                    f"{found.left_out} points or lines of {regions.name} enclose nothing and are "
                    "left out."
                )
        known = _ALIASES.get(to, to)
        format_ = next(name for name in FORMATS if name == known)
        request = ExportRequest(
            format=format_,
            output=output,
            replace=replace,
            regions=drawn,
            image=image,
            modality=modality,
            ome_version=ome_version,
            quantity=show,
            limits=ends,
        )
        if region_table:
            written = write_table(
                output, describe_regions(drawn, data), provenance(data), replace=replace
            )
            patches, of_regions = 0, len(drawn)
        else:
            done = report.run(export_patches(data, request))
            written, patches, of_regions = done.written, done.patches, done.regions
        report.result(
            {
                "format": format_,
                "written": [str(path) for path in written],
                "patches": patches,
                "regions": of_regions,
            },
            [f"Written: {', '.join(str(path) for path in written)}"],
        )
