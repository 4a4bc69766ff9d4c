"""``napari-haiku encode``: slides through the model, onto disk."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.opening import LOADING
from napari_haiku.cli.options import (
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
    images: Annotated[
        list[Path],
        typer.Argument(
            help="H&E or mIF image; several, or a cohort manifest (CSV), go into the folder "
            "--output one after another.",
            metavar="IMAGE...",
            show_default=False,
        ),
    ],
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
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="auto (what the device favours), fp32 or bf16.",
            metavar="NAME",
        ),
    ] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", help="Patches per pass through the model; by device.", min=1),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            help="Encode on a Dask cluster: its address, or local:N for N processes here.",
            metavar="ADDRESS",
        ),
    ] = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Encode slides; the same command again goes on where it stopped."""
    edits = parse_edits(settings)
    box = parse_box(region, "--region")
    several = len(images) > 1 or images[0].suffix.casefold() == ".csv"
    if several:
        refuse_what_names_one_slide(
            {
                "--mif": mif,
                "--metadata": metadata,
                "--patient": patient,
                "--set": settings,
                "--slide-id": slide_id,
                "--region": region,
            }
        )
    if scheduler is not None:
        # Workers may run in other folders and on other machines.
        images = [image.resolve() for image in images]
        mif = None if mif is None else mif.resolve()
        model = str(Path(model).resolve()) if Path(model).is_dir() else model
    with reporting(as_json, debug, kept=KEPT) as report:
        from napari_haiku.cli.encode_queue import queue_of, show_queue
        from napari_haiku.cli.encode_report import show_encoding
        from napari_haiku.cli.encode_where import computing_on
        from napari_haiku.cli.slides import open_slide
        from napari_haiku.encoding.pipeline import encode_slide
        from napari_haiku.encoding.queue import encode_queue
        from napari_haiku.encoding.request import EncodeOptions, EncodeRequest
        from napari_haiku.model.loading import load_model

        opener = partial(load_model, model, device=device, precision=precision)
        options = EncodeOptions(patch_um=patch_um, stride_um=stride_um, batch_size=batch_size)
        if several:
            slides = queue_of(
                images,
                output,
                options,
                pixel_size_um=pixel_size,
                markers=markers,
                affine=affine,
                tissue_threshold=tissue_threshold,
            )
            report.say(LOADING)
            towers = opener()
            report.say(f"Computing on {towers.device.label}.")
            with computing_on(scheduler, opener) as computing:
                outcomes = report.run(
                    encode_queue(
                        slides,
                        towers,
                        computing=computing,
                        on_failure=lambda slide: report.say(f"{slide.name}: {slide.reason}"),
                    )
                )
            show_queue(report, output, outcomes)
            return
        report.say("Opening the slide ...")
        slide = open_slide(
            images[0],
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
        report.say(LOADING)
        towers = opener()
        report.say(f"Computing on {towers.device.label}.")
        with computing_on(scheduler, opener) as computing:
            done = report.run(encode_slide(request, towers, computing=computing))
        show_encoding(report, done)


def refuse_what_names_one_slide(given: dict[str, object]) -> None:
    """Refuse options that say something of a single slide where there are several.

    Raises
    ------
    typer.BadParameter
        One was given.
    """
    for option, value in given.items():
        if value is not None:
            raise typer.BadParameter(
                "says something of one slide, but there are several: write it into a cohort "
                "manifest (CSV) and give that.",
                param_hint=option,
            )
