"""Tissue told from empty slide by its fluorescence, a few channels at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_haiku.images.otsu import otsu

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Mean log signal over channels, 0 the darkest and 1 the brightest of each, between which
# empty slide must end and tissue begin.
SIGNAL_LIMITS = (0.01, 0.1)
_SIGNAL_CEILING = 0.05
# From the darkest pixels of glass to its brightest, in standard deviations of its noise.
_NOISE_WIDTHS = 6.0
# What a Gaussian of one pixel leaves of the noise between pixels.
_LEFT_BY_SMOOTHING = 0.28
# Distance of two heaps, in the sum of their widths; the halves of a single heap stay below.
_APART = 2.0


def lit(
    channels: Iterable[NDArray[np.float32]], given: float | None = None
) -> tuple[NDArray[np.bool_], float]:
    """Separate tissue from empty slide by log intensity, averaged over channels.

    Parameters
    ----------
    channels : iterable of ndarray, shape (y, x)
        Overview of each channel, finite; at least one.
    given : float, optional
        Where tissue begins, instead of the threshold found.

    Returns
    -------
    mask : ndarray of bool, shape (y, x)
    threshold : float
        Mean log signal.
    """
    total: NDArray[np.float32] | None = None
    useful, shape = 0, (0, 0)
    for channel in channels:
        shape = channel.shape
        logs = np.log1p(np.clip(channel, 0, None))
        black = np.percentile(logs, 0.5)
        span = np.percentile(logs, 99.5) - black
        if span > 0:
            useful += 1
            scaled = np.clip((logs - black) / span, 0, 1)
            total = scaled if total is None else np.add(total, scaled, out=total)
    if total is None:
        return np.zeros(shape, bool), 0.0
    mean = total / np.float32(useful)
    signal = ndimage.gaussian_filter(mean, 1.0)
    dark = float(np.percentile(signal, 0.5))
    if given is not None:
        return signal > given, given
    low, high = SIGNAL_LIMITS
    above = float(np.clip(otsu(np.minimum(signal - dark, _SIGNAL_CEILING)), low, high))
    # Where few photons were counted, the noise of bare glass alone reaches over these limits.
    noise = _NOISE_WIDTHS * _LEFT_BY_SMOOTHING * _noise(mean)
    raised = min(noise, float(signal.max() - dark) / 2)
    if raised > above and _two_heaps(signal, dark + raised):
        above = raised
    return signal > dark + above, dark + above


def _noise(pixels: NDArray[np.float32]) -> float:
    """Return the pixel noise of the flattest tenth of an image: glass, where there is any.

    The mask blanks out every slope and edge, so that tissue counts as little as can be.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    rough = ndimage.convolve(pixels, mask)
    return float(np.percentile(np.sqrt(np.maximum(ndimage.uniform_filter(rough**2, 9), 0)), 10))


def _two_heaps(signal: NDArray[np.float32], threshold: float) -> bool:
    """Tell whether a threshold parts glass from tissue, and not grainy tissue in two."""
    lit = signal > threshold
    if lit.all() or not lit.any():
        return False
    low, high = signal[~lit], signal[lit]
    return bool(high.mean() - low.mean() > _APART * (low.std() + high.std()))
