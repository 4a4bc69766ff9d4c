"""Does a shift outlast another set of training patients: the refitted text heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from napari_haiku.analysis.counterfactual.placebo import MIN_DEGREES_OF_FREEDOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.model.base import TissueModel

MIN_HEADS = MIN_DEGREES_OF_FREEDOM + 1


class HeadsTest(NamedTuple):
    """What refitted heads say of each shift; NaN where not estimable.

    Parameters
    ----------
    p : ndarray of float64, shape (niches, markers)
        Two-sided.
    model_error : ndarray of float64, shape (niches, markers)
        SD of the shift over the heads.
    error : ndarray of float64, shape (niches, markers)
        What the shift is divided by: over heads and atlas patients together.
    """

    p: NDArray[np.float64]
    model_error: NDArray[np.float64]
    error: NDArray[np.float64]


def enough_heads(model: TissueModel) -> bool:
    """Whether a model has text heads enough for at least ten degrees of freedom."""
    return int(getattr(model, "n_text_heads", 0)) >= MIN_HEADS


def head_texts(
    model: TissueModel, captions: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read captions with every refitted head.

    Parameters
    ----------
    model : TissueModel
        A model with text heads.
    captions : sequence of str
        The captions.

    Returns
    -------
    texts : ndarray of float32, shape (heads * captions, dim)
        The vectors, head by head.
    first : ndarray of int64, shape (heads,)
        Row of each head's first caption.
    """
    read = model.encode_text_heads(list(captions))
    return read.reshape(-1, read.shape[-1]), np.arange(len(read)) * len(captions)


def heads_p(
    shift: NDArray[np.float64],
    of_heads: NDArray[np.float64],
    atlas_error: NDArray[np.float64],
    beyond: float = 1.0,
) -> HeadsTest:
    """Test shifts against what other training patients and another atlas would give.

    Parameters
    ----------
    shift : ndarray, shape (niches, markers)
        Shifts of the model itself.
    of_heads : ndarray, shape (heads, niches, markers)
        Shifts of the same edit read by each refitted head.
    atlas_error : ndarray, shape (niches, markers)
        Standard error of the shift over resampled atlases.
    beyond : float
        Share of its square that the spread over heads does not hold yet, see
        :func:`~.linear_error.share_beyond`; 1 adds the whole of it.

    Notes
    -----
    t = shift / sqrt(beyond * atlas error^2 + model error^2) on (heads - 1) degrees
    of freedom. Every patch, block and query patient shares one pair of text
    vectors, whose chance direction comes from the training patients; the heads
    are what resamples those.
    """
    if len(of_heads) < MIN_HEADS:
        return HeadsTest(*(np.full(shift.shape, np.nan) for _ in range(3)))
    model_error = of_heads.std(axis=0, ddof=1)
    error = np.sqrt(beyond * atlas_error**2 + model_error**2)
    known = np.isfinite(shift) & np.isfinite(error) & (error > 0)
    p = np.full(shift.shape, np.nan)
    p[known] = 2 * stats.t.sf(np.abs(shift[known]) / error[known], len(of_heads) - 1)
    return HeadsTest(p, model_error, error)
