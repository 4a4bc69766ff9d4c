"""What a model says about where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_haiku.atlas.manifest import ManifestSlide
    from napari_haiku.training.config import TrainConfig


def model_card(
    config: TrainConfig,
    images: list[dict[str, Any]],
    slides: Iterable[ManifestSlide],
    kept_out: set[str],
    validation: dict[str, float],
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
            "recipe": config.to_json(),
        },
        "validation": {name: round(value, 4) for name, value in validation.items()},
        "placebo_fields": {field: names for field, names in levels.items() if names},
        "twin_fields": dict(config.twin_fields),
        "training_patients": len({s.patient_id for s in trained}),
        "training_images": images,
    }
