"""What is wrong with a request, told before any slide is encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.atlas.manifest import read_manifest
from napari_haiku.atlas.manifest_checks import (
    check_classes,
    check_markers_overlap,
    check_other_patients,
    check_several_patients,
    check_splits,
    check_survival,
    check_text,
)
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.tasks import TASKS, chosen_tasks
from napari_haiku.images.reading import open_image

if TYPE_CHECKING:
    from napari_haiku.atlas.manifest import Cohort
    from napari_haiku.evaluation.request import EvaluateRequest

TIME, EVENT = "survival_months", "survival_status"
# Tasks that compare a patient with others, that read captions, that need an outcome.
_OF_PATIENTS = ("biomarkers", "knn", "linear_probe", "robustness", "mil", "survival")
_OF_TEXT = ("zero_shot", "counterfactual", "flip_accuracy")
_OF_OUTCOME = ("survival",)


def check_request(request: EvaluateRequest) -> None:
    """Check task names, manifests and columns.

    What a task cannot do without is checked here when that task was asked for
    by name; tasks that run by default say so in the report instead. What is
    wrong in itself (a missing file, an id twice, a patient in two splits,
    months that are no number) is refused always.

    Raises
    ------
    HaikuError
        One sentence that names line and column.
    """
    chosen_tasks(request.tasks)
    if request.source.is_dir():
        return
    cohort = read_manifest(request.source)
    check_splits(cohort)
    other = None if request.fit is None or request.fit.is_dir() else read_manifest(request.fit)
    if other is not None:
        check_other_patients(cohort, other)
    for manifest in (cohort, *([other] if other is not None else [])):
        _check_outcome(manifest, request)
    for field in request.labels:
        check_classes(cohort, field)
    named = [name for name in request.tasks or () if name in TASKS]
    if any(name in _OF_PATIENTS for name in named):
        check_several_patients(cohort)
    if any(name in _OF_TEXT for name in named):
        check_text(cohort)
    if "biomarkers" in named:
        check_panels(cohort, request.pixel_size_um)


def check_panels(cohort: Cohort, pixel_size_um: float | None = None) -> None:
    """Make sure that some two mIF images of a manifest share a marker.

    Raises
    ------
    HaikuError
        None do, or an image cannot be opened.
    """
    panels = {}
    for slide in cohort.slides:
        if slide.mif is None:
            continue
        image = open_image(
            slide.mif, modality="mif", markers=slide.markers, pixel_size_um=pixel_size_um
        )
        panels[slide.row] = tuple(image.used_markers)
        if len(panels) > 1 and set.intersection(*(set(panel) for panel in panels.values())):
            # Two panels that share a marker are enough.
            return
    check_markers_overlap(panels, cohort.path.name)


def _check_outcome(cohort: Cohort, request: EvaluateRequest) -> None:
    named = request.tasks is not None and any(name in _OF_OUTCOME for name in request.tasks)
    asked = request.time is not None or request.event is not None or request.censor is not None
    time = request.time or TIME
    status = request.censor or request.event or EVENT
    if not (named or asked) and (time not in cohort.fields or status not in cohort.fields):
        return
    try:
        check_survival(cohort, time, None if request.censor else status, request.censor)
    except HaikuError as reason:
        # Nobody died: survival cannot be measured, and by default the report says so.
        if named or asked or "on any line" not in str(reason):
            raise
