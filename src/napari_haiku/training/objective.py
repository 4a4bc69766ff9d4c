"""The pairwise contrastive objective with a scale of the caller's."""

from __future__ import annotations

from napari_haiku.training.objectives.pairwise import pairwise_clip

__all__ = ["pairwise_clip"]
