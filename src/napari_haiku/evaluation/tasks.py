"""The tasks there are, and running them one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

    Run = Callable[[EvaluationCohort, EvaluateRequest], Job[dict[str, Any]]]


@dataclass(frozen=True)
class Task:
    """One task of an evaluation.

    Parameters
    ----------
    name : str
        Its name on the command line and in `report.json`.
    title : str
        Its heading in the report.
    module : str
        Module of this room whose ``run(cohort, request)`` does it.
    """

    name: str
    title: str
    module: str

    def load(self) -> Run:
        """Import the task."""
        run: Run = import_module(f"napari_haiku.evaluation.{self.module}").run
        return run


TASKS = {
    task.name: task
    for task in (
        Task("retrieval", "Retrieval", "retrieval"),
        Task("biomarkers", "Biomarker inference", "biomarkers"),
        Task("knn", "Classification by neighbours", "knn"),
        Task("zero_shot", "Zero-shot classification", "zero_shot"),
        Task("linear_probe", "Linear probe", "linear_probe"),
        Task("mil", "Classification of whole slides", "mil"),
        Task("survival", "Survival", "survival"),
        Task("counterfactual", "Counterfactual recovery", "counterfactual"),
        Task("flip_accuracy", "Flip accuracy", "flip"),
        Task("robustness", "Robustness to site and scanner", "robustness"),
        Task("geometry", "Geometry of the shared space", "geometry"),
    )
}


@dataclass
class TasksDone:
    """What the tasks gave.

    Parameters
    ----------
    figures : dict
        Task -> figures.
    skipped : dict of str to str
        Task -> why it could not be done on this cohort.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def chosen_tasks(names: Sequence[str] | None) -> list[Task]:
    """Tasks by name, in the order of the report; all of them for None.

    Raises
    ------
    HaikuError
        A name that is no task.
    """
    if names is None:
        return list(TASKS.values())
    unknown = [name for name in names if name not in TASKS]
    if unknown:
        raise HaikuError(f"There is no task '{unknown[0]}': choose among {', '.join(TASKS)}.")
    return [task for task in TASKS.values() if task.name in names]


def run_tasks(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[TasksDone]:
    """Run the tasks asked for.

    A task that this cohort does not allow fails the run when it was asked for
    by name; otherwise its reason is kept and the rest goes on.

    Raises
    ------
    HaikuError
        A task asked for by name cannot be done.
    """
    done = TasksDone()
    for task in chosen_tasks(request.tasks):
        try:
            done.figures[task.name] = yield from task.load()(cohort, request)
        except HaikuError as reason:
            if request.tasks is not None:
                raise HaikuError(f"{task.title} ({task.name}): {reason}") from reason
            done.skipped[task.name] = str(reason)
    return done
