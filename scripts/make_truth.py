"""Compute the truth of a preset and write it among the package's assets.

Usage: python scripts/make_truth.py [standard|easy|hard] [--confounding]
       [--persons 120] [--rendered 60] [--patients 20000] [--work DIR]

The tissue of the persons (every one at every grade) does not depend on the
preset; `--work` keeps it, so that the next preset starts where the response is
measured. About an hour of one processor for the first preset.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.simulation.difficulty import PRESETS, Difficulty, difficulty_preset
from napari_haiku.simulation.record import GRADES, draw_patient
from napari_haiku.simulation.truth import parquet, truth_table
from napari_haiku.simulation.truth_curves import measure_curves
from napari_haiku.simulation.truth_estimates import World
from napari_haiku.simulation.truth_population import draw_population, measure_rim
from napari_haiku.simulation.truth_regression import slopes_on_looks
from napari_haiku.simulation.truth_response import measure_response
from napari_haiku.simulation.truth_tissue import Tissue, make_tissue
from napari_haiku.simulation.vocabulary import niche_index

if TYPE_CHECKING:
    from collections.abc import Callable

# No cohort's seeds.
CURVES_SEED, TISSUE_SEED, PEOPLE_SEED = 1917, 1918, 1919
ASSETS = Path(__file__).parents[1] / "src/napari_haiku/assets/truth"


def main() -> None:
    """Compute step by step; each finished step is kept in the work folder."""
    options = _options()
    preset: Difficulty = difficulty_preset(options.preset, confounding=options.confounding)
    plain = replace(preset, confounding=False)
    work = Path(options.work or tempfile.mkdtemp(prefix="truth_"))
    work.mkdir(parents=True, exist_ok=True)
    say(f"Working in {work}.")
    tissues: list[Tissue] = []
    for person in range(options.persons):
        tissues += kept(work / f"tissue_{person:03d}.pkl", partial(_at_every_grade, person))
    say(f"{len(tissues)} tissues.")
    name = options.preset
    curves = kept(
        work / f"{name}_curves_{options.rendered}.pkl",
        lambda: measure_curves(CURVES_SEED, range(options.rendered), plain),
    )
    say("Curves measured.")
    response = kept(
        work / f"{name}_response_{options.persons}.pkl",
        lambda: measure_response(tissues, curves, plain.effect),
    )
    say("Response measured.")
    owners = [
        draw_patient(
            TISSUE_SEED,
            tissue.patient.index,
            edits={"grade": tissue.patient.clinical["grade"]},
            difficulty=plain,
        )
        for tissue in tissues
    ]
    slopes = kept(
        work / f"{name}_slopes_{options.persons}.pkl",
        lambda: slopes_on_looks(tissues, owners, curves),
    )
    margin = niche_index("tumour margin")
    first = tissues[:: len(GRADES)]
    rim = measure_rim(
        np.stack([tissue.share for tissue in first]),
        np.array([list(tissue.patient.log_area.values())[margin] for tissue in first]),
    )
    kind = "_confounded" if options.confounding else ""
    people = kept(
        work / f"{name}{kind}_people_{options.patients}.pkl",
        lambda: draw_population(PEOPLE_SEED, options.patients, preset),
    )
    say("Patients drawn.")
    world = World(people, response, slopes, curves.unit, rim)
    table = truth_table(world, told=lambda edit: say(" ".join(edit.names)))
    ASSETS.mkdir(parents=True, exist_ok=True)
    path = ASSETS / f"{name}{kind}.parquet"
    path.write_bytes(parquet(table))
    real = table[(table["role"] == "real") & (table["kind"] == "conditional")]
    say(f"{path.name}: {len(table)} rows, {path.stat().st_size} bytes; real-effect rows an edit:")
    say(str(real.groupby(["field", "from", "to"], observed=True).size()))


def _at_every_grade(person: int) -> list[Tissue]:
    return [make_tissue(TISSUE_SEED, person, {"grade": grade}) for grade in GRADES]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="standard", choices=sorted(PRESETS))
    parser.add_argument("--confounding", action="store_true")
    parser.add_argument("--persons", type=int, default=120)
    parser.add_argument("--rendered", type=int, default=60)
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--work", default=None)
    return parser.parse_args()


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """Return what the work folder keeps under a name, made when it is absent."""
    if path.exists():
        # Written by this script only.
        return pickle.loads(path.read_bytes())  # noqa: S301
    result = make()
    path.write_bytes(pickle.dumps(result))
    return result


def say(message: str) -> None:
    """Tell how far it is."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
