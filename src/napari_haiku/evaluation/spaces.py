"""Vectors to be measured: the model's, and the baselines that stand beside it in every table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.atlas.query import compose_query

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort

MODEL, RANDOM, HAND_MADE = "model", "random", "hand_made"
TITLES = {
    MODEL: "Model",
    RANDOM: "Random vectors",
    HAND_MADE: "Hand-made features",
}
_RANDOM_DIM = 64
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Space:
    """Vectors of the rows that are evaluated, by modality.

    Parameters
    ----------
    name : str
        ``"model"``, ``"random"`` or ``"hand_made"``.
    vectors : dict of str to ndarray of float32, shape (n, d)
        Unit vectors of H&E and mIF, aligned with the rows; zero where absent.
    has : dict of str to ndarray of bool, shape (n,)
        Which rows have a modality.
    captions : ndarray of float32, shape (t, d), or None
        One vector a caption.
    caption_of : ndarray of int64, shape (n,)
        Caption of each row; -1 without a record.
    caption_patient : ndarray of int64, shape (t,)
        Whose caption it is.
    patients : ndarray of int64, shape (n,)
        Patient of each row.
    crossing : ndarray of float32, shape (n, d), or None
        What stands for H&E where it is compared with mIF, in spaces whose
        modalities are not comparable as they are.
    note : str
        How the vectors came about.
    """

    name: str
    vectors: dict[str, NDArray[np.float32]]
    has: dict[str, NDArray[np.bool_]]
    captions: NDArray[np.float32] | None
    caption_of: NDArray[np.int64]
    caption_patient: NDArray[np.int64]
    patients: NDArray[np.int64]
    crossing: NDArray[np.float32] | None = None
    note: str = ""
    shared: bool = field(default=True)

    @property
    def title(self) -> str:
        """Its name in the report."""
        return TITLES[self.name]

    @property
    def images(self) -> tuple[str, ...]:
        """Image modalities at hand."""
        return tuple(name for name in ("he", "mif") if name in self.vectors)

    def pair(self, query: str, target: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors of two image modalities that can be compared with each other."""
        return self._standing_for(query, target), self._standing_for(target, query)

    def _standing_for(self, modality: str, other: str) -> NDArray[np.float32]:
        if self.crossing is not None and (modality, other) == ("he", "mif"):
            return self.crossing
        return self.vectors[modality]

    def fused(self, parts: tuple[str, ...], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Weighted sum of several modalities of some rows; see `compose_query`."""
        out: NDArray[np.float32] | None = None
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            some = compose_query({name: self._of_rows(name, rows[part]) for name in parts})
            if out is None:
                out = np.empty((len(rows), some.shape[1]), np.float32)
            out[part] = some
        return np.zeros((0, 1), np.float32) if out is None else out

    def _of_rows(self, modality: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if modality != "text":
            return self.vectors[modality][rows]
        if self.captions is None:
            raise KeyError("text")
        caption = self.caption_of[rows]
        return np.where((caption >= 0)[:, None], self.captions[caption], np.float32(0))

    def row_vectors(self, modality: str) -> NDArray[np.float32]:
        """One vector a row; for text that of the row's caption."""
        if modality != "text":
            return self.vectors[modality]
        return self._of_rows(modality, np.arange(len(self.patients)))

    def has_all(self, parts: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which rows have every one of several modalities."""
        kept = np.ones(len(self.patients), bool)
        for name in parts:
            kept &= (self.caption_of >= 0) if name == "text" else self.has[name]
        return kept


def model_space(cohort: EvaluationCohort) -> Space:
    """Take the vectors that the atlas holds."""
    atlas, rows = cohort.atlas, cohort.chosen
    images = [name for name in atlas.modalities if name != "text"]
    captions, caption_of, caption_patient = _captions(cohort)
    return Space(
        MODEL,
        {name: np.asarray(atlas.embeddings(name)[rows], np.float32) for name in images},
        {name: atlas.has(name)[rows] for name in images},
        captions,
        caption_of,
        caption_patient,
        cohort.patients[rows],
        shared=cohort.model is None or cohort.model.shared_space,
    )


def random_space(space: Space, seed: int) -> Space:
    """Draw vectors that know nothing, of the same shape as another space."""
    rng = np.random.default_rng([seed, 11])

    def drawn(n: int) -> NDArray[np.float32]:
        return _unit(rng.standard_normal((n, _RANDOM_DIM), np.float32))

    n = len(space.patients)
    return Space(
        RANDOM,
        {name: drawn(n) for name in space.images},
        space.has,
        None if space.captions is None else drawn(len(space.captions)),
        space.caption_of,
        space.caption_patient,
        space.patients,
        note="Independent random directions.",
    )


def _captions(
    cohort: EvaluationCohort,
) -> tuple[NDArray[np.float32] | None, NDArray[np.int64], NDArray[np.int64]]:
    """Each patient's different captions once, and the caption of each row."""
    atlas, rows = cohort.atlas, cohort.chosen
    nobody = np.full(len(rows), -1, np.int64)
    if "text" not in atlas.modalities:
        return None, nobody, np.zeros(0, np.int64)
    slides = atlas.slides
    first_row = np.concatenate([[0], np.cumsum(slides["n_patches"].to_numpy(np.int64))[:-1]])
    evaluated = np.zeros(len(slides), bool)
    evaluated[np.unique(atlas.slide_index[rows])] = True
    number: dict[tuple[int, str], int] = {}
    vectors: list[NDArray[np.float32]] = []
    patients: list[int] = []
    of_slide = np.full(len(slides), -1, np.int64)
    for slide in np.flatnonzero(evaluated & slides["has_text"].to_numpy(bool)):
        patient = int(cohort.patients[first_row[slide]])
        key = (patient, str(slides["caption"].iloc[slide]))
        if key not in number:
            number[key] = len(vectors)
            vectors.append(np.asarray(atlas.slide_texts[slide], np.float32))
            patients.append(patient)
        of_slide[slide] = number[key]
    if not vectors:
        return None, nobody, np.zeros(0, np.int64)
    return (
        np.stack(vectors),
        of_slide[atlas.slide_index[rows]],
        np.asarray(patients, np.int64),
    )


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (rows / np.where(length > 0, length, 1)).astype(np.float32)
    return unit
