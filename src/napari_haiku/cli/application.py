"""The program ``napari-haiku``: its commands, and how it starts."""

import io
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

from napari_haiku.cli import (
    atlas,
    biomarkers,
    convert,
    cores,
    counterfactual,
    demo,
    doctor,
    encode,
    evaluate,
    export,
    info,
    models,
    niches,
    project,
    register,
    search,
    simulate,
    train,
)
from napari_haiku.cli.given_paths import Command

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


def _add(name: str, command: Callable[..., None], does: str) -> None:
    app.command(name, cls=Command, short_help=does)(command)


_add("demo", demo.demo, "The whole loop, on a virtual slide or yours.")
_add("doctor", doctor.doctor, "Check Python, GPU, window, model and disk.")
_add("info", info.info, "What an image says about itself.")
_add("cores", cores.cores, "A tissue microarray into a cohort.")
_add("register", register.register, "Lay an mIF onto its H&E.")
_add("models", models.models, "Models, their licences, what is on disk.")
_add("convert", convert.convert, "A published model into a safe model folder.")
_add("encode", encode.encode, "One slide through the model; resumes.")
app.add_typer(atlas.app, name="atlas", short_help="Build an atlas; say what is in it.")
_add("search", search.search, "The most similar tissue of an atlas.")
_add("biomarkers", biomarkers.biomarkers, "Markers of a slide from H&E and record.")
_add("niches", niches.niches, "Patches grouped by what they look like.")
_add("project", project.project, "Patches on a map, alike ones together.")
_add("counterfactual", counterfactual.counterfactual, "What would shift under an edited record.")
_add("simulate", simulate.simulate, "A virtual cohort with known truth.")
_add("train", train.train, "Train a model on a cohort.")
_add("evaluate", evaluate.evaluate, "Measure a model; writes a report.")
_add("export", export.export, "A slide's patches for other programs.")


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
