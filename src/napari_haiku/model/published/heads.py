"""Projection heads into the shared space."""

from __future__ import annotations

import torch
from torch import nn


class ProjectionHead(nn.Sequential):
    """Linear, ReLU, Linear, BatchNorm: from a tower's width to the shared space.

    The output is not normalised. In eval mode the batch norm uses its running
    statistics, so a single patch can be projected.

    Parameters
    ----------
    width : int
        Length of the tower's output.
    dim : int
        Length of an embedding.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__(nn.Linear(width, dim), nn.ReLU(), nn.Linear(dim, dim), nn.BatchNorm1d(dim))


def unit_rows(vectors: torch.Tensor) -> torch.Tensor:
    """Scale rows to unit length in float32; shape (n, d)."""
    return nn.functional.normalize(vectors.float(), dim=-1)
