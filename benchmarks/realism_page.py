"""The reference page on virtual tissue, written from the measured figures."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from realism_reasons import LOOK, REASONS

from napari_haiku.simulation.difficulty import PRESETS, Difficulty
from napari_haiku.simulation.neutral import PLACEBO, TWINS

_FAR = 0.30
# Shares and correlations near zero are compared by difference: a ratio of two small numbers says
# nothing.
_SMALL = 0.05
_WEAK, _INVISIBLE = 0.4, 0.15

_INTRODUCTION = """# Virtual tissue

`napari-haiku simulate` draws patients with a clinical record, lays out their tissue, fills it with
cells and renders the *same cells* twice, as H&E and as multiplexed immunofluorescence. It is a
measuring instrument and an offline stand-in: the only place where a counterfactual has a right
answer. It is not patient data, and nothing here is evidence about patients.

```
napari-haiku simulate COHORT_DIR --patients 40 --seed 1                 # preset standard
napari-haiku simulate COHORT_DIR --patients 40 --seed 1 --preset hard --confounding
napari-haiku simulate COHORT_DIR --patients 40 --seed 1 --format ome-zarr --workers 4
```

A patient of 2 x 2 mm takes 19 s of one core (17.3 s to make, 1.6 s to write; CPU time on a busy
two-core machine). Same seed, same bytes, whatever the number of workers. The same command again
resumes. H&E has 0.5 um pixels, mIF 1.0 um, both as pyramids with pixel size and channel names.
`simulation.json` beside the manifest records seed, preset, every knob, and the generator's version;
a folder that an earlier generator made with the same pixels is renewed (manifest and settings), not
made again.
"""

_HARD = """## How hard it is

Three presets; in Python every knob by itself (`napari_haiku.simulation.difficulty.Difficulty`).
The knobs of the pictures change no cell and no niche.
"""

_BESIDE = """## Beside real tissue

Virtual: {patients} patients with colorectal tumours, preset standard, seed {seed}, {patches[0]}
patches. Real: one registered region of one colorectal slide, {patches[1]} patches (credit below).
Both at 1.3 um per pixel, measured by the same code (`benchmarks/realism.py`). Nuclei are found in
H&E at that size, so counts are lower bounds. Exact zeros are counted in the files' own pixels.

{near} of {count} quantities lie within 30 % of the real one (shares and correlations: or within
{small}). The rest are marked and explained under the table. One slide is one patient: how far it
stands from other patients is not in the figures.
"""

_UNMEASURED = """## Beside real tissue

Not measured yet for this generator. `benchmarks/realism.py` measures virtual and real tissue by the
same code at 1.3 um per pixel (colours, haematoxylin, nuclei, dark pixels, positive nuclei,
correlations between markers, what H&E shows of each marker, and how well real and virtual patches
are told apart), and writes the table here; it stops where a quantity more than 30 % off has no
explanation. What the tests hold in the meantime (`tests/simulation/test_realism.py`): colours
within 30 % and haematoxylin within 35 % of the real region, the share of exactly zero pixels within
0.20 for twelve markers, one marker (PDL1) hidden from H&E.
"""

_SEEN = """## What H&E shows of each marker

Pearson r of patch means predicted from 23 hand-made H&E features (the better of ridge regression
and 50 neighbours) on other patients (virtual) or another part of the slide (real). Virtual: {weak}
markers are weakly visible (r below {below_weak}): {weak_names}; {hidden} not visible (below
{below}): {hidden_names}. Hand-made features are a floor: a trained tower sees more.
"""

_APART = """## Can they be told apart?

