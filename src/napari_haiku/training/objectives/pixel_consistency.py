"""Registered token grids of two modalities agree place by place."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import (
    Objective,
    ObjectiveOutput,
    nothing_to_compare,
)

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class PixelConsistency(Objective):
    """Pull tokens of H&E and mIF at the same place together, after propagation.

    The tokens of one modality, propagated over their own grid, meet the other's
    tokens, which only give direction (stop-gradient); there are no negatives, so
    it never stands alone. Only for registered images of one section.

    Parameters
    ----------
    dim : int
        Length of the tokens.
    radius : float
        Tokens match within this many diagonals of a token.
    registration_um : float
        Error of the registration; the radius is at least as wide.
    sharpness : float
        Power of the similarity in the propagation.

    References
    ----------
    PixPro, arXiv 2011.10043; H&E and mIF as the two views are this project's
    form.
    """

    name = "pixel_consistency"
    needs = frozenset({"tokens", "coords"})

    def __init__(
        self,
        dim: int,
        radius: float = 0.7,
        registration_um: float = 0.0,
        sharpness: float = 2.0,
    ) -> None:
        super().__init__()
        if dim < 1 or not radius > 0 or not registration_um >= 0:
            raise HaikuError(
                "pixel_consistency takes the length of the tokens, a radius above 0 and a "
                "registration error of 0 or more."
            )
        self.transform = nn.Linear(dim, dim)
        self.radius, self.registration_um, self.sharpness = radius, registration_um, sharpness

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare every two modalities that have tokens and a place."""
        images = [name for name in batch.tokens if name in batch.coords]
        parts: dict[str, Tensor] = {}
        watched: dict[str, float] = {}
        for a, b in combinations(images, 2):
            rows = batch.rows_with(a, b)
            if not len(rows):
                continue
            (x, x_box), (y, y_box) = (
                (batch.tokens[name][rows], batch.coords[name][rows]) for name in (a, b)
            )
            near = positive_pairs(
                x_box, y_box, x.shape[1], y.shape[1], self.radius, self.registration_um
            )
            parts[f"{a}-{b}"] = agreement(self._propagated(x), y.detach(), near) + agreement(
                self._propagated(y), x.detach(), near.transpose(1, 2)
            )
            watched[f"matches a token {a}-{b}"] = float(near.sum(2).mean())
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, watched)

    def _propagated(self, tokens: Tensor) -> Tensor:
        values = self.transform(tokens.to(self.transform.weight.dtype))
        return propagate(tokens, values, self.sharpness)


def propagate(tokens: Tensor, values: Tensor, sharpness: float = 2.0) -> Tensor:
    """Sum of the grid's unit values, each by the similarity of its token."""
    unit = functional.normalize(tokens, dim=-1, eps=1e-6)
    similarity = (unit @ unit.transpose(1, 2)).clamp(min=0) ** sharpness
    return similarity.to(values.dtype) @ functional.normalize(values, dim=-1, eps=1e-6)


def positive_pairs(
    boxes: Tensor,
    other_boxes: Tensor,
    count: int,
    other_count: int,
    radius: float = 0.7,
    registration_um: float = 0.0,
) -> Tensor:
    """Which tokens of two square grids lie at the same place, (b, n, m) of 0 and 1."""
    centres, diagonal = _centres(boxes, count)
    others, other_diagonal = _centres(other_boxes, other_count)
    longest = torch.maximum(diagonal, other_diagonal)[:, None, None]
    distance = (centres[:, :, None] - others[:, None]).square().sum(-1).sqrt()
    within = torch.maximum(radius * longest, torch.full_like(longest, registration_um))
    return (distance < within).to(boxes.dtype)


def agreement(moving: Tensor, still: Tensor, near: Tensor) -> Tensor:
    """Minus twice the mean cosine over matching tokens, averaged over patches."""
    cosine = functional.normalize(moving, dim=-1, eps=1e-6) @ functional.normalize(
        still, dim=-1, eps=1e-6
    ).transpose(1, 2).to(moving.dtype)
    # The release counts matches in single precision, plus a guard for patches without any.
    count = near.float().sum((1, 2)) + 1e-6
    per_patch = (cosine * near.to(cosine.dtype)).sum((1, 2)) / count
    return -2 * per_patch.mean()


def _centres(boxes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    side = math.isqrt(count)
    if side * side != count:
        raise HaikuError(f"pixel_consistency needs square grids of tokens, not {count} tokens.")
    x0, y0, x1, y1 = boxes.unbind(1)
    step = (torch.arange(side, device=boxes.device, dtype=boxes.dtype) + 0.5) / side
    x = x0[:, None] + step * (x1 - x0)[:, None]
    y = y0[:, None] + step * (y1 - y0)[:, None]
    grid = torch.stack([x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], -1)
    diagonal = (((x1 - x0) / side).square() + ((y1 - y0) / side).square()).sqrt()
    return grid.reshape(len(boxes), count, 2), diagonal
