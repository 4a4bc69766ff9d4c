"""Does the window stay alive? Stalls of its thread while the docks work, and memory over rounds.

    xvfb-run -a python benchmarks/stalls.py --rounds 50 --page docs/reference/responsiveness.md

The virtual sample slide is encoded, searched, grouped, projected, predicted and compared with
an edited record in a real window by the docks' own buttons while a recorder ticks on the
window's thread.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import numpy as np
from napari.qt import get_qapp
from stall_recorder import StallRecorder

from napari_haiku.atlas.shipped import shipped_atlas
from napari_haiku.simulation.demo_slide import make_demo_slide
from napari_haiku.viewer.slides.sample import SAMPLE_SEED, sample_folder
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.navigation import (
    BIOMARKERS,
    COUNTERFACTUAL,
    ENCODE,
    NICHES,
    PLUGIN,
    SIMILAR,
    WORKBENCH,
)
from napari_haiku.widgets.journey import click_tissue, process_events, wait_until


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=0, help="Rounds of open, encode, close.")
    parser.add_argument("--searches", type=int, default=20)
    parser.add_argument("--atlas", type=Path, help="Atlas to search; the demo atlas by default.")
    parser.add_argument("--slide", type=Path, help="Folder of the virtual slide, made if absent.")
    parser.add_argument("--seed", type=int, default=SAMPLE_SEED, help="Of the virtual slide.")
    parser.add_argument("--page", type=Path, help="Page of the docs to write.")
    parser.add_argument("--json", type=Path, help="Figures as JSON.")
    options = parser.parse_args()
    # Timers tick only once there is an application.
    get_qapp()
    with tempfile.TemporaryDirectory() as folder:
        slide = _finished(make_demo_slide(options.slide or sample_folder(), options.seed))
        figures = {"machine": _machine(), "stalls": _stalls(slide, Path(folder), options)}
        if options.rounds:
            figures["memory"] = _memory(slide, Path(folder), options.rounds)
    text = json.dumps(figures, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text)
    if options.page:
        options.page.write_text(_page(figures), encoding="utf-8")


def _finished(job):
    from napari_haiku.jobs import run_job

    return run_job(job)


def _machine() -> dict[str, object]:
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {"cores": os.cpu_count(), "system": platform.system(), "load_before": round(busy, 1)}


def _open(folder: Path, slide, number: int):
    import napari

    viewer = napari.Viewer(show=True)
    _, bench = viewer.window.add_plugin_dock_widget(PLUGIN, WORKBENCH)
    bench = getattr(bench, "__wrapped__", bench)
    wait_until(lambda: len(bench.docks) > 0, WORKBENCH)
    if getattr(bench, "tour", None) is not None:
        bench.tour.leave()
    dock = bench.docks[ENCODE]
    dock.slides.open([slide.he, slide.mif])
    workspace = workspace_of(viewer)
    wait_until(lambda: workspace.has_slide, ENCODE)
    workspace.record = dict(slide.record)
    dock.save_to(folder / f"round{number}.haiku.zarr")
    wait_until(lambda: dock.ready, ENCODE)
    return viewer, bench, workspace


def _stalls(slide, folder: Path, options) -> dict[str, object]:
    recorder = StallRecorder()
    recorder.start()
    recorder.enter("opening")
    viewer, bench, workspace = _open(folder, slide, 0)
    recorder.enter("encoding")
    bench.docks[ENCODE].primary.click()
    wait_until(lambda: workspace.encoding is not None, ENCODE)
    process_events(0.5)
    recorder.enter(None)
    bench.docks[ENCODE].atlases.open(options.atlas or shipped_atlas())
    wait_until(lambda: workspace.atlas is not None, ENCODE)
    similar = bench.docks[SIMILAR]
    similar.go_to(SIMILAR)
    process_events(1.0)
    recorder.enter("searching")
    rng = np.random.default_rng(0)
    for row in rng.choice(len(workspace.encoding.centres_um), options.searches):
        x, y = workspace.encoding.centres_um[row]
        click_tissue(viewer, similar, float(x), float(y))
        wait_until(lambda: not similar.is_running(), SIMILAR)
        process_events(0.2)
    niches = bench.docks[NICHES]
    recorder.enter(None)
    niches.go_to(NICHES)
    process_events(1.0)
    recorder.enter("grouping and projecting")
    niches.primary.click()
    wait_until(lambda: workspace.niches is not None, NICHES)
    wait_until(lambda: not niches.is_running(), NICHES)
    process_events(0.5)
    biomarkers = bench.docks[BIOMARKERS]
    recorder.enter(None)
    biomarkers.go_to(BIOMARKERS)
    process_events(1.0)
    recorder.enter("predicting")
    biomarkers.primary.click()
    wait_until(lambda: workspace.biomarkers is not None, BIOMARKERS)
    wait_until(lambda: not biomarkers.is_running(), BIOMARKERS)
    process_events(0.5)
    counterfactual = bench.docks[COUNTERFACTUAL]
    recorder.enter(None)
    counterfactual.go_to(COUNTERFACTUAL)
    process_events(1.0)
    recorder.enter("comparing with an edited record")
    stage = slide.record.get("stage")
    counterfactual.set_field("stage", "II" if stage == "IV" else "IV")
    process_events(0.5)
    if workspace.counterfactual is None and not counterfactual.is_running():
        counterfactual.primary.click()
    wait_until(lambda: workspace.counterfactual is not None, COUNTERFACTUAL)
    wait_until(lambda: not counterfactual.is_running(), COUNTERFACTUAL)
    process_events(0.5)
    recorder.enter(None)
    recorder.stop()
    viewer.close()
    process_events(0.3)
    return {
        name: {
            **phase.row(),
            "over_50_of_ours": {
                holder: count
                for holder, count in phase.over_limit.most_common()
                if ":" in holder and count
            },
            "stacks_over_50": dict(phase.stacks.most_common(12)),
            "longest_of_ours": {
                holder: round(ms)
                for holder, ms in phase.longest_of_holder.most_common(8)
                if ":" in holder
            },
        }
        for name, phase in recorder.phases.items()
    }


def _memory(slide, folder: Path, rounds: int) -> dict[str, object]:
    resident, threads = [], []
    for number in range(1, rounds + 1):
        viewer, bench, workspace = _open(folder, slide, number)
        bench.docks[ENCODE].primary.click()
        wait_until(lambda w=workspace: w.encoding is not None, ENCODE)
        process_events(0.2)
        viewer.close()
        del viewer, bench, workspace
        process_events(0.2)
        gc.collect()
        resident.append(_resident_mb())
        threads.append(threading.active_count())
        print(f"round {number}: {resident[-1]} MB, {threads[-1]} threads", file=sys.stderr)
    # The first rounds fill caches of napari, torch and fonts.
    settled = resident[len(resident) // 5 :]
    slope = float(np.polyfit(np.arange(len(settled)), settled, 1)[0]) if len(settled) > 2 else 0.0
    return {
        "rounds": rounds,
        "resident_mb": resident,
        "threads": threads,
        "mb_a_round": slope,
    }


def _resident_mb() -> float:
    import psutil

    return round(psutil.Process().memory_info().rss / 2**20, 1)


def _page(figures) -> str:
    machine = figures["machine"]
    lines = [
        "# Is the window alive?",
        "",
        "Written by `benchmarks/stalls.py` on the virtual sample slide, in a real window with",
        f"software drawing, {machine['cores']} cores, load {machine['load_before']} before the",
        "run. A tick of 5 ms runs on the window's thread; a gap is the time beyond it, and what",
        "was on the stack meanwhile tells whose it was:",
        "",
        "- *own*: the plugin's own code, and the libraries it calls;",
        "- *asked of napari*: what napari does when the plugin asks it for something, above all",
        "  making a layer with its controls, which happens once a map and session;",
        "- *all*: everything, the canvas's software drawing included. *Computing* is what the",
        "  window's thread computed in it, without the time that other programs took.",
        "",
        "All times in ms.",
        "",
    ]
    heads = (
        *("while", "ticks", "own p99", "own max", "own over 50", "asked p99", "asked max"),
        *("asked over 50", "all p50", "all p99", "all max", "computing p99"),
    )
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    shown = (
        *("own_p99", "own_max", "own_over_50", "asked_p99", "asked_max", "asked_over_50"),
        *("p50", "p99", "max", "cpu_p99"),
    )
    for name, row in figures["stalls"].items():
        cells = " | ".join(f"{row[key]:.0f}" for key in shown)
        lines.append(f"| {name} | {row['ticks']} | {cells} |")
    lines += ["", "Longest stretches of the plugin's own code, and of what it asked for:", ""]
    for name, row in figures["stalls"].items():
        held = ", ".join(f"`{who}` {ms} ms" for who, ms in row["longest_of_ours"].items())
        lines.append(f"- {name}: {held or 'none over 20 ms'}")
    memory = figures.get("memory")
    if memory:
        first, last = memory["resident_mb"][0], memory["resident_mb"][-1]
        said = (
            f"Memory over {memory['rounds']} rounds of open, encode, close: {first:.0f} MB after"
            f" the first, {last:.0f} MB after the last, {memory['mb_a_round']:.2f} MB a round"
            f" once settled; {memory['threads'][0]} threads after the first,"
            f" {memory['threads'][-1]} after the last."
        )
        lines += ["", textwrap.fill(said, 100)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
