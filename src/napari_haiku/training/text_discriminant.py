"""The text head in closed form: the direction in which a record moves tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.training.text_heads import FittedHead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.text_cases import TextCases

# Added to the H&E Gram matrix: enough to invert it, too little to shrink what H&E tells.
_HE_RIDGE = 1.0
_SHRINK = 0.1
# Length of the coordinates in which H&E meets captions, beside 1 for all the others; and of the
# one that is the same for every patch. The longer that is, the more a text counts beside H&E where
# both ask together, which makes up for captions being shorter than 1.
_LENGTH, _CONSTANT = 0.5, 1.0
# Share of captions that are no longer than 1: these need not be shortened.
_WHOLE = 0.95
# A head fitted with others of these is another head.
FITTED_WITH = (_HE_RIDGE, _SHRINK, _LENGTH, _CONSTANT, _WHOLE)


@dataclass(frozen=True)
class RecordCoordinates:
    """What an H&E vector h is compared with captions by, beside h itself: ``weight @ h + bias``.

    The last but one is the same for every patch; the last is 0, and left to
    captions to be filled up to length 1.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]


class Discriminant:
    """One text head by ridge regression and linear discriminant analysis.

    Parameters
    ----------
    cases : TextCases
        Vectors and captions of the training patients; both images are needed.
    config : TrainConfig
        ``text_ridge``, ``text_beyond_he``, ``record_dim`` and seed.
    seed : int
        Of the patients drawn.
    resample : bool
        Whether the patients are drawn anew with replacement (a bootstrap).

    Raises
    ------
    HaikuError
        One of the two images is missing.

    Notes
    -----
    For patches with mIF vector g and H&E vector h, a linear Gaussian model of
    what is left, ``r = g - a C h`` (C: ridge regression of g on h; a:
    ``text_beyond_he``), with mean ``B x`` for a caption of features x and
    covariance S within a patient, makes ``(S^-1 B x) . g`` the log-likelihood
    ratio of two captions: the score by which neighbours of one H&E patch are to
    be re-ranked when the record is edited. B is a ridge regression over
    patients. Phrases that tell which markers stand out are fitted along with
    the captions, to the mIF vectors themselves.

    What is left beyond H&E says nothing of H&E. How well a caption and H&E fit
    each other is the same kind of ratio over means of slides,
    ``(T^-1 A x) . h``. It is told in coordinates that mIF has none of, so that
    it does not re-rank mIF.

    Such ratios are compared as they are: divided by the length of each
    caption's vector they would favour records of little weight. With record
    coordinates, heads are scaled for nearly all captions to be at most 1 long,
    and what they lack to 1 stands in a coordinate that no image has; see
    :func:`~napari_haiku.model.compact.text_length.unit_captions`.
    """

    def __init__(self, cases: TextCases, config: TrainConfig, *, seed: int, resample: bool) -> None:
        if cases.he is None or cases.mif is None:
            raise HaikuError(
                "The text head in closed form needs H&E and mIF of the same slides: set "
                "'text_method' to 'contrast'."
            )
        rng = np.random.default_rng([config.seed, 4, seed])
        patients = np.unique(cases.patient, return_inverse=True)[1]
        n = int(patients.max()) + 1
        often = np.bincount(rng.integers(n, size=n), minlength=n) if resample else np.ones(n)
        self._config = config
        self._slides = _Groups(
            np.repeat(np.arange(len(patients)), cases.last - cases.first),
            np.repeat(often[patients].astype(np.float64), cases.last - cases.first),
        )
        variants = cases.captions.shape[1]
        # Every variant of a caption is the same patient again.
        self._often = np.repeat(often[patients] / variants, variants)
        self._captions = cases.captions.reshape(-1, cases.captions.shape[2]).astype(np.float64)
        self._variants = variants
        self._he, self._mif = cases.he.astype(np.float64), cases.mif.astype(np.float64)
        self._told = cases.phrase >= 0
        self._phrase, self._phrases = cases.phrase[self._told], cases.phrases.astype(np.float64)
        self.middle = np.average(self._captions, 0, self._often)
        self._beyond = self._fit_beyond()

    def head(self, coordinates: RecordCoordinates | None = None) -> FittedHead:
        """Return the head; with as many rows more as there are record coordinates."""
        rows = [self._beyond]
        if coordinates is not None:
            rows.append(self._own(coordinates))
        heads = np.concatenate(rows, 1)
        if coordinates is not None:
            lengths = np.linalg.norm((self._captions - self.middle) @ heads, axis=1)
            heads /= np.quantile(lengths[self._often > 0], _WHOLE)
        return FittedHead(heads.T.astype(np.float32), -(self.middle @ heads).astype(np.float32))

    def coordinates(self) -> RecordCoordinates:
        """Choose the directions of H&E in which captions tell most."""
        size = self._config.record_dim
        apart = (self._captions - self.middle) * np.sqrt(self._often)[:, None]
        directions = np.linalg.svd(apart @ self._missing(), full_matrices=False)[2][: size - 2]
        means = self._slides.means(self._he)
        along = (self._he - means.mean(0)) @ directions.T
        weight = np.zeros((size, self._he.shape[1]))
        weight[: len(directions)] = directions * (_LENGTH / np.sqrt((along**2).sum(1).mean()))
        bias = -weight @ means.mean(0)
        bias[-2:] = _CONSTANT, 0
        return RecordCoordinates(weight, bias)

    def _own(self, coordinates: RecordCoordinates) -> NDArray[np.float64]:
        """Rows of the head that are compared with the record coordinates, (features, size)."""
        own = self._missing() @ np.linalg.pinv(coordinates.weight)
        # What the mean of all H&E adds to every caption is taken off.
        own[:, -2] = -(self._beyond @ self._slides.means(self._he).mean(0)) / _CONSTANT
        return own

    def _missing(self) -> NDArray[np.float64]:
        """Tell what a caption's vector lacks to tell how it fits H&E, (features, dim)."""
        means = self._slides.means(self._he)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        means -= means.mean(0)
        targets = np.repeat(means, self._variants, 0)
        effect = _ridge(self._captions - self.middle, targets, self._often, self._config.text_ridge)
        apart = targets - (self._captions - self.middle) @ effect
        fitted = _solve(_scatter(apart, self._often), effect)
        lengths = [
            np.sqrt(np.average(((self._captions - self.middle) @ w) ** 2, 0, self._often).sum())
            for w in (self._beyond, fitted)
        ]
        scale = float(lengths[0]) / float(lengths[1])
        return np.asarray(scale * fitted - self._beyond, np.float64)

    def _fit_beyond(self) -> NDArray[np.float64]:
        """Coefficients (features, dim) of the part that is compared with mIF."""
        config, slides = self._config, self._slides
        he = self._he - np.average(self._he, 0, slides.weight)
        mif = self._mif - np.average(self._mif, 0, slides.weight)
        left = mif - config.text_beyond_he * (he @ _ridge(he, mif, slides.weight, _HE_RIDGE))
        features = [self._captions - self.middle]
        targets = [np.repeat(_directions(left, slides), self._variants, 0)]
        weights = [self._often]
        if len(self._phrase):
            phrases = _Groups(self._phrase, slides.weight[self._told])
            features.append(self._phrases[phrases.present] - self.middle)
            targets.append(_directions(mif[self._told], phrases))
            # Seldom phrases say less; all together count as much as all the patients.
            weights.append(phrases.size * (self._often.sum() / phrases.size.sum()))
        x, y, w = np.concatenate(features), np.concatenate(targets), np.concatenate(weights)
        return _ridge(x, y, w, config.text_ridge)


