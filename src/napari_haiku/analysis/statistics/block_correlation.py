"""How firm a correlation is on one piece of tissue: a bootstrap of square blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_UM = 500.0
MIN_BLOCKS = 5
_RESAMPLES = 500


def block_limits(
    a: NDArray[Any],
    b: NDArray[Any],
    centres_um: NDArray[Any],
    *,
    block_um: float = BLOCK_UM,
    level: float = 0.95,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile limits of each column's Pearson correlation over resampled blocks.

    Parameters
    ----------
    a, b : ndarray, shape (n, m)
        Pairs in which either value is NaN or infinite are left out.
    centres_um : ndarray, shape (n, 2)
        Where each row lies.
    block_um : float
        Side of a block; patches of one block are drawn together.
    level : float
        Nominal coverage.
    resamples, seed : int
        How many, and their seed.

    Returns
    -------
    low, high : ndarray of float64, shape (m,)
        NaN where the pairs lie in fewer than five blocks or a side is constant.
    """
    left, right = np.array(a, np.float64), np.array(b, np.float64)
    both = np.isfinite(left) & np.isfinite(right)
    nothing = np.full(left.shape[1], np.nan)
    if not len(left):
        return nothing, nothing.copy()
    # Sums of squares far from zero would round away what varies.
    left, right = _near_zero(left, both), _near_zero(right, both)
    cells = np.floor(np.asarray(centres_um, np.float64) / block_um).astype(np.int64)
    block = np.unique(cells, axis=0, return_inverse=True)[1].ravel()
    n_blocks = int(block.max()) + 1
    parts = (both.astype(np.float64), left, right, left**2, right**2, left * right)
    sums = np.zeros((len(parts), n_blocks, left.shape[1]))
    for total, part in zip(sums, parts, strict=True):
        np.add.at(total, block, part)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=resamples)
    n, x, y, xx, yy, xy = drawn.astype(np.float64) @ sums
    with np.errstate(divide="ignore", invalid="ignore"):
        vary_x, vary_y = xx - x**2 / n, yy - y**2 / n
        constant = (vary_x <= 1e-9 * xx) | (vary_y <= 1e-9 * yy)
        r = (xy - x * y / n) / np.sqrt(vary_x * vary_y)
    r = np.where(constant | (n < 3), np.nan, np.clip(r, -1, 1))
    usable = ((sums[0] > 0).sum(axis=0) >= MIN_BLOCKS) & (np.isnan(r).mean(axis=0) <= 0.1)
    low, high = nothing.copy(), nothing.copy()
    if usable.any():
        tails = [50 * (1 - level), 50 * (1 + level)]
        low[usable], high[usable] = np.nanpercentile(r[:, usable], tails, axis=0)
    return low, high


def _near_zero(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = np.where(known, values, 0)
    # Constant columns come out as exactly zero, whatever their mean rounds to.
    first = values[np.argmax(known, axis=0), np.arange(values.shape[1])]
    moved = np.where(known, values - first, 0)
    mean = moved.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, moved - mean, 0)
