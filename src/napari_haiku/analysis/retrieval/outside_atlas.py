"""Telling tissue that the atlas knows from tissue unlike anything in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.atlas.selection import where_rows
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas

QUANTILE = 0.02
GAP_UM = 500.0
_SAMPLE = 1000
_LEAST = 50


@dataclass(frozen=True)
class OutsideCalibration:
    """How alike the best match of tissue known to the atlas is.

    Parameters
    ----------
    threshold : float
        Tissue whose best match is less alike lies outside. NaN: unknown.
    quantile : float
        Share of the atlas's own patches that would lie outside of the rest.
    patches : int
        Atlas patches it was read from.
    how : str
        A sentence for the user.
    """

    threshold: float
    quantile: float
    patches: int
    how: str

    def outside(self, best: NDArray[Any]) -> NDArray[np.bool_]:
        """Flag patches by the similarity of their best match, H&E to mIF.

        A patch without any match (NaN) lies outside. Where the threshold is
        unknown no other patch is flagged.
        """
        best = np.asarray(best, np.float64)
        flagged: NDArray[np.bool_] = np.isnan(best) | (best < self.threshold)
        return flagged


def calibrate_outside(
    atlas: Atlas,
    *,
    within_patient_um: float | None = None,
    where: str | None = None,
    quantile: float = QUANTILE,
    seed: int = 0,
) -> Job[OutsideCalibration]:
    """Read from the atlas itself how alike a best match has to be.

    Atlas patches, at most a thousand and as many of each patient, are matched
    from their H&E to the mIF of all other patients, the way a new slide would
    be. In an atlas of one patient, or where the same patient may answer, their
    own patient answers too, from a distance.

    Parameters
    ----------
    atlas : Atlas
        Needs H&E and mIF embeddings.
    within_patient_um : float, optional
        Gap of the question that this is for; None leaves whole patients out.
    where : str, optional
        Filter of the question that this is for.
    quantile : float
        Share of known tissue that may be flagged.
    seed : int
        Seed of the sample.
    """
    if "he" not in atlas.modalities:
        return _unknown("This atlas has no H&E, so unknown tissue cannot be told from known.")
    vectors = atlas.embeddings("he")
    usable = atlas.has("he")
    patients, number = patient_numbers(atlas)
    answering = atlas.has("mif") & (where_rows(atlas, where) if where else True)
    gap = within_patient_um
    if gap is None and len(patients) == 1:
        gap = GAP_UM
    rng = np.random.default_rng(seed)
    best: list[NDArray[Any]] = []
    for patient, name in enumerate(patients):
        yield Progress(patient, len(patients), "Learning what the atlas knows", "patients")
        others = answering if gap is not None else answering & (number != patient)
        if not others.any():
            continue
        rows = np.flatnonzero((number == patient) & usable)
        rows = _sample(rows, _SAMPLE // len(patients) + 1, rng)
        # Positions of different slides of a patient share no frame.
        for slide in np.unique(atlas.slide_index[rows]):
            own = rows[atlas.slide_index[rows] == slide]
            hits = search(
                atlas,
                np.asarray(vectors[own], np.float32),
                target="mif",
                k=1,
                where=where,
                exclude=Exclusion(
                    patient_id=name,
                    slide_id=str(atlas.slides["slide_id"].iloc[slide]),
                    within_patient_um=gap,
                ),
                query_positions_um=atlas.positions_um[own],
            )
            best.append(hits.similarity[hits.indices[:, 0] >= 0, 0])
    found = np.concatenate(best) if best else np.empty(0)
    if len(found) < _LEAST:
        return _unknown(
            "The atlas is too small to say what tissue it knows; nothing is marked as unknown."
        )
    return OutsideCalibration(
        threshold=float(np.quantile(found, quantile)),
        quantile=quantile,
        patches=len(found),
        how=(
            f"Tissue less alike than the lowest {quantile:.0%} of the atlas's own patches, "
            + (
                "each matched with other patients."
                if gap is None
                else f"each matched at least {gap:g} um away."
            )
        ),
    )


def _sample(rows: NDArray[np.intp], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(rng.choice(rows, size, replace=False)) if len(rows) > size else rows


def _unknown(how: str) -> OutsideCalibration:
    return OutsideCalibration(float("nan"), QUANTILE, 0, how)
