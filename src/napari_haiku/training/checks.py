"""What a run needs of its manifests, told before any slide is prepared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_haiku.atlas.manifest_checks import (
    check_markers_overlap,
    check_several_patients,
    check_splits,
    check_text,
)
from napari_haiku.clinical import public_record
from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image

if TYPE_CHECKING:
    from napari_haiku.atlas.manifest import Cohort, ManifestSlide
    from napari_haiku.training.config import TrainConfig

SPLIT = "split"
_TRAIN = frozenset({"train", "training"})
_VALIDATION = frozenset({"validation", "valid", "val", "dev"})
_TEST = frozenset({"test", "testing", "holdout", "hold-out"})


@dataclass(frozen=True)
class CohortRows:
    """Slides to train and to measure on.

    Attributes
    ----------
    rows : list of (str, ManifestSlide)
        Manifest as the configuration names it ("" for the main one), and slide.
    kept_out : frozenset of str
        Patients that a column `split` keeps out for validation.
    """

    rows: list[tuple[str, ManifestSlide]]
    kept_out: frozenset[str]


def check_cohorts(cohorts: dict[str, Cohort], config: TrainConfig) -> CohortRows:
    """Check manifests and leave out what their column `split` sets aside for testing.

    Raises
    ------
    HaikuError
        A patient is in two splits, there is but one patient, no pair of images,
        no text, or no marker that two slides share; names line and column.
    """
    rows: list[tuple[str, ManifestSlide]] = []
    kept_out: set[str] = set()
    for name, cohort in cohorts.items():
        check_splits(cohort, SPLIT)
        for slide in cohort.slides:
            part = _split(slide, cohort)
            if part in _TEST:
                continue
            if part in _VALIDATION:
                kept_out.add(slide.patient_id)
            record = {key: value for key, value in slide.record.items() if key != SPLIT}
            rows.append((name, replace(slide, record=record)))
    main = cohorts[""]
    if not any(slide.patient_id not in kept_out for _, slide in rows):
        raise HaikuError(
            f"Column {SPLIT} of {main.path.name} leaves no slide to train on: write 'train' on the "
            "lines of the patients to learn from."
        )
    _check_pairs(rows, main)
    for name, cohort in cohorts.items():
        _check_panels([slide for own, slide in rows if own == name], cohort)
    if config.text_steps:
        _check_patients_and_text(rows, main, len(cohorts))
    return CohortRows(rows, frozenset(kept_out))


def _split(slide: ManifestSlide, cohort: Cohort) -> str:
    said = slide.record.get(SPLIT, "train").strip().casefold()
    if said not in _TRAIN | _VALIDATION | _TEST:
        raise HaikuError(
            f"Line {slide.row} of {cohort.path.name}, column {SPLIT}: '{slide.record[SPLIT]}' is "
            "no split: write train, validation or test."
        )
    return said


def _check_pairs(rows: list[tuple[str, ManifestSlide]], main: Cohort) -> None:
    if any(slide.he is not None and slide.mif is not None for _, slide in rows):
        return
    lines = [slide.row for _, slide in rows]
    empty = "he" if all(slide.he is None for _, slide in rows) else "mif"
    raise HaikuError(
        "No slide of the cohort has both an H&E and an mIF image, so there is nothing to "
        f"align: fill column {empty} of {main.path.name} (lines {min(lines)} to {max(lines)})."
    )


def _check_patients_and_text(
    rows: list[tuple[str, ManifestSlide]], main: Cohort, manifests: int
) -> None:
    """Ask for patients and text; both may be spread over several manifests."""
    alone = " To train the image towers alone, set text_steps to 0."
    try:
        if len({slide.patient_id for _, slide in rows}) < 2:
            check_several_patients(main)
        if not any(public_record(slide.record) for _, slide in rows):
            check_text(replace(main, slides=tuple(slide for _, slide in rows)))
    except HaikuError as error:
        where = "" if manifests == 1 else " (nor do the other manifests help)"
        raise HaikuError(f"{str(error).removesuffix('.')}{where}.{alone}") from error


def _check_panels(slides: list[ManifestSlide], cohort: Cohort) -> None:
    """Open images until two share a marker; seldom more than two are opened."""
    panels: dict[int, tuple[str, ...]] = {}
    seen: set[str] = set()
    for slide in slides:
        if slide.mif is None:
            continue
        image = open_image(slide.mif, modality="mif", markers=slide.markers)
        panels[slide.row] = tuple(str(image.markers[i]) for i in image.used_channels)
        if seen & set(panels[slide.row]):
            return
        seen |= set(panels[slide.row])
    check_markers_overlap(panels, cohort.path.name)
