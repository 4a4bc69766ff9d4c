"""Heads on whole patients, chosen on the patients they are fitted on and tested on others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.outcome.mil import average, tune
from napari_haiku.analysis.outcome.mil_targets import patient_folds
from napari_haiku.evaluation.mil_inputs import BASELINES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.mil import Method, TunedHead
    from napari_haiku.analysis.outcome.mil_bags import Bags
    from napari_haiku.analysis.outcome.mil_targets import Target
    from napari_haiku.jobs import Job

    Scores = NDArray[np.float64]
    Name = tuple[str, str]

OUTER_FOLDS = 5
AVERAGE = "average"


@dataclass
class Predictions:
    """Scores of test patients by (input, method), with what was chosen for each.

    Parameters
    ----------
    scores : dict of (input, method) to ndarray, shape (n, outputs)
        In the order of the test patients; 0 is the median of the patients
        fitted on. Method "average" is the mean of an input's heads.
    inner : dict of (input, method) to list of float
        Quality on folds of the patients fitted on, once a fit.
    chosen : list of (input, method)
        Best of the model's inputs by that quality, once a fit.
    best : ndarray, shape (n, outputs)
        Scores of what was chosen.
    by_input : dict of str to ndarray
        Scores of each input's best method by that quality.
    strata : ndarray of int64, shape (n,), or None
        Fold of each test patient where every fold has heads of its own.
    """

    scores: dict[Name, Scores] = field(default_factory=dict)
    inner: dict[Name, list[float]] = field(default_factory=dict)
    chosen: list[Name] = field(default_factory=list)
    best: Scores = field(default_factory=lambda: np.zeros((0, 1)))
    by_input: dict[str, Scores] = field(default_factory=dict)
    strata: NDArray[np.int64] | None = None

    def said_chosen(self) -> str:
        """Say which head was chosen."""
        names = [f"{source}, {method}" for source, method in dict.fromkeys(self.chosen)]
        return " / ".join(names)


def fit_and_test(
    fit: dict[str, Bags],
    target: Target,
    test: dict[str, Bags],
    *,
    methods: Sequence[Method],
    seed: int = 0,
) -> Job[Predictions]:
    """Tune every method on every input and score other patients.

    Baselines get every method too, but never become the one chosen.
    """
    out = Predictions()
    n = len(next(iter(test.values())))
    heads: dict[str, list[TunedHead]] = {}
    for name, bags in fit.items():
        heads[name] = []
        for method in methods:
            head = yield from tune(method, bags, target, seed=seed)
            heads[name].append(head)
            out.inner[name, method.name] = [head.quality]
            out.scores[name, method.name] = head.scores(test[name])
        if len(methods) > 1:
            together = average([head.held_out for head in heads[name]])
            out.inner[name, AVERAGE] = [target.quality(together, heads[name][0].folds)]
            found = average([head.scores(test[name]) for head in heads[name]])
            if target.n_outputs == 1:
                found -= np.median(average([head.scores() for head in heads[name]]), axis=0)
            out.scores[name, AVERAGE] = found
    for name in fit:
        best = _best(out.inner, [pair for pair in out.inner if pair[0] == name])
        out.by_input[name] = out.scores[best]
    chosen = _best(out.inner, [pair for pair in out.inner if pair[0] not in BASELINES])
    out.chosen.append(chosen)
    out.best = out.scores[chosen].reshape(n, -1)
    return out


def nested(
    bags: dict[str, Bags],
    target: Target,
    *,
    methods: Sequence[Method],
    seed: int = 0,
) -> Job[Predictions]:
    """Score every patient by heads tuned and fitted on the other folds."""
    folds = patient_folds(target, OUTER_FOLDS, seed + 1)
    out = Predictions(strata=folds)
    headline: dict[str, Scores] = {}
    for fold in range(OUTER_FOLDS):
        held = folds == fold
        learn = np.flatnonzero(~held)
        part = yield from fit_and_test(
            {name: entry.of(learn) for name, entry in bags.items()},
            target.of(learn),
            {name: entry.of(held) for name, entry in bags.items()},
            methods=methods,
            seed=seed,
        )
        for pair, scores in part.scores.items():
            _put(out.scores, pair, held, scores)
            out.inner.setdefault(pair, []).extend(part.inner[pair])
        for name, scores in part.by_input.items():
            _put(out.by_input, name, held, scores)
        _put(headline, "best", held, part.best)
        out.chosen += part.chosen
    out.best = headline["best"]
    return out


def _put(store: dict[Any, Scores], key: object, held: NDArray[np.bool_], scores: Scores) -> None:
    """Put one fold's scores among those of all patients."""
    whole = store.setdefault(key, np.zeros((len(held), scores.shape[1])))
    whole[held] = scores


def _best(inner: dict[Name, list[float]], among: list[Name]) -> Name:
    """Best held-out quality; the first of equals, and of any that cannot be told."""
    quality = [np.nan_to_num(inner[pair][0], nan=-1.0) for pair in among]
    return among[int(np.argmax(quality))]
