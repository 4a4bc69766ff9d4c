"""Two-dimensional rotary positions of the mIF tower."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch


@dataclass(frozen=True)
class Rotary:
    """Cosines and sines of every position.

    Parameters
    ----------
    cos, sin : Tensor, shape (positions, 2, head_dim // 4)
        First by row, then by column.
    """

    cos: torch.Tensor
    sin: torch.Tensor

    def turn(self, x: torch.Tensor) -> torch.Tensor:
        """Rotate queries or keys of shape (n, heads, positions, head_dim).

        The first half of a head turns with the row, the second with the
        column; within a half, element j is paired with element j + quarter.
        """
        quarters = x.reshape(*x.shape[:-1], 2, 2, x.shape[-1] // 4)
        first, second = quarters[..., 0, :], quarters[..., 1, :]
        turned = torch.stack(
            (first * self.cos - second * self.sin, second * self.cos + first * self.sin), dim=-2
        )
        return turned.flatten(-3).to(x.dtype)


@lru_cache(maxsize=16)
def rotary(
    height: int,
    width: int,
    head_dim: int,
    temperature: float,
    device: torch.device,
    dtype: torch.dtype,
) -> Rotary:
    """Rotary angles of a token grid.

    Parameters
    ----------
    height, width : int
        Token grid; positions run row by row.
    head_dim : int
        Width of one attention head, a multiple of 4.
    temperature : float
        Base of the geometric series of frequencies.
    device, dtype
        Where and how the tables are kept; angles are worked out in float64.
    """
    quarter = head_dim // 4
    with torch.inference_mode(False):
        frequencies = temperature ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
        rows = torch.arange(height, dtype=torch.float64).repeat_interleave(width)
        columns = torch.arange(width, dtype=torch.float64).repeat(height)
        angles = torch.stack((rows, columns), dim=1)[..., None] * frequencies
        return Rotary(angles.cos().to(device, dtype), angles.sin().to(device, dtype))
