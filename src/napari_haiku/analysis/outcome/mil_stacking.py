"""Several heads together: each weighs as much as its held-out scores tell of the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.mil import TunedHead
    from napari_haiku.analysis.outcome.mil_targets import Target

    Scores = NDArray[np.float64]

# Heads on the same patients score alike; the ridge spreads the weight over those that do.
PENALTY = 0.1


@dataclass(frozen=True)
class Stack:
    """A weighted sum of the scores of heads with one output.

    Parameters
    ----------
    weights : ndarray, shape (heads, 1)
        Weight of each head.
    held_out : ndarray, shape (bags, 1)
        Sum of the held-out scores of the training bags.
    median : float
        Median of the sum over the training bags, by the fitted heads.
    """

    weights: Scores
    held_out: Scores
    median: float

    def scores(self, parts: Sequence[Scores]) -> Scores:
        """Weigh the scores of each head, each (bags, 1); 0 is the training bags' median."""
        found: Scores = np.hstack(list(parts)) @ self.weights - self.median
        return found


def stack(heads: Sequence[TunedHead], target: Target) -> Stack:
    """Weigh tuned heads by a ridge regression of the outcome on their held-out scores.

    For survival a Cox regression, so that a head on the record and one on images
    add up as covariates do (stacked generalisation, Wolpert 1992; the super
    learner, van der Laan et al. 2007). No head is chosen.

    Parameters
    ----------
    heads : sequence of TunedHead
        Tuned on the same training bags.
    target : Target
        Outcome of these.
    """
    held_out = np.hstack([head.held_out for head in heads])
    weights = target.linear(held_out, [PENALTY])[0]
    own = np.hstack([head.scores() for head in heads]) @ weights
    return Stack(weights, held_out @ weights, float(np.median(own)))
