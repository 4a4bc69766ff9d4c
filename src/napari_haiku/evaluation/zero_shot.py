"""Zero-shot classification: the class whose prompt lies nearest to the patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.clinical import CAPTION_TEMPLATES, caption
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.figures import Figure
from napari_haiku.evaluation.labels import label_fields
from napari_haiku.evaluation.spaces import model_space, random_space
from napari_haiku.evaluation.votes import by_patient, class_figures
from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.labels import LabelField
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

# The prompts of the paper (haiku.md 4.4).
PUBLISHED_PROMPTS = {
    "disease": (
        "A codex region of {} disease.",
        "{}",
        "This sample shows {}.",
        "Histological finding: {}.",
        "The image presents {}.",
    ),
    "tissue": (
        "A codex region of {} tissue type.",
        "{}",
        "This sample is a {} tissue.",
        "Histological tissue type: {}.",
        "This image is from {} tissue.",
    ),
}


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure field -> modality -> accuracy and macro-F1 of the mean over five prompts.

    Raises
    ------
    HaikuError
        No text tower at hand, or no field forms classes.
    """
    model = cohort.require_model()
    space = model_space(cohort)
    if "text" not in model.modalities or not space.shared or not space.images:
        raise HaikuError(
            f"The model {model.name} has no text tower in one space with tissue: choose another "
            "model."
        )
    fields = label_fields(cohort, request)
    if request.published:
        fields = tuple(field for field in fields if published_kind(field.name))
        if not fields:
            raise HaikuError(
                "The published protocol classifies tissue type and disease, and no field of the "
                "cohort is called so: leave --protocol published out."
            )
    out: dict[str, Any] = {}
    noise = random_space(space, request.seed)
    rng = np.random.default_rng([request.seed, 19])
    baseline: dict[str, Any] = {}
    for number, field in enumerate(fields):
        yield Progress(number, len(fields), f"Reading prompts of {field.name}", "fields")
        prompts = prompts_of(field, published=request.published)
        vectors = [model.encode_text(list(texts)) for texts in prompts]
        guess = rng.standard_normal((len(field.classes), noise.vectors[space.images[0]].shape[1]))
        out[field.name], baseline[field.name] = {}, {}
        for name in space.images:
            kept = np.flatnonzero(space.has[name] & field.known)
            out[field.name][name] = _figures(
                [(space.vectors[name][kept] @ classes.T).astype(np.float64) for classes in vectors],
                field,
                kept,
                space.patients,
                request,
            )
            baseline[field.name][name] = _figures(
                [noise.vectors[name][kept] @ guess.T], field, kept, space.patients, request
            )
        out[field.name]["prompts"] = [texts[0] for texts in prompts]
    return out | {"baselines": {"random": baseline}}


def prompts_of(field: LabelField, *, published: bool) -> list[tuple[str, ...]]:
    """Five ways to ask; each holds one sentence a class.

    By default the captions in which the model read records, with this field
    alone; else the paper's prompts.
    """
    kind = published_kind(field.name)
    if published and kind:
        return [tuple(p.format(value) for value in field.classes) for p in PUBLISHED_PROMPTS[kind]]
    return [
        tuple(caption({field.name: value}, template=number) for value in field.classes)
        for number in range(len(CAPTION_TEMPLATES))
    ]


def published_kind(name: str) -> str | None:
    """Which of the paper's prompts fit a field: "disease", "tissue" or None."""
    plain = name.casefold().replace("_", "").replace(" ", "")
    if plain in ("disease", "diagnosis"):
        return "disease"
    return "tissue" if plain in ("tissue", "tissuetype") else None


def _figures(
    scores: list[NDArray[np.float64]],
    field: LabelField,
    kept: NDArray[np.int64],
    patients: NDArray[np.int64],
    request: EvaluateRequest,
) -> dict[str, Figure]:
    truth, whose, n = field.code[kept], patients[kept], len(field.classes)
    each = [class_figures(truth, s.argmax(axis=1), whose, n, request) for s in scores]
    if request.published:
        # Mean over the prompts, without putting them together, as the paper does.
        return {name: _mean([figures[name] for figures in each]) for name in each[0]}
    together = np.mean(scores, axis=0)
    out = class_figures(truth, together.argmax(axis=1), whose, n, request)
    out |= class_figures(
        *by_patient(np.asarray(together, np.float64), truth, whose), n, request, prefix="patient_"
    )
    if len(each) > 1:
        out["accuracy_single_prompt"] = _mean([figures["accuracy"] for figures in each])
    return out


def _mean(figures: list[Figure]) -> Figure:
    """Mean over prompts; the spread over prompts is told, the interval is over patients."""
    values = np.array([figure.value for figure in figures], np.float64)
    limits = [figure.ci for figure in figures]
    ci = None
    if all(limit is not None for limit in limits):
        low, high = np.mean(np.array(limits, np.float64), axis=0)
        ci = (float(low), float(high))
    note = f"Mean over {len(figures)} prompts, SD {values.std():.3f}."
    return Figure(float(values.mean()), ci, figures[0].n, figures[0].chance, note)