class _Groups:
    """Rows that belong together, each row with a weight."""

    def __init__(self, of: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
        self.present, self.of = np.unique(of, return_inverse=True)
        self.weight = weight
        self.size = np.bincount(self.of, weight, len(self.present))

    def means(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of each group."""
        sums = np.zeros((len(self.present), rows.shape[1]))
        np.add.at(sums, self.of, rows)
        found: NDArray[np.float64] = sums / np.bincount(self.of)[:, None]
        return found


def _directions(rows: NDArray[np.float64], groups: _Groups) -> NDArray[np.float64]:
    """Means of groups, in units of the spread within them."""
    means = groups.means(rows)
    within = _scatter(rows - means[groups.of], groups.weight)
    middle = np.average(means, 0, np.maximum(groups.size, 1e-12))
    return _solve(within, means - middle)


def _scatter(rows: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted covariance of centred rows, shrunk towards an even one."""
    found = (rows * weight[:, None]).T @ rows / weight.sum()
    even = np.trace(found) / len(found) * np.eye(len(found))
    return np.asarray((1 - _SHRINK) * found + _SHRINK * even, np.float64)


def _solve(spread: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.solve(spread, rows.T).T, np.float64)


def _ridge(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """Coefficients (x columns, y columns) of a weighted ridge regression without intercept."""
    gram = (x * weight[:, None]).T @ x + ridge * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(gram, (x * weight[:, None]).T @ y), np.float64)
