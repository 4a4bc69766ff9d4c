"""What a bag is to tell: survival or a class; its losses, linear heads, quality and folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_haiku.analysis.outcome.survival import RiskSets, ridge_cox
from napari_haiku.analysis.outcome.survival_concordance import c_index
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_haiku.analysis.outcome.survival_times import SurvivalTimes

    Scores = NDArray[np.float64]


class Target(Protocol):
    """The outcome of each bag."""

    @property
    def n_outputs(self) -> int:
        """Scores a bag."""
        ...

    def __len__(self) -> int: ...

    def of(self, bags: NDArray[Any]) -> Target:
        """Return the outcome of some bags."""
        ...

    def linear(self, rows: Scores, penalties: Sequence[float]) -> list[Scores]:
        """Fit ridge heads; each is (features, outputs)."""
        ...

    def loss(self) -> Callable[[Tensor], Tensor]:
        """Make the loss of a network's outputs, shape (bags, outputs)."""
        ...

    def quality(self, scores: Scores, strata: NDArray[Any] | None = None) -> float:
        """Return the C-index, or the mean AUROC; NaN where it cannot be told."""
        ...

    def fold_labels(self) -> NDArray[np.int64]:
        """Return what folds are balanced by."""
        ...


@dataclass(frozen=True)
class SurvivalTarget:
    """Survival: one score a bag, higher means earlier death.

    Parameters
    ----------
    times : SurvivalTimes
        One entry a bag.
    """

    times: SurvivalTimes
    n_outputs = 1

    def __len__(self) -> int:
        return len(self.times)

    def of(self, bags: NDArray[Any]) -> SurvivalTarget:
        """Return the outcome of some bags."""
        return SurvivalTarget(self.times.of(bags))

    def linear(self, rows: Scores, penalties: Sequence[float]) -> list[Scores]:
        """Fit Cox regressions under each penalty, the largest first."""
        sets, found, beta = RiskSets(self.times), {}, None
        for penalty in sorted(penalties, reverse=True):
            beta = ridge_cox(rows, sets, penalty, beta)
            found[penalty] = beta[:, None]
        return [found[penalty] for penalty in penalties]

    def loss(self) -> Callable[[Tensor], Tensor]:
        """Make Cox's loss over all bags."""
        from napari_haiku.analysis.outcome.survival_loss import CoxLoss

        cox = CoxLoss(self.times)
        return lambda outputs: cox(outputs[:, 0])

    def quality(self, scores: Scores, strata: NDArray[Any] | None = None) -> float:
        """Return the C-index."""
        return c_index(self.times, scores[:, 0], strata)

    def fold_labels(self) -> NDArray[np.int64]:
        """Return the quartile of time, deaths and censored apart."""
        edges = np.quantile(self.times.time, (0.25, 0.5, 0.75))
        quartile = np.searchsorted(edges, self.times.time)
        labels: NDArray[np.int64] = quartile + 4 * self.times.event
        return labels


@dataclass(frozen=True)
class ClassTarget:
    """One of several classes: a log-odds score a class.

    Parameters
    ----------
    labels : ndarray of int64, shape (bags,)
        Class of each bag from 0.
    n_outputs : int
        Number of classes.
    """

    labels: NDArray[np.int64]
    n_outputs: int

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, bags: NDArray[Any]) -> ClassTarget:
        """Return the classes of some bags."""
        return ClassTarget(self.labels[bags], self.n_outputs)

    def linear(self, rows: Scores, penalties: Sequence[float]) -> list[Scores]:
        """Fit ridge regressions on the centred class indicators, classes weighing alike."""
        weight = self._weights()
        root = np.sqrt(weight * len(rows))[:, None]
        there = np.eye(self.n_outputs)[self.labels]
        there = there - np.average(there, axis=0, weights=weight)
        left, values, right = np.linalg.svd(rows * root, full_matrices=False)
        seen = left.T @ (there * root)
        return [
            right.T @ (seen * (values / (values**2 + len(rows) * penalty))[:, None])
            for penalty in penalties
        ]

    def loss(self) -> Callable[[Tensor], Tensor]:
        """Make the cross-entropy with classes weighing alike."""
        import torch
        from torch.nn import functional

        labels = torch.from_numpy(self.labels)
        weight = torch.from_numpy(self._weights().astype(np.float32))

        def entropy(outputs: Tensor) -> Tensor:
            each = functional.cross_entropy(outputs, labels, reduction="none")
            return (each * weight).sum()

        return entropy

    def quality(self, scores: Scores, strata: NDArray[Any] | None = None) -> float:
        """Return the AUROC of each class against the others, averaged over classes and strata."""
        found = []
        for stratum in [None] if strata is None else np.unique(strata):
            here = slice(None) if stratum is None else np.flatnonzero(strata == stratum)
            found += [
                auroc(self.labels[here] == number, scores[here, number])
                for number in range(self.n_outputs)
            ]
        known = [value for value in found if np.isfinite(value)]
        return float(np.mean(known)) if known else float("nan")

    def fold_labels(self) -> NDArray[np.int64]:
        """Return the class."""
        return self.labels

    def _weights(self) -> NDArray[np.float64]:
        count = np.bincount(self.labels, minlength=self.n_outputs)
        present = (count > 0).sum()
        return np.asarray(1 / (count[self.labels] * present), np.float64)


def auroc(positive: NDArray[np.bool_], score: NDArray[Any]) -> float:
    """Area under the ROC curve by ranks, ties counting half; NaN with one class only."""
    from scipy.stats import rankdata

    n = int(positive.sum())
    other = len(positive) - n
    if not n or not other:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * other))


def patient_folds(target: Target, n: int, seed: int) -> NDArray[np.int64]:
    """Fold of each bag, balanced by outcome; every bag is one patient.

    Raises
    ------
    HaikuError
        There are fewer than two bags a fold.
    """
    if len(target) < 2 * n:
        raise HaikuError(
            f"{len(target)} patients are too few for {n} folds: at least {2 * n} are needed."
        )
    rng = np.random.default_rng([seed, n, len(target)])
    order = rng.permutation(len(target))
    order = order[np.argsort(target.fold_labels()[order], kind="stable")]
    folds = np.empty(len(target), np.int64)
    folds[order] = np.arange(len(target)) % n
    return folds
