"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")
]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]
ModelOption = Annotated[
    str, typer.Option("--model", help="'default' or a model folder.", metavar="NAME|DIR")
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.", metavar="DEVICE")
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option("--batch-size", help="Patches per pass through the model; by device.", min=1),
]
PatchOption = Annotated[
    float | None,
    typer.Option(
        "--patch-um", help="Side of a patch in um; what the model reads by default.", metavar="UM"
    ),
]
StrideOption = Annotated[
    float | None,
    typer.Option(
        "--stride-um",
        help="Step from one patch to the next in um; one patch of the model by default.",
        metavar="UM",
    ),
]
PixelSizeOption = Annotated[
    float | None,
    typer.Option("--pixel-size", help="Pixel size in um of images that do not say.", metavar="UM"),
]
MarkersOption = Annotated[
    Path | None,
    typer.Option("--markers", help="Text file, one marker name a line.", metavar="FILE"),
]
MetadataOption = Annotated[
    Path | None,
    typer.Option(
        "--metadata",
        help="Clinical record: a JSON object, or a CSV with one row per patient.",
        metavar="FILE",
    ),
]
PatientOption = Annotated[
    str | None, typer.Option("--patient", help="Patient: a row of --metadata.", metavar="ID")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Clinical field and value; repeatable.", metavar="FIELD=VALUE"),
]
AtlasArgument = Annotated[
    Path,
    typer.Argument(
        metavar="ATLAS",
        help="Folder of an atlas; 'demo' is the one that ships with the package.",
        show_default=False,
    ),
]
OutputOption = Annotated[Path, typer.Option("--output", help="Folder to write.", metavar="DIR")]
NeighboursOption = Annotated[
    int, typer.Option("-k", "--k", help="How many atlas patches answer each question.", min=1)
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="Such as he=0.8,text=0.2.", metavar="he=W,text=W"),
]
WithinPatientOption = Annotated[
    float | None,
    typer.Option(
        "--within-patient",
        help="Keep the slide's own patient, but no patch nearer than this many um.",
        metavar="GAP_UM",
        min=0,
    ),
]
WhereOption = Annotated[
    str | None,
    typer.Option("--where", help="Such as \"disease = 'Lung Cancer'\".", metavar="CONDITION"),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of everything drawn at random.")]
