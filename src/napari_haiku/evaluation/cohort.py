"""The cohort that is evaluated: an atlas, its model, and what is known beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.atlas import layout
from napari_haiku.atlas.cohort import build_from_manifest
from napari_haiku.atlas.manifest import Cohort, read_manifest
from napari_haiku.atlas.manifest_checks import check_other_patients
from napari_haiku.atlas.store import Atlas
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.model.loading import load_model
from napari_haiku.model.seen_images import seen_in_training

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job
    from napari_haiku.model.base import TissueModel

ATLAS = "atlas"
FIT_ATLAS = "fit_atlas"
TRUTH = "truth.parquet"
SIMULATION = "simulation.json"


@dataclass(frozen=True)
class EvaluationCohort:
    """Everything that a task may look at.

    Parameters
    ----------
    atlas : Atlas
        The encoded cohort, given or built.
    model : TissueModel or None
        The model that made it; None where it is not at hand.
    manifest : Cohort or None
        The manifest that the atlas was built from; None where only an atlas
        was given.
    fit : EvaluationCohort or None
        Another cohort on which heads are fitted.
    notes : tuple of str
        Sentences for the report, such as slides left out.
    rows : ndarray of int64, or None
        The atlas rows that are evaluated, ascending; None for all.
    """

    atlas: Atlas
    model: TissueModel | None
    manifest: Cohort | None = None
    fit: EvaluationCohort | None = None
    notes: tuple[str, ...] = ()
    rows: NDArray[np.int64] | None = field(default=None, repr=False)

    @property
    def slides(self) -> pd.DataFrame:
        """One row a slide; see :attr:`napari_haiku.atlas.store.Atlas.slides`."""
        return self.atlas.slides

    @property
    def records(self) -> pd.DataFrame:
        """One row a slide: ids and clinical fields, "" where not recorded."""
        return self.atlas.records

    @property
    def manifest_folder(self) -> Path | None:
        """Folder of the manifest; None when only an atlas was given."""
        return None if self.manifest is None else self.manifest.path.parent

    @property
    def truth(self) -> Path | None:
        """The table of true effects beside the manifest, if there is one."""
        return self._beside(TRUTH)

    @property
    def simulation_folder(self) -> Path | None:
        """Folder of the virtual cohort, if the manifest is that of one."""
        found = self._beside(SIMULATION)
        return None if found is None else found.parent

    @cached_property
    def patients(self) -> NDArray[np.int64]:
        """Patient of each atlas row as a number from 0."""
        return patient_numbers(self.atlas)[1]

    @cached_property
    def chosen(self) -> NDArray[np.int64]:
        """Atlas rows that are evaluated, ascending."""
        return np.arange(len(self.atlas)) if self.rows is None else self.rows

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Which atlas rows lie on images that the model was trained on."""
        out = np.zeros(len(self.atlas), bool)
        if self.model is None:
            return out
        stops = np.cumsum(self.slides["n_patches"].to_numpy(np.int64))
        for (_, slide), stop in zip(self.slides.iterrows(), stops, strict=True):
            here = slice(int(stop - slide["n_patches"]), int(stop))
            fingerprints = [slide["he_fingerprint"], slide["mif_fingerprint"]]
            out[here] = seen_in_training(
                self.model.card,
                [name for name in fingerprints if name],
                self.atlas.positions_um[here],
            )
        return out

    def require_model(self) -> TissueModel:
        """Return the model.

        Raises
        ------
        HaikuError
            It is not at hand.
        """
        if self.model is None:
            raise HaikuError(
                f"The atlas {self.atlas.name} was made with {self.atlas.model_name}, which is "
                "needed to read text: name it with --model."
            )
        return self.model

    def encoding(self, slide: int) -> Encoding:
        """Open the encoding behind a slide (a row of :attr:`slides`).

        Raises
        ------
        HaikuError
            It is no longer there.
        """
        path = self.atlas.path.parent / str(self.slides["encoding"].iloc[slide])
        if not path.is_dir():
            raise HaikuError(
                f"The encoding of slide {self.slides['slide_pseudonym'].iloc[slide]} is no longer "
                f"beside the atlas {self.atlas.name}: evaluate the manifest instead."
            )
        return Encoding.open(path)

    def _beside(self, name: str) -> Path | None:
        folder = self.manifest_folder
        if folder is None or not (folder / name).is_file():
            return None
        return folder / name


