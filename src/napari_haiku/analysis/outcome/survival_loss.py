"""Cox's partial likelihood as a loss for networks: every patient in one risk set, ties by Efron."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_haiku.analysis.outcome.survival import RiskSets

if TYPE_CHECKING:
    from torch import Tensor

    from napari_haiku.analysis.outcome.survival_times import SurvivalTimes


class CoxLoss:
    """Mean negative log partial likelihood a death.

    All patients enter together: risk sets of small batches bias the loss, and a
    batch without a death teaches nothing.

    Parameters
    ----------
    times : SurvivalTimes
        Follow-up; at least one death.
    """

    def __init__(self, times: SurvivalTimes) -> None:
        sets = RiskSets(times)
        self.order = torch.from_numpy(sets.order.astype(np.int64))
        self.died = torch.from_numpy(sets.died)
        self.group = torch.from_numpy(sets.group.astype(np.int64))
        self.end = torch.from_numpy(sets.end)
        self.thinning = torch.from_numpy(sets.thinning)

    def __call__(self, log_hazard: Tensor) -> Tensor:
        """Return the loss of log hazards, shape (n,), in the order of the times."""
        eta = log_hazard[self.order]
        risk = torch.logcumsumexp(eta, 0)[self.end][self.group]
        dying = eta[self.died]
        # Subtracting the largest risk set keeps the exponentials of tied deaths finite.
        tied = torch.zeros(len(self.end), dtype=eta.dtype).index_add(
            0, self.group, torch.exp(dying - risk)
        )
        thinned = torch.log1p(-self.thinning.to(eta.dtype) * tied[self.group])
        return (risk + thinned - dying).sum() / len(self.died)
