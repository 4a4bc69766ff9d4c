"""What niches are found on: the patches of a slide, from an encoding or from an atlas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.statistics.atlas_patients import patient_of
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

_WORDS = {"he": "H&E", "mif": "mIF"}


@dataclass(frozen=True)
class NicheSlide:
    """The patches of one slide that are to be grouped.

    Parameters
    ----------
    patches : ndarray of int64, shape (n,)
        Their number on the slide, or their row of the atlas.
    centres_um : ndarray, shape (n, 2)
        Their centres.
    vectors : ndarray, shape (n, dim)
        What they are grouped by.
    markers : tuple of str
        Markers known of them.
    expression : ndarray, shape (n, markers), or None
        Marker values, NaN where there is none.
    patient : str
        Whose tissue it is, as a key that is written nowhere.
    """

    patches: NDArray[np.int64]
    centres_um: NDArray[Any]
    vectors: NDArray[Any]
    markers: tuple[str, ...]
    expression: NDArray[Any] | None
    patient: str = ""


def encoding_slides(
    encodings: Sequence[Encoding],
    modality: str,
    predicted: Sequence[BiomarkerResult | None] | None = None,
) -> list[NicheSlide]:
    """Take slides from encodings; measured markers, or else predicted ones.

    Raises
    ------
    HaikuError
        No encoding, one without the modality, or encodings of different models.
    """
    if not encodings:
        raise HaikuError("There is no slide to group: give at least one encoding.")
    slides = []
    for place, encoding in enumerate(encodings):
        encoding.check_model(encodings[0].model_fingerprint)
        parts = [encoding.embeddings(name) for name in _modalities(modality)]
        there = [part for part in parts if part is not None]
        if len(there) < len(parts):
            raise HaikuError(_missing(encoding.path.name, modality))
        vectors = _side_by_side(there)
        markers, expression = encoding.markers, encoding.expression
        prediction = predicted[place] if predicted is not None else None
        if expression is None and prediction is not None and len(prediction) == len(vectors):
            markers, expression = prediction.markers, prediction.values
        slides.append(
            NicheSlide(
                patches=np.arange(len(vectors)),
                centres_um=encoding.centres_um,
                vectors=vectors,
                markers=tuple(markers),
                expression=expression,
                patient=patient_of(encoding),
            )
        )
    return slides


def atlas_slides(atlas: Atlas, modality: str) -> list[NicheSlide]:
    """Take the slides of an atlas that have the modality.

    Raises
    ------
    HaikuError
        No slide of the atlas has it.
    """
    names = _modalities(modality)
    slides = []
    if set(names) <= set(atlas.modalities):
        patients = atlas.slides["patient_id"].to_numpy(str)
        there = np.all([atlas.has(name) for name in names], axis=0)
        for slide in range(atlas.n_slides):
            kept = np.flatnonzero((atlas.slide_index == slide) & there)
            if len(kept):
                slides.append(
                    NicheSlide(
                        patches=kept,
                        centres_um=atlas.positions_um[kept],
                        vectors=_side_by_side([atlas.embeddings(name)[kept] for name in names]),
                        markers=tuple(atlas.markers),
                        expression=np.asarray(atlas.expression[kept]),
                        patient=str(patients[slide]),
                    )
                )
    if not slides:
        raise HaikuError(_missing(atlas.name, modality))
    return slides


def atlas_modalities(atlas: Atlas) -> tuple[str, ...]:
    """Image modalities that every patch of an atlas has."""
    return tuple(name for name in ("he", "mif") if bool(atlas.has(name).all()))


def _modalities(modality: str) -> tuple[str, ...]:
    if modality not in ("he", "mif", "both"):
        raise HaikuError(f"Patches cannot be grouped by {modality!r}: choose he, mif or both.")
    return ("he", "mif") if modality == "both" else (modality,)


def _side_by_side(parts: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    return np.concatenate([np.asarray(part, np.float32) for part in parts], axis=1)


def _missing(name: str, modality: str) -> str:
    words = "both H&E and mIF" if modality == "both" else _WORDS[modality]
    other = "choose another modality to group by or encode it with the missing image."
    return f"{name} does not have {words}: {other}"
