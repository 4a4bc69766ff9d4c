"""Which patches of an atlas may answer a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.atlas.where import comparisons, evaluate, parse_where, resolve_field
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding


class NobodyAnswersError(HaikuError):
    """No patch may answer; in one shard of several that is no failure."""


_PATCH_FIELDS = ("slide_id", "patient_id", "x_um", "y_um", "tissue_fraction")


@dataclass(frozen=True)
class Exclusion:
    """What belongs to the question itself and must not answer it.

    Parameters
    ----------
    patient_id, slide_id : str, optional
        Every patch of this patient and of this slide is out.
    within_patient_um : float, optional
        Keep the same patient and slide, but drop every patch closer to the
        query than this. Results made so carry ``notices.SAME_PATIENT``.
    """

    patient_id: str | None = None
    slide_id: str | None = None
    within_patient_um: float | None = None

    def __post_init__(self) -> None:
        gap = self.within_patient_um
        if gap is not None and not (np.isfinite(gap) and gap >= 0):
            raise HaikuError(f"The gap within a patient must be 0 um or more, not {gap}.")

    @classmethod
    def of(cls, encoding: Encoding, within_patient_um: float | None = None) -> Exclusion:
        """Leave out what belongs to this encoding, whose patches ask."""
        return cls(encoding.patient_id or None, encoding.slide_id, within_patient_um)


def own_rows(atlas: Atlas, exclude: Exclusion) -> NDArray[np.bool_]:
    """Patches of the query's own patient or slide, shape (n,)."""
    slides = atlas.slides
    own = np.zeros(len(slides), bool)
    if exclude.patient_id:
        own |= slides["patient_id"].to_numpy() == exclude.patient_id
    if exclude.slide_id:
        own |= slides["slide_id"].to_numpy() == exclude.slide_id
    result: NDArray[np.bool_] = own[atlas.slide_index]
    return result


def where_rows(atlas: Atlas, where: str) -> NDArray[np.bool_]:
    """Patches that a filter keeps, shape (n,).

    Raises
    ------
    HaikuError
        The filter cannot be read, names no field of the atlas, or keeps nothing.
    """
    condition = parse_where(where)
    fields = (*atlas.fields, *_PATCH_FIELDS)

    def column(name: str) -> pd.Series:
        return atlas.patches[name]

    kept = evaluate(condition, fields, column)
    if not kept.any():
        raise NobodyAnswersError(
            f"No patch of the atlas fits the filter{_hint(atlas, where)}: loosen it."
        )
    return kept


def eligible_rows(
    atlas: Atlas, target: str, where: str | None, exclude: Exclusion | None
) -> NDArray[np.bool_]:
    """Patches that may answer any of the queries, shape (n,).

    Raises
    ------
    HaikuError
        None is left.
    """
    atlas.require_modality(target)
    kept = atlas.has(target)
    if where:
        kept &= where_rows(atlas, where)
    if exclude is not None and exclude.within_patient_um is None:
        others = ~own_rows(atlas, exclude)
        if not (kept & others).any():
            raise NobodyAnswersError(
                "Every patch that could answer belongs to the slide's own patient: use an atlas "
                "with other patients, or allow other regions of the same patient with "
                "--within-patient and a gap in um."
            )
        kept &= others
    if not kept.any():
        raise NobodyAnswersError(
            "No patch of the atlas can answer: choose another target or filter."
        )
    return kept


def _hint(atlas: Atlas, where: str) -> str:
    """Values that the first field of the filter takes, if it is a clinical field."""
    for comparison in comparisons(parse_where(where)):
        field = resolve_field(comparison.field, (*atlas.fields, *_PATCH_FIELDS))
        if field in atlas.fields:
            values = list(atlas.values_of(field))
            shown = ", ".join(values[:8]) + (", ..." if len(values) > 8 else "")
            return f" ({field} is one of: {shown or 'nothing recorded'})"
    return ""
