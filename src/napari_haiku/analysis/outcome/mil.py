"""From bags of patches to an outcome: heads, each tuned alike on the same folds of patients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_haiku.analysis.outcome.mil_pooling import (
    MeanPooling,
    SpreadPooling,
    Standardised,
    learn_prototypes,
)
from napari_haiku.analysis.outcome.mil_targets import patient_folds
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.mil_bags import Bags
    from napari_haiku.analysis.outcome.mil_network import AttentionHead, AttentionSettings
    from napari_haiku.analysis.outcome.mil_pooling import Pooling
    from napari_haiku.analysis.outcome.mil_targets import Target

    Scores = NDArray[np.float64]

INNER_FOLDS = 5
# Every method chooses among so many settings.
SETTINGS = 8


class Head(Protocol):
    """A fitted head."""

    def scores(self, bags: Bags) -> Scores:
        """Score bags, (bags, outputs)."""
        ...


class Method(Protocol):
    """A way to a head, with :data:`SETTINGS` settings to choose among."""

    @property
    def name(self) -> str:
        """Short name for tables."""
        ...

    @property
    def settings(self) -> Sequence[object]:
        """What is chosen among."""
        ...

    def path(self, train: Bags, target: Target, held: Bags, seed: int) -> list[Scores]:
        """Score held-out bags under every setting."""
        ...

    def fit(self, train: Bags, target: Target, setting: int, seed: int) -> Head:
        """Fit under one setting."""
        ...


@dataclass(frozen=True)
class LinearHead:
    """Pooled features and a linear score.

    Parameters
    ----------
    pooling : Pooling
        Bag to features.
    scaling : Standardised
        Features to coordinates.
    coefficients : ndarray, shape (coordinates, outputs)
        Of the score.
    """

    pooling: Pooling
    scaling: Standardised
    coefficients: Scores

    def scores(self, bags: Bags) -> Scores:
        """Score bags, (bags, outputs)."""
        found: Scores = self.scaling(self.pooling(bags)) @ self.coefficients
        return found


@dataclass(frozen=True)
class PooledRidge:
    """Pool each bag, then a ridge head: Cox regression for survival.

    Parameters
    ----------
    name : str
        Short name for tables.
    pooling : {"mean", "spread", "prototypes"}
        Which features.
    prototypes : tuple of int
        Numbers of prototypes to choose among.
    """

    name: str
    pooling: str = "mean"
    prototypes: tuple[int, ...] = (0,)

    @property
    def settings(self) -> list[tuple[int, float]]:
        """Number of prototypes and penalty of each setting, strongest penalty first."""
        steps = SETTINGS // len(self.prototypes)
        strengths = np.logspace(1.5, -3, steps) if steps > 4 else np.logspace(1.5, -1, steps)
        return [(n, float(penalty)) for n in self.prototypes for penalty in strengths]

    def path(self, train: Bags, target: Target, held: Bags, seed: int) -> list[Scores]:
        """Score held-out bags under every setting."""
        found = []
        for n in self.prototypes:
            pooling, scaling, rows = self._rows(train, n, seed)
            waiting = scaling(pooling(held))
            penalties = [penalty for number, penalty in self.settings if number == n]
            found += [waiting @ beta for beta in target.linear(rows, penalties)]
        return found

    def fit(self, train: Bags, target: Target, setting: int, seed: int) -> LinearHead:
        """Fit under one setting."""
        n, penalty = self.settings[setting]
        pooling, scaling, rows = self._rows(train, n, seed)
        return LinearHead(pooling, scaling, target.linear(rows, [penalty])[0])

    def _rows(self, train: Bags, n: int, seed: int) -> tuple[Pooling, Standardised, Scores]:
        pooling: Pooling = MeanPooling()
        if self.pooling == "spread":
            pooling = SpreadPooling()
        elif self.pooling == "prototypes":
            pooling = learn_prototypes(train, n, seed)
        features = pooling(train)
        scaling = Standardised.learn(features)
        return pooling, scaling, scaling(features)


@dataclass(frozen=True)
class AttentionMIL:
    """Attention over the patches, trained on the whole cohort at once.

    Parameters
    ----------
    name : str
        Short name for tables.
    lengths : tuple of int
        Epochs to choose among, ascending.
    """

    name: str = "attention"
    lengths: tuple[int, ...] = (15, 30, 60, 120)

    @property
    def settings(self) -> list[AttentionSettings]:
        """Two sizes with each length of training."""
        from napari_haiku.analysis.outcome.mil_network import AttentionSettings

        return [
            AttentionSettings(width, dropout, decay, epochs)
            for width, dropout, decay in ((32, 0.25, 0.01), (16, 0.5, 0.1))
            for epochs in self.lengths
        ]

    def path(self, train: Bags, target: Target, held: Bags, seed: int) -> list[Scores]:
        """Score held-out bags under every setting."""
        from napari_haiku.analysis.outcome.mil_network import attention_path

        found: list[Scores] = []
        every = self.settings
        for base in dict.fromkeys(replace(entry, epochs=0) for entry in every):
            epochs = [entry.epochs for entry in every if replace(entry, epochs=0) == base]
            found += attention_path(train, target, base, epochs=epochs, held=held, seed=seed)[0]
        return found

    def fit(self, train: Bags, target: Target, setting: int, seed: int) -> AttentionHead:
        """Fit under one setting."""
        from napari_haiku.analysis.outcome.mil_network import attention_path

        chosen = self.settings[setting]
        return attention_path(train, target, chosen, epochs=[chosen.epochs], held=None, seed=seed)[
            1
        ]


METHODS: tuple[Method, ...] = (
    PooledRidge("mean"),
    PooledRidge("spread", "spread"),
    PooledRidge("prototypes", "prototypes", (4, 8)),
    AttentionMIL(),
)


@dataclass(frozen=True)
class TunedHead:
    """A head fitted on all training bags under the setting that was best held out.

    Parameters
    ----------
    method : str
        Which method.
    setting : int
        The setting chosen.
    quality : float
        Its held-out C-index or AUROC, mean of the folds weighted as they count.
    held_out : ndarray, shape (bags, outputs)
        Held-out scores of the training bags, each fold at mean 0 and SD 1.
    folds : ndarray of int64, shape (bags,)
        Fold of each training bag.
    head : Head
        Fitted on every training bag.
    own : ndarray, shape (bags, outputs)
        Its scores on the training bags.
    held_out_spread : float
        SD that held-out scores had before, mean of the folds: less than that of
        `own` where the head has learnt its training bags by heart.
    """

    method: str
    setting: int
    quality: float
    held_out: Scores
    folds: NDArray[np.int64]
    head: Head
    own: Scores
    held_out_spread: float = 1.0

    @property
    def linear(self) -> bool:
        """Whether it is a linear score of pooled features."""
        return isinstance(self.head, LinearHead)

    def scores(self, bags: Bags | None = None) -> Scores:
        """Score bags (the training bags by default) in SD of the training bags.

        A single score is 0 at the training bags' median; scores of classes keep
        their zero, which class weights have put where classes weigh alike.
        """
        found = self.own if bags is None else self.head.scores(bags)
        if self.own.shape[1] == 1:
            found = found - np.median(self.own, axis=0)
        spread = float(np.sqrt(self.own.var(axis=0).mean()))
        scaled: Scores = found / (spread if spread > 0 else 1.0)
        return scaled

    def scores_as_held_out(self, bags: Bags) -> Scores:
        """Score bags that were not trained on, on the scale of `held_out`."""
        found = self.head.scores(bags) - np.median(self.own, axis=0)
        scaled: Scores = found / (self.held_out_spread if self.held_out_spread > 0 else 1.0)
        return scaled


def tune(method: Method, bags: Bags, target: Target, *, seed: int = 0) -> Job[TunedHead]:
    """Choose a method's setting on folds of patients and fit it on all of them.

    Parameters
    ----------
    method : Method
        What to fit.
    bags : Bags
        One bag a patient.
    target : Target
        The outcome of each.
    seed : int
        Seed of folds and fits.

    Yields
    ------
    Progress
        After every fold.
    """
    folds = patient_folds(target, min(INNER_FOLDS, max(2, len(target) // 4)), seed)
    n_folds = int(folds.max()) + 1
    held_out = np.zeros((len(method.settings), len(target), target.n_outputs))
    spread = np.zeros(len(method.settings))
    for fold in range(n_folds):
        yield Progress(fold, n_folds + 1, f"Tuning {method.name}", "folds")
        out = folds == fold
        learn = np.flatnonzero(~out)
        scores = method.path(bags.of(learn), target.of(learn), bags.of(out), seed)
        held_out[:, out] = [_standard(entry) for entry in scores]
        spread += [np.sqrt(entry.var(axis=0).mean()) / n_folds for entry in scores]
    quality = np.array([target.quality(scores, folds) for scores in held_out])
    setting = int(np.nanargmax(quality)) if np.isfinite(quality).any() else 0
    yield Progress(n_folds, n_folds + 1, f"Fitting {method.name}", "folds")
    head = method.fit(bags, target, setting, seed)
    yield Progress(n_folds + 1, n_folds + 1, f"Fitting {method.name}", "folds")
    return TunedHead(
        method.name,
        setting,
        float(quality[setting]),
        held_out[setting],
        folds,
        head,
        head.scores(bags),
        float(spread[setting]),
    )


def average(scores: Sequence[Scores]) -> Scores:
    """Average the scores of several heads that are on one scale."""
    mean: Scores = np.mean(np.stack(list(scores)), axis=0)
    return mean


def _standard(scores: Scores) -> Scores:
    spread = scores.std(axis=0)
    standard: Scores = (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return standard