def open_cohort(
    request: EvaluateRequest, *, on_failure: Callable[[str], object] | None = None
) -> Job[EvaluationCohort]:
    """Open the atlas asked for, or build or resume one from the manifest.

    Parameters
    ----------
    request : EvaluateRequest
        What to evaluate.
    on_failure : callable, optional
        Told of each slide that could not be encoded, in one sentence.

    Raises
    ------
    HaikuError
        Neither atlas nor manifest, another model's atlas, a patient in both
        cohorts, or fewer patches than the gallery asks for.
    """
    if request.fit is not None and not (request.source.is_dir() or request.fit.is_dir()):
        check_other_patients(read_manifest(request.source), read_manifest(request.fit))
    source = yield from _opened(request, request.source, ATLAS, on_failure)
    fit = None
    if request.fit is not None:
        fit = yield from _opened(request, request.fit, FIT_ATLAS, on_failure)
        check_apart(source, fit)
    rows = None if request.gallery is None else _drawn(source.atlas, request.gallery, request.seed)
    return EvaluationCohort(source.atlas, source.model, source.manifest, fit, source.notes, rows)


def check_apart(source: EvaluationCohort, fit: EvaluationCohort) -> None:
    """Make sure that no patient is in both cohorts and that one model made both.

    Raises
    ------
    HaikuError
        Otherwise.
    """
    source.atlas.check_model(fit.atlas.model_fingerprint)
    if _images(source) & _images(fit):
        raise HaikuError(
            f"{len(_images(source) & _images(fit))} images are in both cohorts: the cohort given "
            "to --fit must hold other patients than the one evaluated."
        )
    if source.manifest is None or fit.manifest is None:
        both = set(source.slides["patient_id"]) & set(fit.slides["patient_id"])
        if both:
            raise HaikuError(
                f"{len(both)} patients are in both cohorts (column patient_id): the cohort given "
                "to --fit must hold other patients than the one evaluated."
            )


def _images(cohort: EvaluationCohort) -> set[str]:
    names = cohort.slides[["he_fingerprint", "mif_fingerprint"]].to_numpy(str).ravel()
    return {str(name) for name in names if name}


def _opened(
    request: EvaluateRequest,
    path: Path,
    name: str,
    on_failure: Callable[[str], object] | None,
) -> Job[EvaluationCohort]:
    if path.is_dir():
        if not (path / layout.DESCRIPTION).exists() and (path / "cohort.csv").exists():
            raise HaikuError(
                f"{path.name} is a folder of a cohort: give its manifest, {path.name}/cohort.csv."
            )
        return _of_atlas(request, Atlas.open(path))
    manifest = read_manifest(path)
    model = load_model(request.model or "default", device=request.device)
    request.output.mkdir(parents=True, exist_ok=True)
    failures: list[str] = []

    def failed(sentence: str) -> None:
        failures.append(sentence)
        if on_failure is not None:
            on_failure(sentence)

    built = yield from build_from_manifest(
        path,
        request.output / name,
        model,
        pixel_size_um=request.pixel_size_um,
        on_failure=lambda slide: failed(f"Line {slide.row} of {path.name}: {slide.reason}"),
    )
    return EvaluationCohort(built.atlas, model, manifest, notes=tuple(failures))


def _of_atlas(request: EvaluateRequest, atlas: Atlas) -> EvaluationCohort:
    model: TissueModel | None = load_model(request.model or "default", device=request.device)
    if model is not None and model.fingerprint != atlas.model_fingerprint:
        if request.model is not None:
            atlas.check_model(model)
        model = None
    return EvaluationCohort(atlas, model)


def _drawn(atlas: Atlas, n: int, seed: int) -> NDArray[np.int64]:
    """Exactly n patches that have both images, drawn without return."""
    pool = np.flatnonzero(
        np.logical_and.reduce([atlas.has(name) for name in atlas.modalities if name != "text"])
    )
    if len(pool) < n:
        raise HaikuError(
            f"A gallery of {n:,} patches was asked for, but the cohort has {len(pool):,} with "
            "every image: ask for fewer with --gallery, or give a larger cohort."
        )
    rng = np.random.default_rng([seed, 3])
    return np.sort(rng.choice(pool, n, replace=False)).astype(np.int64)
