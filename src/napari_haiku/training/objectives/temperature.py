"""How sharply similarities are compared."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from napari_haiku.errors import HaikuError


class Temperature(nn.Module):
    """A temperature, constant or learnt, that cannot leave its limits.

    Calling it gives the scale, one over the temperature.

    Parameters
    ----------
    init : float
        First temperature.
    learnable : bool
        Whether training may change it.
    lowest, highest : float
        Its limits.
    """

    def __init__(
        self,
        init: float = 0.07,
        learnable: bool = False,
        lowest: float = 1e-3,
        highest: float = 0.5,
    ) -> None:
        super().__init__()
        if not (math.isfinite(init) and lowest <= init <= highest):
            raise HaikuError(
                f"A temperature of {init} is out of range: choose one from {lowest} to {highest}."
            )
        self.limits = math.log(1 / highest), math.log(1 / lowest)
        self.constant = 1 / init
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / init))) if learnable else None

    def forward(self) -> Tensor | float:
        """One over the temperature."""
        if self.log_scale is None:
            return self.constant
        # Brought back in place, not clamped in the graph: a clamped parameter has no
        # gradient and could never return from beyond its limit.
        self.log_scale.data.clamp_(*self.limits)
        return self.log_scale.exp()

    @property
    def value(self) -> float:
        """The temperature now."""
        scale = self()
        return 1 / float(scale.detach() if isinstance(scale, Tensor) else scale)
