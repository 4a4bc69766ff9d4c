"""Several heads together: each weighs as much as its held-out scores tell of the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.mil import TunedHead
    from napari_haiku.analysis.outcome.mil_bags import Bags
    from napari_haiku.analysis.outcome.mil_targets import Target

    Scores = NDArray[np.float64]

# Heads on the same patients score alike; the ridge spreads the weight over those that do.
PENALTY = 0.1


@dataclass(frozen=True)
class Stack:
    """A weighted sum of the scores of heads with one output.

    Parameters
    ----------
    heads : tuple of TunedHead
        What is summed.
    weights : ndarray, shape (heads, 1)
        Weight of each head.
    held_out : ndarray, shape (bags, 1)
        Sum of the held-out scores of the training bags.
    """

    heads: tuple[TunedHead, ...]
    weights: Scores
    held_out: Scores

    def scores(self, bags: Sequence[Bags]) -> Scores:
        """Score bags that were not trained on, (bags, 1).

        Parameters
        ----------
        bags : sequence of Bags
            The same bags for each head, as it reads them. 0 is about the median of
            the training bags.
        """
        parts = [head.scores_as_held_out(b) for head, b in zip(self.heads, bags, strict=True)]
        found: Scores = np.hstack(parts) @ self.weights
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
    return Stack(tuple(heads), weights, held_out @ weights)
