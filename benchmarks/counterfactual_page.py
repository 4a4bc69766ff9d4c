"""The page of the docs that tells how counterfactual tests of several models fare."""

from __future__ import annotations

import json
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "counterfactual_null.md"
START, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TESTS = {
    "wilcoxon_over_patches": "patches, signed rank (published)",
    "tissue_blocks": "blocks of tissue",
    "atlas_bootstrap": "atlas patients alone",
    "placebo_t": "placebo edits, t",
    "heads_plus_atlas": "refitted heads + atlas, simply added up",
    "refitted_heads": "**refitted heads and atlas, shared part once: p**",
    "heads_and_placebo": "**the larger of that and placebo edits: what q asks**",
}
RECOVERY = (
    "`evaluate --tasks counterfactual` with the heads that each model ships: the mean shift of up "
    "to 60 patients against the truth of the edit; intervals over patients."
)
SIGNS = (
    "Sign under `conditional`: real-effect rows; under the other truths: rows of at least 0.2 SD "
    "under that truth."
)
KINDS = ("conditional", "given_he", "marginal", "interventional")


def write_page(work: Path) -> None:
    """Put the tables of every model that was evaluated between the markers of the page."""
    done = [_read(file) for file in sorted(work.glob("*/evaluate/report.json"))]
    if not done:
        raise SystemExit(f"No model was evaluated under {work}.")
    drawn = [model for model in done if model[0]]
    lines = [*(_false_alarms(drawn) if drawn else []), "", *_recovery(done), ""]
    lines += [*_own_heads(done), "", *_own_tests(done)]
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    print(f"{PAGE.name}: {len(done)} models, {len(drawn)} of them with many heads")


def _read(file: Path) -> tuple[dict | None, dict, str]:
    """What many heads gave (None where they were not fitted), the evaluation, and a name."""
    home = file.parents[1]
    summary = home / "summary.json"
    label, _, fingerprint = home.name.rpartition("-")
    return (
        json.loads(summary.read_text()) if summary.is_file() else None,
        json.loads(file.read_text()),
        f"{label} ({fingerprint})",
    )


def _false_alarms(done: list) -> list[str]:
    about = done[0][0]["settings"]
    drawn = (
        f"{about['heads']} heads a model, each fitted on its own {about['patients_a_head']} of "
        f"{about['patients_to_draw_from']} patients and refitted on 16 bootstraps of them; "
        f"atlases of {about['atlas_patients']} other patients, at most "
        f"{about['patches_a_niche']} patches of a niche. Intervals over heads."
    )
    lines = [
        "## Many heads on frozen towers",
        "",
        drawn,
        "",
        "| model | test | placebo tables | any q < 0.05 | rows p < 0.05 | power: real p < 0.05 |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for summary, _, name in done:
        for test, words in TESTS.items():
            if test not in summary["tests"]:
                continue
            each = summary["tests"][test]
            cells = [_with_interval(each.get(one)) for one in ("any", "rows", "power")]
            lines.append(f"| {name} | {words} | {each['tables']} | {' | '.join(cells)} |")
    return lines


def _recovery(done: list) -> list[str]:
    lines = [
        "## What is recovered",
        "",
        RECOVERY,
        "",
        "| model | figure | " + " | ".join(KINDS) + " | atlas contrast (conditional) |",
        "|---|---|" + "---:|" * (len(KINDS) + 1),
    ]
    for _, report, name in done:
        found = report["counterfactual"]
        for figure, words in (("sign_accuracy", "sign"), ("spearman", "Spearman in niche")):
            cells = [_figure(found["by_truth"].get(kind, {}).get(figure)) for kind in KINDS]
            cells[0] = _figure(found[figure])
            contrast = _figure(found.get(f"atlas_contrast_{figure}"))
            lines.append(f"| {name} | {words} | {' | '.join(cells)} | {contrast} |")
    return [*lines, "", SIGNS]


def _own_heads(done: list) -> list[str]:
    columns = {
        "gain": "gain",
        "spill_over": "spill-over",
        "travelling": "travelling rows",
        "coverage": "coverage of the repeatable shift",
        "placebo_rate": "placebo tables, any q < 0.05",
        "placebo_row_rate": "placebo rows, p < 0.05",
        "power": "power",
    }
    lines = [
        "| model | " + " | ".join(columns.values()) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    notes = []
    for _, report, name in done:
        found = report["counterfactual"]
        asked = {**found, "placebo_rate": found["tests"]["heads_and_placebo"]["placebo_rate"]}
        cells = [_figure(asked.get(column)) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        notes += [found["coverage"].get("note", ""), found["gain"].get("note", "")]
    return [*lines, "", *(note for note in dict.fromkeys(notes) if note)]


def _own_tests(done: list) -> list[str]:
    lines = [
        "Every test of the same tables (one model's own text direction; intervals over patients):",
        "",
        "| model | test | any q < 0.05 | rows p < 0.05 | power |",
        "|---|---|---:|---:|---:|",
    ]
    for _, report, name in done:
        found = report["counterfactual"]["tests"]
        for test, words in TESTS.items():
            each = found.get(test, {})
            cells = [_figure(each.get(k)) for k in ("placebo_rate", "placebo_row_rate", "power")]
            lines.append(f"| {name} | {words} | {' | '.join(cells)} |")
    return lines


def _with_interval(share: dict | None) -> str:
    if share is None:
        return ""
    return f"{share['value']:.3f} ({share['low']:.3f} to {share['high']:.3f})"


def _figure(figure: dict | None) -> str:
    if figure is None or figure["value"] is None:
        return "not estimable"
    interval = figure.get("ci")
    told = f"{figure['value']:.3f}"
    return told if interval is None else f"{told} ({interval[0]:.3f} to {interval[1]:.3f})"
