"""The atlas patches that answer for one patch, under the record as it is and as edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.record_fields import same_value
from napari_haiku.viewer.counterfactual.shift_layers import edit_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
    from napari_haiku.atlas.store import Atlas


@dataclass(frozen=True)
class Answering:
    """One atlas patch that answers.

    Parameters
    ----------
    row : int
        Row of the atlas.
    value : float
        What was measured there; NaN where the marker was not.
    carries : bool
        Whether its patient is recorded as the edit says.
    only_here : bool
        Whether it answers on this side only.
    """

    row: int
    value: float
    carries: bool
    only_here: bool


@dataclass(frozen=True)
class Sides:
    """Both sides of the answer at one patch.

    Parameters
    ----------
    marker : str
        Canonical name.
    patch : int
        Row of the encoding.
    edit : str
        What was edited, in words.
    baseline, edited : tuple of Answering
        All neighbours under either record, most alike first.
    shift : float
        Counterfactual minus baseline in SD of the atlas; NaN where not estimable.
    outside : bool
        Whether the patch is unlike anything in the atlas.
    """

    marker: str
    patch: int
    edit: str
    baseline: tuple[Answering, ...]
    edited: tuple[Answering, ...]
    shift: float
    outside: bool

    @property
    def stayed(self) -> int:
        """How many neighbours answer on both sides."""
        return sum(not one.only_here for one in self.baseline)

    def carrying(self, side: tuple[Answering, ...]) -> str:
        """Say how many neighbours of a side come from patients recorded as edited."""
        return f"{sum(one.carries for one in side)} of {len(side)} recorded as edited"


def sides_at(result: CounterfactualResult, atlas: Atlas, patch: int, marker: str) -> Sides | None:
    """Collect what answers for one patch; None where it was not asked about.

    Parameters
    ----------
    result : CounterfactualResult
        The answer.
    atlas : Atlas
        Where it was read.
    patch : int
        Row of the encoding.
    marker : str
        Canonical name.
    """
    found = np.flatnonzero(result.rows == patch)
    if not len(found):
        return None
    place = int(found[0])
    before, after = result.neighbours_before[place], result.neighbours_after[place]
    column = result.markers.index(marker) if marker in result.markers else None
    return Sides(
        marker=marker,
        patch=int(patch),
        edit=edit_words(result.edit.before, result.edit.after),
        baseline=_side(result, atlas, before, after, column),
        edited=_side(result, atlas, after, before, column),
        shift=float("nan") if column is None else float(result.shift[place, column]),
        outside=bool(result.outside_atlas[place]),
    )


def _side(
    result: CounterfactualResult,
    atlas: Atlas,
    own: NDArray[Any],
    other: NDArray[Any],
    column: int | None,
) -> tuple[Answering, ...]:
    rows = own[own >= 0]
    if column is None:
        values = np.full(len(rows), np.nan)
    else:
        values = np.asarray(atlas.expression[rows, column], float)
    slides = atlas.slide_index[rows]
    carries = {int(slide): _carries(result, atlas, int(slide)) for slide in np.unique(slides)}
    only_here = ~np.isin(rows, other)
    return tuple(
        Answering(int(row), float(value), carries[int(slide)], bool(alone))
        for row, value, slide, alone in zip(rows, values, slides, only_here, strict=True)
    )


def _carries(result: CounterfactualResult, atlas: Atlas, slide: int) -> bool:
    record = atlas.records.iloc[slide]
    return all(
        same_value(str(record[name]), value) if name in atlas.fields else False
        for name, value in result.edit.after.items()
    )
