"""From a request to the report's content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_haiku.evaluation.cohort import open_cohort
from napari_haiku.evaluation.figures import figures_to_json
from napari_haiku.evaluation.request_checks import check_request
from napari_haiku.evaluation.tasks import run_tasks
from napari_haiku.model.seen_images import seen_notice
from napari_haiku.notices import RESEARCH_USE
from napari_haiku.storage import speaking, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

REPORT = "report.json"
HONEST_NOTICE = (
    "Own slide and patient are out of every gallery, except where the own counterpart is the "
    "answer that is looked for (exact retrieval); splits are by patient."
)
PUBLISHED_NOTICE = (
    "Published protocol: the query's own patch, slide and patient are in the gallery, and probes "
    "are tuned and tested on folds of patches. These figures flatter; they serve comparison with "
    "the paper only."
)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gave.

    Parameters
    ----------
    cohort : EvaluationCohort
        What was evaluated.
    request : EvaluateRequest
        What was asked.
    content : dict
        What `report.json` holds: task -> figure -> value, interval, n and
        chance, and ``about``.
    """

    cohort: EvaluationCohort
    request: EvaluateRequest
    content: dict[str, Any]

    @property
    def skipped(self) -> dict[str, str]:
        """Tasks that this cohort does not allow, and why."""
        reasons: dict[str, str] = self.content["about"]["skipped"]
        return reasons


def evaluate(
    request: EvaluateRequest, *, on_failure: Callable[[str], object] | None = None
) -> Job[Evaluation]:
    """Run the tasks asked for and write `report.json`.

    Parameters
    ----------
    request : EvaluateRequest
        What to evaluate.
    on_failure : callable, optional
        Told of each slide that could not be encoded.

    Yields
    ------
    Progress
        Of encoding, then of each task.

    Raises
    ------
    HaikuError
        Unusable input, or a task asked for by name that cannot be done.
    """
    check_request(request)
    with speaking(request.output / REPORT):
        request.output.mkdir(parents=True, exist_ok=True)
    cohort = yield from open_cohort(request, on_failure=on_failure)
    done = yield from run_tasks(cohort, request)
    content = {
        **{name: figures_to_json(figures) for name, figures in done.figures.items()},
        "about": about(cohort, request) | {"skipped": done.skipped},
    }
    write_json(request.output / REPORT, content)
    return Evaluation(cohort, request, content)


def about(cohort: EvaluationCohort, request: EvaluateRequest) -> dict[str, Any]:
    """Say what was evaluated, and how; no ids."""
    atlas = cohort.atlas
    seen = seen_notice(cohort.seen[cohort.chosen]).replace("this image", "these images")
    if cohort.model is None:
        seen = "The model is not at hand, so whether it was trained on these images is not known."
    return {
        "notice": RESEARCH_USE,
        "protocol": request.protocol,
        "protocol_says": PUBLISHED_NOTICE if request.published else HONEST_NOTICE,
        "seen_in_training": seen,
        "model": atlas.model_name,
        "model_fingerprint": atlas.model_fingerprint,
        "atlas": atlas.name,
        "patients": len(set(cohort.patients[cohort.chosen].tolist())),
        "slides": len(set(atlas.slide_index[cohort.chosen].tolist())),
        "patches": len(cohort.chosen),
        "markers": list(atlas.markers),
        "modalities": list(atlas.modalities),
        "gallery": request.gallery,
        "seed": request.seed,
        "resamples": request.resamples,
        "fitted_on_patients": None if cohort.fit is None else cohort.fit.atlas.n_patients,
        "virtual": cohort.simulation_folder is not None,
        "failed_slides": len(cohort.notes),
    }
