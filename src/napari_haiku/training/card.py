"""What a model says about where it comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_haiku.atlas.manifest import ManifestSlide
    from napari_haiku.training.config import TrainConfig


@dataclass(frozen=True)
class Made:
    """How a model came about.

    Attributes
    ----------
    steps : int
        Optimiser steps behind the towers that were kept.
    processes : int
    device : str
    start : dict or None
        Name and fingerprint of the model that training started from.
    start_card : mapping or None
        Its card: what it was trained on counts for this model too.
    """

    steps: int
    processes: int
    device: str
    start: dict[str, str] | None = None
    start_card: Mapping[str, Any] | None = None


def model_card(
    config: TrainConfig,
    images: list[dict[str, Any]],
    slides: Iterable[ManifestSlide],
    kept_out: set[str],
    validation: dict[str, float],
    made: Made,
) -> dict[str, Any]:
    """Describe a trained model.

    Returns
    -------
    dict
        ``training_images`` lists fingerprints, so that a result on one of them
        can say so; ``placebo_fields`` lists the levels of the fields that carry
        no information.
    """
    trained = [slide for slide in slides if slide.patient_id not in kept_out]
    levels = {
        field: sorted({s.record[field] for s in trained if s.record.get(field)})
        for field in config.placebo_fields
    }
    return {
        "name": config.name,
        "use": RESEARCH_USE,
        "licence": config.licence,
        "data": config.data,
        "credit": config.credit,
        "training": {
            "objectives": sorted(config.objectives),
            "patients": len({s.patient_id for s in trained}),
            "slides": len(trained),
            "patients_kept_out": len(kept_out),
            "steps": made.steps,
            "seed": config.seed,
            "processes": made.processes,
            "device": made.device.partition(":")[0],
            "started_from": made.start,
            "versions": {
                "napari-haiku": version("napari-haiku"),
                "torch": torch.__version__.partition("+")[0],
            },
            "recipe": config.to_json(),
        },
        "validation": {name: round(value, 4) for name, value in validation.items()},
        "placebo_fields": {field: names for field, names in levels.items() if names},
        "twin_fields": dict(config.twin_fields),
        "training_patients": len({s.patient_id for s in trained}),
        "training_images": _each_once(
            [*((made.start_card or {}).get("training_images") or ()), *images]
        ),
    }


def _each_once(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep each image once: a run often goes on with those of the model it starts from."""
    found = {json.dumps(image, sort_keys=True): image for image in images}
    return list(found.values())
