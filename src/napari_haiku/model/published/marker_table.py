"""Marker vectors: one row per known marker, zero for every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_haiku.model.published.config import table_name

if TYPE_CHECKING:
    from collections.abc import Sequence


class MarkerTable(nn.Module):
    """Raw marker vectors and their projection to the tower's width.

    An unknown marker has a zero raw vector, so its projected vector is the
    bias; nothing is ever added to the table by looking a name up.

    Parameters
    ----------
    names : sequence of str
        Names of the rows, in look-up form (no dots).
    raw_dim, dim : int
        Length of a raw and of a projected vector.
    """

    def __init__(self, names: Sequence[str], raw_dim: int, dim: int) -> None:
        super().__init__()
        self.names = tuple(names)
        self._rows = {name: row for row, name in enumerate(self.names)}
        self.vectors = nn.Parameter(torch.zeros(len(self.names), raw_dim))
        self.proj = nn.Linear(raw_dim, dim)
        self._projected: tuple[object, torch.Tensor] | None = None

    def knows(self, marker: str) -> bool:
        """Whether `marker` has a row of its own."""
        return table_name(marker) in self._rows

    def rows(self, markers: Sequence[str]) -> torch.Tensor:
        """Row numbers, the number after the last for unknown markers; shape (c,)."""
        unknown = len(self.names)
        numbers = [self._rows.get(table_name(marker), unknown) for marker in markers]
        return torch.tensor(numbers, dtype=torch.long, device=self.vectors.device)

    def forward(self, markers: Sequence[str]) -> torch.Tensor:
        """Projected vectors of `markers`, shape (c, dim)."""
        return self.table()[self.rows(markers)]

    def table(self) -> torch.Tensor:
        """All projected vectors and the unknown marker's, shape (rows + 1, dim).

        Worked out once for the weights at hand, and at every call while
        gradients are followed.
        """
        weights = (self.vectors, self.proj.weight, self.proj.bias)
        if torch.is_grad_enabled() and any(weight.requires_grad for weight in weights):
            return self._project()
        state = tuple((weight.data_ptr(), _version(weight)) for weight in weights)
        if self._projected is None or self._projected[0] != state:
            with (
                torch.inference_mode(False),
                torch.no_grad(),
                torch.autocast(self.vectors.device.type, enabled=False),
            ):
                self._projected = (state, self._project())
        return self._projected[1]

    def _project(self) -> torch.Tensor:
        none = self.vectors.new_zeros(1, self.vectors.shape[1])
        projected: torch.Tensor = self.proj(torch.cat([self.vectors, none]))
        return projected


def _version(weight: torch.Tensor) -> int:
    """How often a weight was changed in place; inference tensors never are."""
    return 0 if weight.is_inference() else int(weight._version)  # noqa: SLF001
