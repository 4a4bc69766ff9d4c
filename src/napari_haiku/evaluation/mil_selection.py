"""Heads on whole patients, chosen on the patients they are fitted on and tested on others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.outcome.mil import average, tune
from napari_haiku.analysis.outcome.mil_stacking import stack
from napari_haiku.analysis.outcome.mil_targets import patient_folds
from napari_haiku.evaluation.mil_inputs import BASELINES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.mil import Method, TunedHead
    from napari_haiku.analysis.outcome.mil_bags import Bags
    from napari_haiku.analysis.outcome.mil_targets import Target
    from napari_haiku.jobs import Job

    Scores = NDArray[np.float64]
    Name = tuple[str, str]

OUTER_FOLDS = 5
AVERAGE, STACKED = "average", "stacked"


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
    errors : dict of (input, method) to list of float
        Standard error of that quality over the folds.
    chosen : list of (input, method)
        Once a fit: the last stack, where there are stacks; else chosen of the
        model's inputs by that quality, the simplest within one standard error of
        the best.
    best : ndarray, shape (n, outputs)
        Scores of what was chosen.
    by_input : dict of str to ndarray
        Scores of what is chosen alike among each input's methods.
    strata : ndarray of int64, shape (n,), or None
        Fold of each test patient where every fold has heads of its own.
    """

    scores: dict[Name, Scores] = field(default_factory=dict)
    inner: dict[Name, list[float]] = field(default_factory=dict)
    errors: dict[Name, list[float]] = field(default_factory=dict)
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
    stacks: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> Job[Predictions]:
    """Tune every method on every input and score other patients.

    Baselines get every method too, but never become the one chosen. A stack sums
    the linear heads of several inputs, by name; see
    :mod:`napari_haiku.analysis.outcome.mil_stacking`. Networks stay out: where towers have seen
    the patients fitted on, held-out scores flatter what can use that.
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
            out.errors[name, method.name] = [_error(target, head.held_out, head.folds)]
            out.scores[name, method.name] = head.scores(test[name])
        if len(methods) > 1:
            together = average([head.held_out for head in heads[name]])
            folds = heads[name][0].folds
            out.inner[name, AVERAGE] = [target.quality(together, folds)]
            out.errors[name, AVERAGE] = [_error(target, together, folds)]
            found = average([head.scores(test[name]) for head in heads[name]])
            if target.n_outputs == 1:
                found -= np.median(average([head.scores() for head in heads[name]]), axis=0)
            out.scores[name, AVERAGE] = found
    for name in fit:
        best = _simplest_good(out, [pair for pair in out.inner if pair[0] == name])
        out.by_input[name] = out.scores[best]
    chosen = _simplest_good(out, [pair for pair in out.inner if pair[0] not in BASELINES])
    for name, inputs in (stacks or {}).items():
        parts = [(source, head) for source in inputs for head in heads[source] if head.linear]
        summed = stack([head for _, head in parts], target)
        chosen = (name, STACKED)
        out.inner[chosen] = [target.quality(summed.held_out, parts[0][1].folds)]
        out.errors[chosen] = [_error(target, summed.held_out, parts[0][1].folds)]
        out.scores[chosen] = summed.scores([test[source] for source, _ in parts])
    out.chosen.append(chosen)
    out.best = out.scores[chosen].reshape(n, -1)
    return out


def nested(
    bags: dict[str, Bags],
    target: Target,
    *,
    methods: Sequence[Method],
    stacks: Mapping[str, Sequence[str]] | None = None,
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
            stacks=stacks,
            seed=seed,
        )
        for pair, scores in part.scores.items():
            _put(out.scores, pair, held, scores)
            out.inner.setdefault(pair, []).extend(part.inner[pair])
            out.errors.setdefault(pair, []).extend(part.errors[pair])
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


def _simplest_good(found: Predictions, among: list[Name]) -> Name:
    """Choose the simplest within one standard error of the best held-out quality.

    Towers have seen the patients that heads are fitted on, and a head that can
    use what they remember of them looks better held out than it is (the
    one-standard-error rule of Breiman et al. 1984, section 3.4.3). Fewer inputs
    are simpler, then methods as they are listed. Where no quality can be told
    it is the first.
    """
    quality = {pair: np.nan_to_num(found.inner[pair][0], nan=-1.0) for pair in among}
    best = max(among, key=quality.__getitem__)
    enough = quality[best] - np.nan_to_num(found.errors[best][0])
    methods = list(dict.fromkeys(method for _, method in among))
    order = sorted(among, key=lambda pair: (pair[0].count("+"), methods.index(pair[1])))
    return next(pair for pair in order if quality[pair] >= enough)


def _error(target: Target, held_out: Scores, folds: NDArray[np.int64]) -> float:
    """Return the standard error of the held-out quality over folds; NaN where untold."""
    parts = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    told = np.array([target.of(part).quality(held_out[part]) for part in parts])
    told = told[np.isfinite(told)]
    if len(told) < 2:
        return float("nan")
    return float(told.std(ddof=1) / np.sqrt(len(told)))
