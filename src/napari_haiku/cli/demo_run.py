"""The demo from start to end: prepare, ask, show, sum up."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.analysis.niches.niche_request import CLUSTERS
from napari_haiku.cli.demo_analysis import Answers, Subject, answer
from napari_haiku.cli.demo_edit import choose_edit
from napari_haiku.cli.demo_plan import DemoPlan
from napari_haiku.cli.demo_screen import choose_screen, walked
from napari_haiku.cli.demo_slides import DemoSource, Prepared, prepare_real, prepare_virtual
from napari_haiku.cli.plain_values import plain
from napari_haiku.notices import RESEARCH_USE
from napari_haiku.storage import speaking, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_haiku.cli.reporting import Report

SUMMARY = "summary.json"
PLAN = "journey.json"


class Stopwatch:
    """Seconds that each step took, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time one step."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(time.perf_counter() - begin, 2)


def run_demo(report: Report, source: DemoSource, output: Path, *, no_window: bool) -> None:
    """Walk the whole loop and leave ``summary.json``, results and pictures in `output`.

    Parameters
    ----------
    report : Report
        Where to tell about it.
    source : DemoSource
        Which slide.
    output : Path
        Folder, made if absent.
    no_window : bool
        Draw on a screen of our own even where the user has one.

    Raises
    ------
    HaikuError
        The slide cannot be used, or the window failed.
    """
    with speaking(output):
        output.mkdir(parents=True, exist_ok=True)
    watch = Stopwatch()
    begin = time.perf_counter()
    with watch("screen"):
        screen = choose_screen(no_window=no_window)
    if screen.why:
        report.say(screen.why)
    prepare = prepare_virtual if source.he is None else prepare_real
    ready = prepare(report, source, output, watch)
    if ready.notice:
        report.say(ready.notice)
    edits = choose_edit(ready.slide.record, ready.atlas)
    answers = answer(
        report,
        Subject(
            encoding=ready.encoding,
            atlas=ready.atlas,
            model=ready.model,
            rows=ready.rows,
            within_patient_um=ready.within_patient_um,
            edits=edits,
            seed=source.seed,
            output=output,
        ),
        watch,
    )
    summary = _summary(source, ready, answers)
    plan_file = output / PLAN
    _plan(source, ready, answers, edits).write(plan_file)
    # Written before the window opens, so that a window that fails takes no figure with it.
    write_json(output / SUMMARY, summary | {"seconds": watch.seconds, "screenshots": []})
    if screen.kind != "none":
        report.say("Walking the same steps in the window ...")
    opened = time.perf_counter()
    with walked(plan_file, output, screen) as pictures:
        now = time.perf_counter()
        watch.seconds |= {"window": round(now - opened, 2), "total": round(now - begin, 2)}
        summary |= {"seconds": watch.seconds, "screenshots": pictures}
        write_json(output / SUMMARY, summary)
        report.result(summary | {"output": str(output)}, _lines(summary, output))
        if screen.kind == "display":
            report.say("Close the napari window to end.")


def _summary(source: DemoSource, ready: Prepared, answers: Answers) -> dict[str, Any]:
    from napari_haiku import __version__

    content: dict[str, Any] = plain(
        {
            "slide": "virtual" if source.he is None else "yours",
            **answers.figures,
            "atlas": {
                "name": ready.atlas.name,
                "patients": ready.atlas.n_patients,
                "patches": ready.atlas.n_patches,
            },
            "model": ready.model.name,
            "model_fingerprint": ready.model.fingerprint,
            "model_notice": ready.notice,
            "device": ready.model.device.label,
            "seed": source.seed,
            "version": __version__,
            "notice": RESEARCH_USE,
        }
    )
    return content


def _plan(source: DemoSource, ready: Prepared, answers: Answers, edits: dict[str, str]) -> DemoPlan:
    return DemoPlan(
        he=ready.he_file,
        mif=ready.mif_file,
        encoding=ready.encoding.path,
        atlas=ready.atlas.path,
        model=source.model,
        record=ready.encoding.record,
        at_um=answers.at_um,
        marker=answers.marker,
        clusters=CLUSTERS,
        edits=edits,
        within_patient_um=ready.within_patient_um,
        region_um=ready.region_um,
        seed=source.seed,
        notice=ready.notice,
    )


def _lines(summary: dict[str, Any], output: Path) -> list[str]:
    known = {name: r for name, r in summary["pearson_r"].items() if r is not None}
    best = sorted(known.items(), key=lambda entry: -entry[1])
    counterfactual = summary["counterfactual"]
    edit = ", ".join(f"{field} {value}" for field, value in counterfactual["edit"].items())
    atlas = summary["atlas"]
    whose = "1 patient" if atlas["patients"] == 1 else f"{atlas['patients']} patients"
    lines = [
        f"{summary['patches']:,} patches encoded.",
        f"Atlas: {atlas['patches']:,} patches of {whose}.",
    ]
    if summary["mean_pearson_r"] is not None:
        lines.append(
            f"Predicted against measured, {summary['patches_predicted']:,} patches: mean r = "
            f"{summary['mean_pearson_r']:.2f} ("
            + ", ".join(f"{name} {r:.2f}" for name, r in best)
            + ")"
        )
    if summary["label"]:
        lines.append(summary["label"])
    lines.append("Niches: " + ", ".join(f"{k} ({n})" for k, n in summary["niches"].items()))
    if "refused" in counterfactual:
        lines.append(f"Counterfactual: {counterfactual['refused']}")
    else:
        lines.append(
            f"Counterfactual {edit}: support {counterfactual['support']}; "
            f"{counterfactual['rows_supported']} of {counterfactual['rows']} shifts supported. "
            f"{counterfactual['notice']}"
        )
    pictures = len(summary["screenshots"])
    lines.append(
        f"{pictures} pictures of the window and {SUMMARY} in {output}"
        if pictures
        else f"{SUMMARY} in {output}"
    )
    lines.append(f"{summary['notice']}.")
    return lines