Yes. Boosted trees on hand-made features of single H&E patches, folds by patient and by block of
the real region, balanced accuracy (0.5 would be indistinguishable):
"""


def page(figures: dict[str, Any] | None) -> str:
    """Write the page; fails where a quantity far from the real one has no explanation.

    Without figures the page says that they are still to be measured.
    """
    measured = (
        [_UNMEASURED] if figures is None else [_table(figures), _seen(figures), _apart(figures)]
    )
    parts = [_INTRODUCTION, _difficulty(), _neutral(), *measured, LOOK]
    return "\n".join(part.strip() + "\n" for part in parts)


def _difficulty() -> str:
    lines = [
        _HARD,
        "| knob | " + " | ".join(PRESETS) + " | what it does |",
        "|---|" + "---|" * (len(PRESETS) + 1),
    ]
    said = {
        "effect": "factor on every effect of record and tone",
        "noise": "factor on the noise of both pictures",
        "stain": "factor on how sites, scanners and slides differ in stain, blur and gain",
        "shift_um": "largest shift between the pictures, um; each slide has its own",
        "shear": "largest shear between the pictures, um per um",
        "serial_section": "the mIF shows the next section: same architecture, other cells",
        "missing_markers": "share of markers that each of three panels lacks",
        "confounding": "`--confounding`: sites differ in their stages too, not in stain alone",
    }
    for field in fields(Difficulty):
        values = " | ".join(f"{getattr(p, field.name)}" for p in PRESETS.values())
        lines.append(f"| `{field.name}` | {values} | {said[field.name]} |")
    return "\n".join(lines)


def _neutral() -> str:
    twins = ", ".join(f"`{twin}` ({field})" for twin, field in TWINS.items())
    placebo = ", ".join(f"`{name}` ({len(levels)})" for name, (levels, _) in PLACEBO.items())
    return f"""## Fields that carry nothing

Every record shows a random half of these, so that captions stay under 200 tokens.

- *Placebo fields* (levels), drawn by themselves: {placebo}.
- *Twins* (of which field): {twins}. A twin's values are those of a ghost, a second patient of the
  same site whom nothing links to the first, in neutral words: same levels, same frequencies, same
  ties between fields, nothing behind them. Fields that one edit changes together (tissue and
  disease, survival status and months) have twins of the same ghost that are shown together. The
  site has no twin.
"""


def _table(figures: dict[str, Any]) -> str:
    virtual, real = figures["virtual"], figures["real"]
    compared = [name for name in virtual if name in real]
    near = sum(not is_far(virtual[name], real[name]) for name in compared)
    lines = [
        _BESIDE.format(
            patients=figures["patients"],
            seed=figures["settings"]["seed"],
            patches=figures["patches"],
            near=near,
            count=len(compared),
            small=_SMALL,
        ),
        "| quantity | real | virtual | ratio | |",
        "|---|---:|---:|---:|---|",
    ]
    used: list[str] = []
    for name in compared:
        mark = ""
        if is_far(virtual[name], real[name]):
            reason = _reason(name)
            if reason not in used:
                used.append(reason)
            mark = f"({used.index(reason) + 1})"
        ratio = f"{virtual[name] / real[name]:.2f}" if abs(real[name]) >= 1e-3 else ""
        lines.append(
            f"| {name} | {_shown(real[name])} | {_shown(virtual[name])} | {ratio} | {mark} |"
        )
    lines += ["", *(f"{number}. {reason}" for number, reason in enumerate(used, 1))]
    return "\n".join(lines)


def is_far(virtual: float, real: float) -> bool:
    """Whether a figure is more than 30 % off, small ones by difference."""
    return abs(virtual - real) > max(_FAR * abs(real), _SMALL if abs(real) < 1 else 0)


def _reason(name: str) -> str:
    for pattern, reason in REASONS:
        if re.match(pattern, name):
            return reason
    raise SystemExit(f"{name} is more than 30 % off and has no explanation: write one.")


def _seen(figures: dict[str, Any]) -> str:
    virtual, real = figures["seen_virtual"], figures["seen_real"]
    order = sorted(virtual, key=lambda name: -virtual[name])
    weak = [name for name in order if _INVISIBLE <= virtual[name] < _WEAK]
    hidden = [name for name in order if virtual[name] < _INVISIBLE]
    lines = [
        _SEEN.format(
            weak=f"{len(weak)} of {len(order)}",
            weak_names=", ".join(weak) or "none",
            below_weak=_WEAK,
            hidden=len(hidden),
            hidden_names=", ".join(hidden) or "none",
            below=_INVISIBLE,
        ),
        "| marker | real | virtual |",
        "|---|---:|---:|",
    ]
    for name in order:
        there = f"{real[name]:.2f}" if name in real else ""
        lines.append(f"| {name} | {there} | {virtual[name]:.2f} |")
    return "\n".join(lines)


def _apart(figures: dict[str, Any]) -> str:
    lines = [_APART]
    lines += [f"- {name}: {value:.3f}" for name, value in figures["told_apart"].items()]
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.3g}"
