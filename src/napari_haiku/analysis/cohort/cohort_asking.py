"""A cohort put to an atlas: who may answer for whom, and means over patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.retrieval.text_reranking import Gallery
from napari_haiku.atlas.ranking import Gap
from napari_haiku.atlas.selection import Exclusion, eligible_rows, own_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.marker_scale import MarkerScale
    from napari_haiku.analysis.cohort.cohort_request import CohortCounterfactualRequest, CohortSlide
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.model.base import TissueModel


@dataclass(frozen=True)
class CohortAsking:
    """Everything that the steps of a cohort counterfactual share.

    Parameters
    ----------
    atlas, model, request
        What is asked of whom.
    weights : mapping
        Weights of H&E and text.
    scale : MarkerScale
        Unit of the shifts.
    slides : sequence of CohortSlide
        Slides whose records are edited.
    patients : tuple of str
        Their patients in order.
    """

    atlas: Atlas
    model: TissueModel
    request: CohortCounterfactualRequest
    weights: Mapping[str, float]
    scale: MarkerScale
    slides: Sequence[CohortSlide]
    patients: tuple[str, ...]

    def gallery(self, one: CohortSlide) -> Gallery:
        """Who may answer for a slide: never its own patient unless asked for by name."""
        gap_um = self.request.within_patient_um
        slide_id = str(self.atlas.slides["slide_id"].iloc[one.slide])
        exclude = Exclusion(one.patient, slide_id, gap_um)
        kept = eligible_rows(self.atlas, "mif", self.request.where, exclude)
        gap = None
        if gap_um is not None:
            own = np.flatnonzero(kept & own_rows(self.atlas, exclude))
            places = self.atlas.positions_um
            gap = Gap(own, places[own], places[one.rows], float(gap_um))
        return Gallery(
            self.atlas.embeddings("mif"), self.atlas.expression, np.flatnonzero(kept), gap
        )

    def he(self, one: CohortSlide) -> NDArray[np.float32]:
        """H&E vectors of a slide's patches."""
        return np.asarray(self.atlas.embeddings("he")[one.rows], np.float32)

    def patient_means(self, of_slides: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average slide means, shape (slides, ...), over each patient's slides by their patches."""
        out = np.full((len(self.patients), *of_slides.shape[1:]), np.nan)
        sizes = np.array([len(one.rows) for one in self.slides], np.float64)
        for place, patient in enumerate(self.patients):
            mine = [n for n, one in enumerate(self.slides) if one.patient == patient]
            values = of_slides[mine]
            known = np.isfinite(values)
            weight = sizes[mine].reshape(-1, *[1] * (values.ndim - 1)) * known
            total = weight.sum(axis=0)
            out[place] = (weight * np.where(known, values, 0)).sum(axis=0) / np.where(
                total > 0, total, np.nan
            )
        return out


def cohort_mean(of_patients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over patients; NaN where fewer than two have a value."""
    known = np.isfinite(of_patients)
    count = known.sum(axis=0)
    total = np.where(known, of_patients, 0).sum(axis=0)
    mean: NDArray[np.float64] = total / np.where(count > 1, count, np.nan)
    return mean
