"""Hand-made features of the evaluated patches: the baseline that needs no learning of towers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.biomarkers.hand_made_features import hand_made_features
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.spaces import HAND_MADE, Space
from napari_haiku.evaluation.yardstick_by_patient import ridge_by_patient
from napari_haiku.images.patches import read_patches
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import Progress
from napari_haiku.storage import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

PIXEL_SIZE_UM = 1.0
CACHE = "hand_made_features.npz"
_THUMBNAIL_PX = 64
_AT_ONCE = 256


def hand_made_space(
    cohort: EvaluationCohort, request: EvaluateRequest, like: Space
) -> Job[Space | None]:
    """Describe H&E by 23 hand-made features and mIF by its mean intensities.

    Where the two are compared, H&E is what a ridge regression predicts of the
    intensities, fitted on other patients.

    Returns
    -------
    Space or None
        None where no pixels of the H&E can be read.
    """
    if "he" not in like.vectors:
        return None
    found = yield from features_of(cohort, request)
    if found is None:
        return None
    features, note = found
    vectors = {"he": _unit(_standardised(np.where(like.has["he"][:, None], features, np.nan)))}
    crossing = None
    if "mif" in like.vectors and cohort.atlas.markers:
        mif = _standardised(np.asarray(cohort.atlas.expression[cohort.chosen], np.float64))
        vectors["mif"] = _unit(mif)
        both = like.has["he"] & like.has["mif"]
        guessed = ridge_by_patient(features, mif, like.patients, both)
        crossing = _unit(np.nan_to_num(guessed))
    return replace(
        like,
        name=HAND_MADE,
        vectors=vectors,
        captions=None,
        caption_of=np.full(len(like.patients), -1, np.int64),
        caption_patient=np.zeros(0, np.int64),
        crossing=crossing,
        note=note,
    )


def features_of(
    cohort: EvaluationCohort, request: EvaluateRequest
) -> Job[tuple[NDArray[np.float64], str] | None]:
    """Measure the H&E of every evaluated row; kept beside the report for the next run.

    Returns
    -------
    features : ndarray, shape (n, 23)
        NaN where a row has no H&E.
    note : str
        Where the pixels came from.
    """
    pictures = _Pictures.of(cohort)
    if pictures is None:
        return None
    key = _key(cohort, pictures.note)
    file = request.output / CACHE
    kept = _kept(file, key)
    if kept is not None:
        return kept, pictures.note
    rows = cohort.chosen
    out = np.full((len(rows), 23), np.nan)
    slides = cohort.atlas.slide_index[rows]
    has = cohort.atlas.has("he")[rows]
    for slide in np.unique(slides[has]):
        places = np.flatnonzero((slides == slide) & has)
        for start in range(0, len(places), _AT_ONCE):
            yield Progress(int(places[start]), len(rows), "Measuring hand-made features")
            some = places[start : start + _AT_ONCE]
            patches, pixel = pictures.read(int(slide), rows[some])
            out[some] = hand_made_features(patches, pixel)
    _keep(file, key, out)
    return out, pictures.note


class _Pictures:
    """Pixels of atlas rows: from the images of the manifest, else the atlas's small pictures."""

    def __init__(self, cohort: EvaluationCohort, files: dict[str, Path] | None) -> None:
        self._cohort = cohort
        self._files = files
        self.note = (
            f"23 colour and texture features of the images at about {PIXEL_SIZE_UM:g} um a pixel."
            if files is not None
            else "23 colour and texture features of the atlas's pictures of 64 pixels a patch."
        )

    @classmethod
    def of(cls, cohort: EvaluationCohort) -> _Pictures | None:
        if cohort.manifest is not None:
            files = {s.slide_id: s.he for s in cohort.manifest.slides if s.he is not None}
            return cls(cohort, files)
        if "he" in cohort.atlas.description["thumbnails"]:
            return cls(cohort, None)
        return None

    def read(self, slide: int, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], float]:
        atlas = self._cohort.atlas
        if self._files is None:
            pictures = [atlas.thumbnail(int(row), "he") for row in rows]
            return np.stack(pictures), atlas.patch_um / _THUMBNAIL_PX
        patch = atlas.patches["patch"].to_numpy(np.int64)[rows]
        encoding = self._cohort.encoding(slide)
        image = open_image(
            self._files[str(atlas.slides["slide_id"].iloc[slide])],
            modality="he",
            pixel_size_um=encoding.images["he"].get("pixel_size_um"),
        )
        return read_patches(image, encoding.grid, patch, target_pixel_size_um=PIXEL_SIZE_UM)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns with mean 0 and SD 1 over the known values; unknown ones are 0."""
    known = np.isfinite(values)
    n = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, 0)
    centred = np.where(known, values - filled.sum(axis=0) / n, 0)
    spread = np.sqrt((centred**2).sum(axis=0) / n)
    out: NDArray[np.float64] = centred / np.where(spread > 0, spread, 1)
    return out


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(length > 0, length, 1)
    return unit.astype(np.float32)


def _key(cohort: EvaluationCohort, note: str) -> str:
    text = json.dumps([cohort.atlas.description["built_from"], note])
    return hashlib.sha256(text.encode() + cohort.chosen.tobytes()).hexdigest()


def _kept(file: Path, key: str) -> NDArray[np.float64] | None:
    try:
        with np.load(file, allow_pickle=False) as stored:
            if str(stored["key"]) == key:
                return np.asarray(stored["features"], np.float64)
    except (OSError, ValueError, KeyError):
        # Absent, cut short or of another run: measured again.
        return None
    return None


def _keep(file: Path, key: str, features: NDArray[np.float64]) -> None:
    import io

    stream = io.BytesIO()
    np.savez(stream, key=np.array(key), features=features.astype(np.float32))
    try:
        write_bytes(file, stream.getvalue())
    except HaikuError:
        # The figures do not depend on it: it only spares the next run the reading.
        return
