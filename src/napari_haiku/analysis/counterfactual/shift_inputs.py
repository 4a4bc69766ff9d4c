"""What the figures beside a shift are made from, and shifts under other captions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.retrieval.shift_pulls import shifts_and_pulls
from napari_haiku.analysis.retrieval.text_reranking import Gallery, shifts_under_captions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.marker_scale import MarkerScale
    from napari_haiku.analysis.counterfactual.record_edit import RecordEdit
    from napari_haiku.analysis.niches.niches import NicheLabels
    from napari_haiku.analysis.retrieval.evidence import Evidence
    from napari_haiku.analysis.retrieval.retrieval import SlideQuestion
    from napari_haiku.jobs import Job
    from napari_haiku.model.base import TissueModel

MIN_NICHE_PATCHES = 5
PATCHES_A_NICHE = 500


@dataclass(frozen=True)
class ShiftInputs:
    """What the figures are made from.

    Parameters
    ----------
    question : SlideQuestion
        Patches and who may answer.
    weights : mapping
        Weights of H&E and text.
    texts : ndarray of float32, shape (2, dim)
        Vectors of the baseline and the edited caption.
    evidence, others : Evidence
        Patients that may answer, and those other than the slide's own.
    edit : RecordEdit
        The edit.
    model : TissueModel
        Reads other captions; its card names trained placebo fields.
    scale : MarkerScale
        Unit of the shifts.
    labels : NicheLabels
        Niches of the patches.
    baseline, counterfactual : ndarray of float64, shape (n, markers)
        Read-outs in SD from the atlas mean.
    k, resamples, seed : int
        Neighbours, resampled atlases, seed.
    placebo : bool
        Whether p, placebo edits and other wordings are asked for.
    """

    question: SlideQuestion
    weights: Mapping[str, float]
    texts: NDArray[np.float32]
    evidence: Evidence
    others: Evidence
    edit: RecordEdit
    model: TissueModel
    scale: MarkerScale
    labels: NicheLabels
    baseline: NDArray[np.float64]
    counterfactual: NDArray[np.float64]
    k: int
    resamples: int
    placebo: bool
    seed: int

    @property
    def niche_numbers(self) -> tuple[int, ...]:
        """Niches in the order of the figures."""
        return tuple(self.labels.names)

    @cached_property
    def sample(self) -> NDArray[np.int64]:
        """At most 500 patches of each niche, spread over it evenly."""
        chosen = []
        for number in self.niche_numbers:
            rows = np.flatnonzero(self.labels.labels == number)
            size = min(len(rows), PATCHES_A_NICHE)
            chosen.append(rows[np.linspace(0, len(rows) - 1, size).round().astype(np.int64)])
        return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)

    def shifts_of(
        self, texts: NDArray[np.float32], pairs: NDArray[np.int64], doing: str
    ) -> Job[NDArray[np.float64]]:
        """Shift under other pairs of captions on the sample, (edits, niches, markers), in SD."""
        asked = self.question.of_patches(self.sample)
        shifts = yield from shifts_under_captions(
            asked.he,
            Gallery.of(asked),
            self.weights,
            texts,
            pairs,
            self.k,
            self.labels.labels[self.sample],
            niche_numbers=self.niche_numbers,
            least=MIN_NICHE_PATCHES,
            doing=doing,
        )
        return shifts / self.scale.sd

    def shifts_and_pulls_of(
        self, texts: NDArray[np.float32], pairs: NDArray[np.int64], doing: str
    ) -> Job[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Shift as :meth:`shifts_of`, with the pull of every atlas patient that may answer.

        Pulls have shape (edits, patients, niches, markers), in SD.
        """
        asked = self.question.of_patches(self.sample)
        shifts, pulls = yield from shifts_and_pulls(
            asked.he,
            Gallery.of(asked),
            self.weights,
            texts,
            pairs,
            self.k,
            self.labels.labels[self.sample],
            self.evidence.number,
            niche_numbers=self.niche_numbers,
            least=MIN_NICHE_PATCHES,
            doing=doing,
        )
        return shifts / self.scale.sd, pulls / self.scale.sd
