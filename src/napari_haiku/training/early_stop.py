"""When to stop: validation has not become better for some time."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

WATCHED = "R@10"


def watched_figure(figures: dict[str, float]) -> float:
    """Mean recall at 10 over the directions that were measured."""
    found = [value for name, value in figures.items() if name.endswith(WATCHED)]
    return float(np.mean(found)) if found else float("-inf")


class EarlyStop:
    """Keeps the best towers and says when patience is over.

    Parameters
    ----------
    patience : int
        Validations without a better one; 0 never stops and keeps nothing.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = float("-inf")
        self.best_step = 0
        self.waited = 0
        self.towers: dict[str, Any] = {}

    @property
    def over(self) -> bool:
        """Whether training should stop."""
        return self.patience > 0 and self.waited >= self.patience

    def see(self, step: int, figures: dict[str, float], towers: dict[str, Any]) -> None:
        """Take note of a validation."""
        value = watched_figure(figures)
        if not self.patience:
            return
        if value > self.best:
            self.best, self.best_step, self.waited = value, step, 0
            self.towers = copy.deepcopy(towers)
        else:
            self.waited += 1

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "best": self.best,
            "best_step": self.best_step,
            "waited": self.waited,
            "towers": self.towers,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go back to the state of a checkpoint."""
        self.best, self.best_step = float(state["best"]), int(state["best_step"])
        self.waited, self.towers = int(state["waited"]), state["towers"]
