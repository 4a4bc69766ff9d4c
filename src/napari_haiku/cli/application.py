"""The program ``napari-haiku``: its commands, and how it starts."""

import io
import sys
import warnings
from typing import Annotated

import typer

from napari_haiku.cli import (
    atlas,
    biomarkers,
    convert,
    counterfactual,
    demo,
    doctor,
    encode,
    info,
    models,
    niches,
    search,
    simulate,
    train,
)

app = typer.Typer(
    name="napari-haiku",
    help="See what the model sees in H&E, mIF and the clinical record. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from napari_haiku import __version__

        typer.echo(f"napari-haiku {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """See what the model sees in H&E, mIF and the clinical record. Research use only."""


app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("info")(info.info)
app.command("models")(models.models)
app.command("convert")(convert.convert)
app.command("encode")(encode.encode)
app.add_typer(atlas.app, name="atlas")
app.command("search")(search.search)
app.command("biomarkers")(biomarkers.biomarkers)
app.command("niches")(niches.niches)
app.command("counterfactual")(counterfactual.counterfactual)
app.command("simulate")(simulate.simulate)
app.command("train")(train.train)


def main() -> None:
    """Start the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Marker and file names may hold any letter; a narrow code page must not end the work.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if not sys.warnoptions:
        # What the user must know is told in sentences; libraries' warnings are for developers.
        warnings.simplefilter("ignore")
    app()
