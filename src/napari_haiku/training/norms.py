"""Statistics of batch normalisation: measured over all cohorts, then kept.

A batch holds patches of one cohort, so a tower in training sees each cohort by
its own statistics. In use there is one set for all, and running averages of the
last few batches are neither. So towards the end of a run the statistics are
measured once over patches of all cohorts together, and the rest of the steps is
taken with these fixed: from there on the tower is trained as it is used. (Wu and
Johnson 2021, Rethinking "Batch" in BatchNorm, arXiv 2105.07576, sections 3 and 5.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor


def moving_norms(module: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    """Batch norms of a module whose statistics follow what they see."""
    norms = (p for p in module.modules() if isinstance(p, nn.BatchNorm1d | nn.BatchNorm2d))
    return [norm for norm in norms if norm.training]


def fix_norms(module: nn.Module) -> None:
    """Keep the statistics of every batch norm as they are; its weights stay tuned."""
    for norm in moving_norms(module):
        norm.eval()


@torch.no_grad()
def measure_norms(
    module: nn.Module, encode: Callable[[Tensor], object], pieces: Iterable[Tensor]
) -> None:
    """Set the statistics of moving batch norms to their means over some pieces.

    Parameters
    ----------
    module : nn.Module
    encode : callable
        Puts one piece through the module.
    pieces : iterable of Tensor
        Each with rows of all cohorts, so that differences between these count
        towards the variance.
    """
    norms = moving_norms(module)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over what comes
    try:
        for piece in pieces:
            encode(piece)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
