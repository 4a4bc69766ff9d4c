"""What training minimises: objectives behind one interface, by name."""

from __future__ import annotations

from napari_haiku.training.objectives.base import Objective, ObjectiveOutput
from napari_haiku.training.objectives.batch import ContrastiveBatch
from napari_haiku.training.objectives.negatives import NegativeMask
from napari_haiku.training.objectives.pairwise import pairwise_clip
from napari_haiku.training.objectives.registry import (
    OBJECTIVES,
    WeightedObjectives,
    build_objective,
)
from napari_haiku.training.objectives.temperature import Temperature

__all__ = [
    "OBJECTIVES",
    "ContrastiveBatch",
    "NegativeMask",
    "Objective",
    "ObjectiveOutput",
    "Temperature",
    "WeightedObjectives",
    "build_objective",
    "pairwise_clip",
]
