"""The right answers beside a virtual cohort: what each edit of the record truly shifts."""

from __future__ import annotations

import io
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_haiku.simulation.difficulty import CUSTOM, Difficulty, preset_name
from napari_haiku.simulation.record import draw_patient, log_hazard
from napari_haiku.simulation.truth_edits import Edit, edits_of, fields_with_effect
from napari_haiku.simulation.truth_estimates import KINDS, Estimate, World, estimate
from napari_haiku.simulation.vocabulary import MARKERS, NICHES
from napari_haiku.storage import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["AREA", "ROLES", "TRUTH", "fields_with_effect", "truth_table", "write_truth"]

TRUTH, PATIENTS = "truth.parquet", "patients.parquet"
AREA = "__area__"
ROLES = ("real", "zero", "travelling", "opposite", "other")
COLUMNS = (
    "field", "from", "to", "niche", "marker", "kind", "true_shift", "se", "unit", "role", "path",
)  # fmt: skip
REAL_SHIFT, REAL_ERRORS = 0.2, 5.0
# What neighbours of other niches inside the patch may bring and still be called nothing.
NOTHING_SHIFT, TRAVELLING_SHIFT = 0.05, 0.1
_EXACTLY_ZERO = 1e-9


def truth_table(
    world: World, edits: Iterable[Edit] | None = None, told: Callable[[Edit], None] | None = None
) -> pd.DataFrame:
    """Compute the truth of edits.

    Parameters
    ----------
    world : World
        The model: latents, response of the tissue, units.
    edits : iterable of Edit, optional
        Which; all of :func:`truth_edits.edits_of` when left out.
    told : callable, optional
        Called with each edit when it is done.

    Returns
    -------
    DataFrame
        Columns COLUMNS, one row for every edit, niche, marker and kind.
    """
    area_unit = np.concatenate(world.shares).std(0)
    tables = []
    for edit in edits_of(world.people) if edits is None else edits:
        found = estimate(world, edit)
        tables.append(_rows(edit, found, world.unit, area_unit))
        if told:
            told(edit)
    table = pd.concat(tables, ignore_index=True)
    for name in ("field", "from", "to", "niche", "marker", "kind", "role", "path"):
        table[name] = table[name].astype("category")
    return table


def _rows(
    edit: Edit,
    found: dict[str, Estimate],
    unit: NDArray[np.float64],
    area_unit: NDArray[np.float64],
) -> pd.DataFrame:
    path = _paths(found["conditional"])
    role = _roles(found, path)
    # The share of a niche has no row for given_he: it is not the mean of a patch.
    tables = []
    niches, markers = np.repeat(NICHES, len(MARKERS)), np.tile(MARKERS, len(NICHES))
    for kind in KINDS:
        tables.append(
            pd.DataFrame(
                {
                    "niche": niches,
                    "marker": markers,
                    "kind": kind,
                    "true_shift": found[kind].shift.ravel(),
                    "se": found[kind].se.ravel(),
                    "unit": np.tile(unit, len(NICHES)),
                    "role": role.ravel(),
                    "path": path.ravel(),
                }
            )
        )
        if kind != "given_he":
            tables.append(
                pd.DataFrame(
                    {
                        "niche": NICHES,
                        "marker": AREA,
                        "kind": kind,
                        "true_shift": found[kind].area / area_unit,
                        "se": found[kind].area_se / area_unit,
                        "unit": area_unit,
                        "role": "other",
                        "path": np.where(np.abs(found[kind].area) > _EXACTLY_ZERO, "niche", "none"),
                    }
                )
            )
    table = pd.concat(tables, ignore_index=True)
    # Adding 0.0 turns -0.0 into 0.0.
    table["true_shift"] = (table["true_shift"].round(4) + 0.0).astype(np.float32)
    table["se"] = table["se"].round(4).astype(np.float32)
    table["unit"] = table["unit"].astype(np.float32)
    for place, (name, value) in enumerate(zip(COLUMNS[:3], edit.names, strict=True)):
        table.insert(place, name, value)
    return table[list(COLUMNS)]


def _paths(conditional: Estimate) -> NDArray[np.object_]:
    """Say how an edit reaches a patch: by the niche's own cells, by neighbours, or not at all."""
    own = np.abs(conditional.own) > _EXACTLY_ZERO
    any_path = np.abs(conditional.shift) > _EXACTLY_ZERO
    return np.where(own, "niche", np.where(any_path, "neighbours", "none")).astype(object)


def _roles(found: dict[str, Estimate], path: NDArray[np.object_]) -> NDArray[np.object_]:
    """Say what each row may be used for; see docs/reference/ground_truth.md."""
    conditional, given_he, marginal = (
        found[kind] for kind in ("conditional", "given_he", "marginal")
    )
    size = np.abs(conditional.shift)
    strong = (size >= REAL_SHIFT) & (size >= REAL_ERRORS * conditional.se) & (path == "niche")
    opposite = (
        (np.sign(given_he.shift) != np.sign(conditional.shift))
        & (np.abs(given_he.shift) > 2 * given_he.se)
        & (given_he.shift != 0)
    )
    nothing = (path != "niche") & (size < NOTHING_SHIFT)
    travelling = nothing & (np.abs(marginal.shift) >= TRAVELLING_SHIFT)
    role = np.full(size.shape, "other", object)
    role[strong & ~opposite] = "real"
    role[strong & opposite] = "opposite"
    role[nothing] = "zero"
    role[travelling] = "travelling"
    return role


def truth_of(difficulty: Difficulty) -> bytes | None:
    """Return the shipped truth of a preset as a Parquet file; None for other difficulties.

    The truth does not depend on a cohort's seed. For knobs of one's own
    `scripts/make_truth.py` computes it.
    """
    name = preset_name(difficulty)
    if name == CUSTOM:
        return None
    kind = "_confounded" if difficulty.confounding else ""
    file = resources.files("napari_haiku") / "assets" / "truth" / f"{name}{kind}.parquet"
    return file.read_bytes() if file.is_file() else None


def write_truth(
    folder: Path, seed: int, slides: dict[int, tuple[str, str]], difficulty: Difficulty
) -> bool:
    """Write `truth.parquet`, where it is known, and `patients.parquet` beside a manifest.

    Parameters
    ----------
    folder : Path
        The cohort's folder.
    seed : int
        The cohort's seed.
    slides : dict of int to (str, str)
        Slide and patient id of each patient's index.
    difficulty : Difficulty
        The cohort's knobs.

    Returns
    -------
    bool
        Whether the truth of this difficulty is known.
    """
    patients = [draw_patient(seed, index, difficulty=difficulty) for index in slides]
    table = pd.DataFrame(
        {
            "slide_id": [slide for slide, _ in slides.values()],
            "patient_id": [patient for _, patient in slides.values()],
            "log_hazard": [log_hazard(patient) for patient in patients],
            "tone": [patient.tone for patient in patients],
        }
    )
    write_bytes(folder / PATIENTS, parquet(table))
    truth = truth_of(difficulty)
    if truth is not None:
        write_bytes(folder / TRUTH, truth)
    return truth is not None


def parquet(table: pd.DataFrame) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    stream = io.BytesIO()
    table.to_parquet(stream, index=False, compression="zstd")
    return stream.getvalue()
