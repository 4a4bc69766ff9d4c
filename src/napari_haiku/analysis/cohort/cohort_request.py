"""What is asked of a whole cohort: whose records are edited, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.counterfactual.record_fields import as_number, same_value
from napari_haiku.atlas.selection import where_rows
from napari_haiku.clinical import Record, caption, edit_record, is_identifying, public_record
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.analysis.retrieval.text_reranking import Weighting
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.model.base import TissueModel

MIN_PATCHES = 5
MAX_TOKENS = 200


@dataclass(frozen=True)
class CohortCounterfactualRequest:
    """What is asked.

    Parameters
    ----------
    cohort : str
        Filter over the atlas: the slides whose records are edited.
    edits : dict of str to str
        Field to new value; ``*2.4`` multiplies a number and rounds it.
    k : int
        Neighbours behind each patch.
    weights : mapping, optional
        How much H&E and record count; by default 0.6 and 0.4.
    within_patient_um : float, optional
        Let the same patient answer from patches at least so far away, um; 0
        keeps the patient's own patches, as the published work does.
    where : str, optional
        Filter over the patches that may answer.
    weighting : {"equal", "scores", "softmax"}
        How neighbours count.
    label : tuple of str, optional
        Field, positive and negative value that the shifts are asked to tell apart.
    permutations : int
        Refitted permutations behind the p of that.
    resamples, seed : int
        Resampled atlases, and the seed of everything drawn.
    placebo : bool
        Whether text heads and placebo edits are run.
    """

    cohort: str
    edits: Record
    k: int = 50
    weights: Mapping[str, float] | None = None
    within_patient_um: float | None = None
    where: str | None = None
    weighting: Weighting = "equal"
    label: tuple[str, str, str] | None = None
    permutations: int = 200
    resamples: int = 500
    seed: int = 0
    placebo: bool = True

    def __post_init__(self) -> None:
        if self.k < 1:
            raise HaikuError(f"The number of neighbours must be at least 1, not {self.k}.")
        if self.weighting not in ("equal", "scores", "softmax"):
            raise HaikuError(
                f"Neighbours cannot be weighted by {self.weighting!r}: choose equal, scores or "
                "softmax."
            )
        if min(self.resamples, self.seed, self.permutations) < 0:
            raise HaikuError("The seed, resamples and permutations must be 0 or more.")
        if not self.edits:
            raise HaikuError(
                "Nothing was edited: change at least one field of the clinical record."
            )


@dataclass(frozen=True)
class CohortSlide:
    """One slide whose record is edited.

    Parameters
    ----------
    slide : int
        Row of the atlas's slides.
    patient : str
        Its patient.
    rows : ndarray of int64
        Its H&E patches, as atlas rows.
    before, after : dict of str to str
        The record as it reads and as edited.
    """

    slide: int
    patient: str
    rows: NDArray[np.int64]
    before: Record
    after: Record

    @property
    def captions(self) -> tuple[str, str]:
        """Both captions."""
        return caption(self.before), caption(self.after)


def check_edited_fields(atlas: Atlas, edits: Mapping[str, str]) -> None:
    """Refuse an edit of fields that the atlas does not have or that identify.

    Raises
    ------
    HaikuError
        Names the field.
    """
    for field in edits:
        if is_identifying(field):
            raise HaikuError(
                f'The field "{field}" identifies a person and enters no caption: edit a clinical '
                "field."
            )
        if field not in atlas.fields:
            there = ", ".join(name for name in atlas.fields if not is_identifying(name))
            raise HaikuError(
                f'The atlas has no field "{field}", so it cannot say what would shift: its fields '
                f"are {there or 'none'}."
            )


def cohort_slides(
    atlas: Atlas, model: TissueModel, request: CohortCounterfactualRequest
) -> tuple[list[CohortSlide], list[str]]:
    """Choose the slides of a cohort and edit their records.

    Returns
    -------
    list of CohortSlide
        Slides with five patches or more, a record of all edited fields and
        captions that the model can read whole.
    list of str
        Why others were left out.

    Raises
    ------
    HaikuError
        A field that the atlas does not have or that identifies, or fewer than
        two patients left.
    """
    check_edited_fields(atlas, request.edits)
    atlas.require_modality("he")
    chosen = where_rows(atlas, request.cohort) & atlas.has("he")
    slides, small, same, bare, long = [], 0, 0, 0, 0
    for slide in np.unique(atlas.slide_index[chosen]):
        rows = np.flatnonzero(chosen & (atlas.slide_index == slide))
        before = public_record(atlas.record_of(int(rows[0])))
        if any(field not in before for field in request.edits):
            bare += 1
            continue
        after = edit_record(
            before, {name: _new_value(before[name], new) for name, new in request.edits.items()}
        )
        if all(same_value(before[name], after[name]) for name in request.edits):
            same += 1
        elif len(rows) < MIN_PATCHES:
            small += 1
        elif any(_tokens(model, caption(record)) > MAX_TOKENS for record in (before, after)):
            long += 1
        else:
            patient = str(atlas.slides["patient_id"].iloc[int(slide)])
            slides.append(CohortSlide(int(slide), patient, rows, before, after))
    if len({slide.patient for slide in slides}) < 2:
        raise HaikuError(
            "Fewer than two patients of the cohort can be asked about: loosen --cohort, or edit "
            "fields that their records hold with other values."
        )
    reasons = (
        (bare, "whose record lacks an edited field"),
        (same, "whose record already reads so"),
        (small, f"with fewer than {MIN_PATCHES} patches"),
        (long, f"with a caption of more than {MAX_TOKENS} tokens"),
    )
    told = [f"Left out: {count} slides {why}." for count, why in reasons if count]
    return slides, told


def _new_value(old: str, new: str) -> str:
    """Apply an edit to one value; a factor leaves what is no number alone."""
    if not new.startswith("*"):
        return new
    factor, number = as_number(new[1:]), as_number(old)
    if not np.isfinite(factor):
        raise HaikuError(f'"{new}" is no factor: write a number after the star, such as *2.4.')
    return str(round(number * factor)) if np.isfinite(number) else old


def _tokens(model: TissueModel, words: str) -> int:
    """Count the tokens of a caption where the model's tower has a limit of them."""
    count = getattr(model, "count_tokens", None)
    return int(count(words)) if callable(count) else 0
