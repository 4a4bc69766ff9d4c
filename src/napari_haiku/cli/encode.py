"""``napari-haiku encode``: one slide through the model, onto disk."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import (
    BatchSizeOption,
    DebugFlag,
    DeviceOption,
    JsonFlag,
    MarkersOption,
    MetadataOption,
    ModelOption,
    OutputOption,
    PatchOption,
    PatientOption,
    PixelSizeOption,
    SetOption,
    StrideOption,
)
from napari_haiku.cli.parsing import parse_box, parse_edits
from napari_haiku.cli.reporting import reporting

KEPT = "What is encoded is kept; the same command goes on from there."


def encode(
    image: Annotated[Path, typer.Argument(help="H&E or mIF image.", show_default=False)],
    output: OutputOption,
    mif: Annotated[
        Path | None, typer.Option("--mif", help="Registered mIF image of the same section.")
    ] = None,
    model: ModelOption = "default",
    metadata: MetadataOption = None,
    patient: PatientOption = None,
    settings: SetOption = None,
    slide_id: Annotated[
        str | None, typer.Option("--slide-id", help="Name of the slide; the file's by default.")
    ] = None,
    markers: MarkersOption = None,
    pixel_size: PixelSizeOption = None,
    patch_um: PatchOption = None,
    stride_um: StrideOption = None,
    region: Annotated[
        str | None,
        typer.Option("--region", help="Only patches centred in this box.", metavar="X0,Y0,X1,Y1"),
    ] = None,
    affine: Annotated[
        Path | None,
        typer.Option(
            "--affine",
            help="Lays the mIF onto the H&E: 2 x 3 or 3 x 3, in um (JSON or CSV).",
            metavar="FILE",
        ),
    ] = None,
    tissue_threshold: Annotated[
        float | None,
        typer.Option(
            "--tissue-threshold",
            help="Where tissue begins, instead of what is found: optical density for H&E, "
            "log signal for mIF.",
            min=0,
        ),
    ] = None,
    device: DeviceOption = "auto",
    batch_size: BatchSizeOption = 64,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Encode one slide; the same command again goes on where it stopped."""
    edits = parse_edits(settings)
    box = parse_box(region, "--region")
    with reporting(as_json, debug, kept=KEPT) as report:
        from napari_haiku.cli.slides import open_slide
        from napari_haiku.encoding.layout import read_attributes
        from napari_haiku.encoding.pipeline import encode_slide
        from napari_haiku.encoding.request import EncodeRequest
        from napari_haiku.model.loading import load_model

        slide = open_slide(
            image,
            mif,
            pixel_size_um=pixel_size,
            markers=markers,
            metadata=metadata,
            patient=patient,
            edits=edits,
            slide_id=slide_id,
            affine=affine,
        )
        request = EncodeRequest(
            he=slide.he,
            mif=slide.mif,
            output=output,
            slide_id=slide.slide_id,
            patient_id=slide.patient_id,
            record=slide.record,
            patch_um=patch_um,
            stride_um=stride_um,
            batch_size=batch_size,
            region_um=box,
            tissue_threshold=tissue_threshold,
        )
        done = report.run(encode_slide(request, load_model(model, device=device)))
        attributes = read_attributes(done.path)
        for note in done.notes:
            report.say(note)
        registration = attributes.get("registration")
        if registration and registration["sentence"] not in done.notes:
            report.say(registration["sentence"])
        report.result(
            {
                "output": str(done.path),
                "patches": done.patches,
                "markers": done.markers,
                "patch_um": done.patch_um,
                "resumed_from": done.resumed_from,
                "seconds": round(done.seconds.get("total", sum(done.seconds.values())), 3),
                "seconds_by_step": {k: round(v, 3) for k, v in done.seconds.items()},
                "tissue": attributes.get("tissue"),
                "registration": registration,
                "notes": done.notes,
            },
            [
                f"{done.patches:,} patches of {done.patch_um:g} um encoded in {done.path.name}"
                + (f" ({done.resumed_from:,} were there already)." if done.resumed_from else ".")
            ],
        )
