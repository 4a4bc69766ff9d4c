"""``napari-haiku evaluate``: every figure of a model on a cohort, with interval and chance."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_haiku.cli.opening import atlas_place
from napari_haiku.cli.options import DebugFlag, DeviceOption, JsonFlag, PixelSizeOption, SeedOption
from napari_haiku.cli.reporting import reporting

PAGE = "report.html"


def evaluate(
    source: Annotated[Path, typer.Argument(metavar="ATLAS|COHORT.csv", show_default=False)],
    output: Annotated[Path, typer.Option("--output", help="Folder of the report.", metavar="DIR")],
    fit: Annotated[
        Path | None,
        typer.Option(
            "--fit",
            help="Cohort on which heads are fitted; other patients.",
            metavar="ATLAS|COHORT.csv",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="'default' or a model folder.", metavar="NAME|DIR"),
    ] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks",
            help="Such as retrieval,biomarkers; every task by default.",
            metavar="TASK,...",
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option("--protocol", help="honest, or published: the paper's own.", metavar="NAME"),
    ] = "honest",
    time: Annotated[
        str | None,
        typer.Option("--time", help="Column of months; survival_months by default.", metavar="COL"),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option(
            "--event", help="Column of events; survival_status by default.", metavar="COL"
        ),
    ] = None,
    censor: Annotated[
        str | None,
        typer.Option("--censor", help="Column that marks censoring instead.", metavar="COL"),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="Field to classify; repeatable.", metavar="FIELD"),
    ] = None,
    gallery: Annotated[
        int | None,
        typer.Option("--gallery", help="Evaluate exactly so many patches, drawn by the seed."),
    ] = None,
    resamples: Annotated[
        int, typer.Option("--resamples", help="Resamples of the patients behind every interval.")
    ] = 1000,
    seed: SeedOption = 0,
    pixel_size: PixelSizeOption = None,
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Measure a model on an atlas or a cohort; writes report.json and report.html."""
    kept = "Slides that are encoded are kept; the same command goes on from there."
    with reporting(as_json, debug, kept=kept) as report:
        from napari_haiku.evaluation.evaluating import evaluate as run
        from napari_haiku.evaluation.request import EvaluateRequest
        from napari_haiku.export.evaluation_report import write_evaluation_report

        done = report.run(
            run(
                EvaluateRequest(
                    source=atlas_place(source),
                    output=output,
                    model=model,
                    fit=None if fit is None else atlas_place(fit),
                    tasks=_names(tasks),
                    protocol=protocol,
                    time=time,
                    event=event,
                    censor=censor,
                    labels=tuple(label or ()),
                    gallery=gallery,
                    seed=seed,
                    resamples=resamples,
                    device=device,
                    pixel_size_um=pixel_size,
                ),
                on_failure=report.say,
            )
        )
        write_evaluation_report(output / PAGE, done.content)
        for task, reason in done.skipped.items():
            report.say(f"{task} was left out: {reason}")
        if done.content["about"]["seen_in_training"]:
            report.say(done.content["about"]["seen_in_training"])
        report.result(done.content, _lines(done.content, output))


def _names(tasks: list[str] | None) -> tuple[str, ...] | None:
    if tasks is None:
        return None
    return tuple(name.strip() for entry in tasks for name in entry.split(",") if name.strip())


def _lines(content: dict[str, Any], output: Path) -> list[str]:
    about = content["about"]
    lines = [
        (
            f"{about['patients']} patients, {about['patches']:,} patches, model {about['model']}, "
            f"protocol {about['protocol']}."
        )
    ]
    for title, path in _HEADLINES:
        figure: Any = content
        for key in path:
            figure = figure.get(key) if isinstance(figure, dict) else None
        if isinstance(figure, dict) and figure.get("value") is not None:
            lines.append(f"  {title}: {_told(figure)}")
    return [*lines, f"Report: {output / PAGE}"]


_HEADLINES = (
    ("H&E to mIF, R@50", ("retrieval", "he->mif", "R@50")),
    ("mIF to H&E, R@50", ("retrieval", "mif->he", "R@50")),
    ("Biomarkers, mean r", ("biomarkers", "mean_r")),
    ("Survival, C-index", ("survival", "c_index")),
    ("Counterfactual, sign accuracy", ("counterfactual", "sign_accuracy")),
    ("Flip accuracy", ("flip_accuracy",)),
)


def _told(figure: dict[str, Any]) -> str:
    text = f"{figure['value']:.3f}"
    if figure["ci"] is not None:
        text += f" ({figure['ci'][0]:.3f} to {figure['ci'][1]:.3f})"
    if figure["chance"] is not None:
        text += f", chance {figure['chance']:.3f}"
    return text
