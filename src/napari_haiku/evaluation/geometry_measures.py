"""Measures of how two sets of vectors lie: gap, spread, alignment, structure in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows at length 1; zero rows stay zero."""
    rows = np.asarray(rows, np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    out: NDArray[np.float64] = rows / np.where(length > 0, length, 1)
    return out


def centroid_gap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Distance between the means of two modalities."""
    return float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))


def paired_cosine_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Mean of 1 - cosine over true pairs."""
    return float(1 - (a * b).sum(axis=1).mean())


def alignment(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Mean squared distance of true pairs (Wang and Isola 2020)."""
    return float(((a - b) ** 2).sum(axis=1).mean())


def uniformity(a: NDArray[np.float64], t: float = 2.0) -> float:
    """Log of the mean Gaussian potential over pairs (Wang and Isola 2020); lower is more even."""
    squared = np.clip(2 - 2 * (a @ a.T), 0, None)
    pairs = squared[np.triu_indices(len(a), 1)]
    return float(np.log(np.exp(-t * pairs).mean()))


def effective_rank(a: NDArray[np.float64]) -> float:
    """Exponential of the entropy of the singular values' shares (Roy and Vetterli 2007).

    Of the centred rows, so that a common direction of all rows counts for nothing.
    """
    centred = a - a.mean(axis=0)
    # Through the smaller of the two Gram matrices: only the singular values are wanted.
    gram = centred.T @ centred if len(a) >= a.shape[1] else centred @ centred.T
    values = np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0, None))
    share = values / values.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def anisotropy(a: NDArray[np.float64]) -> float:
    """Mean cosine of different rows."""
    n = len(a)
    return float(((a @ a.T).sum() - (a * a).sum()) / (n * (n - 1)))


def linear_cka(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019)."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    cross = np.linalg.norm(a.T @ b) ** 2
    return float(cross / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))


def mutual_neighbours(
    a: NDArray[np.float64], b: NDArray[np.float64], k: int = 5
) -> NDArray[np.float64]:
    """Share of each row's k nearest rows that are the same in both modalities, (n,)."""
    near = []
    for vectors in (a, b):
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        near.append(np.argpartition(-scores, k - 1, axis=1)[:, :k])
    same = (near[0][:, :, None] == near[1][:, None, :]).any(axis=2)
    share: NDArray[np.float64] = same.mean(axis=1)
    return share


def mean_rank_variance(ranks: NDArray[np.float64]) -> float:
    """Variance of an instance's rank over the ways to word it, mean over instances.

    Parameters
    ----------
    ranks : ndarray, shape (instances, wordings)
        Rank of the right answer.
    """
    return float(np.asarray(ranks, np.float64).var(axis=1).mean())


def mean_abs_asymmetry(recall: NDArray[np.float64]) -> float:
    """Mean over pairs of modalities of the difference of recall between the two directions."""
    n = len(recall)
    pairs = [abs(recall[i, j] - recall[j, i]) for i in range(n) for j in range(i + 1, n)]
    return float(np.mean(pairs)) if pairs else float("nan")


def query_bias(recall: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much better each modality asks than it answers.

    Parameters
    ----------
    recall : ndarray, shape (m, m)
        Recall from each modality (row) to each (column); the diagonal is left out.
    """
    n = len(recall)
    off = ~np.eye(n, dtype=bool)
    asks = np.where(off, recall, 0).sum(axis=1) / (n - 1)
    answers = np.where(off, recall, 0).sum(axis=0) / (n - 1)
    bias: NDArray[np.float64] = asks - answers
    return bias


def linear_separability(
    a: NDArray[np.float64], b: NDArray[np.float64], train: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether a straight cut, fitted on some rows, tells the modality of the others.

    Parameters
    ----------
    a, b : ndarray, shape (n, d)
        The two modalities.
    train : ndarray of bool, shape (n,)
        Rows fitted on, of both.

    Returns
    -------
    ndarray of bool, shape (2 * tested,)
        Right or wrong for the tested rows of `a`, then of `b`.
    """
    from sklearn.linear_model import LogisticRegression

    fitted = np.concatenate([a[train], b[train]])
    side = np.repeat([0, 1], int(train.sum()))
    line = LogisticRegression(max_iter=1000).fit(fitted, side)
    tested = np.concatenate([a[~train], b[~train]])
    right: NDArray[np.bool_] = line.predict(tested) == np.repeat([0, 1], int((~train).sum()))
    return right
