"""Intensity range of each mIF channel over a slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ChannelScaling:
    """Darkest and brightest intensity that count, one pair a channel.

    Parameters
    ----------
    low, high : tuple of float
        In stored units. Where ``high <= low`` the channel is empty and is
        read as zero everywhere.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def apply(self, patches: NDArray[Any]) -> NDArray[np.float32]:
        """Map patches of shape (n, c, h, w) so that low is 0 and high is 1.

        Values above 1 are kept up to 4; values below 0, and gaps (NaN), become 0.
        """
        low = np.asarray(self.low, np.float32)[:, None, None]
        span = np.asarray(self.high, np.float32)[:, None, None] - low
        scaled = (patches.astype(np.float32) - low) / np.where(span > 0, span, 1)
        scaled = np.where(span > 0, scaled, 0)
        return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=4.0, neginf=0.0), 0, 4)

    @property
    def log_range(self) -> NDArray[np.float32]:
        """Natural logarithm of each channel's range in stored units; NaN for an empty channel."""
        span = np.asarray(self.high, np.float64) - np.asarray(self.low, np.float64)
        known = np.where(span > 0, span, np.nan)
        return np.log(known).astype(np.float32)

    def select(self, channels: list[int]) -> ChannelScaling:
        """Keep some channels, in the order given."""
        return ChannelScaling(
            tuple(self.low[i] for i in channels), tuple(self.high[i] for i in channels)
        )


def fit_scaling(
    overview: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    percentiles: tuple[float, float] = (5, 99.5),
) -> ChannelScaling:
    """Read each channel's range between two percentiles over the tissue.

    Parameters
    ----------
    overview : ndarray, shape (c, y, x) or (c, pixels)
        Stored intensities of a coarse level.
    mask : ndarray of bool, shape (y, x), optional
        Tissue.
    percentiles : pair of float
        Lower and upper percentile.

    Returns
    -------
    ChannelScaling
        Where more than 99.5 % of the tissue is dark, the brightest value is
        used instead of the percentile; an empty channel has ``high == low``.
    """
    low, high = [], []
    for channel in overview:
        values = channel[mask] if mask is not None and mask.any() else channel.ravel()
        values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if values.size == 0:
            low.append(0.0)
            high.append(0.0)
            continue
        bottom, top = (float(v) for v in np.percentile(values, percentiles))
        if top <= bottom:
            top = float(values.max())
        low.append(bottom)
        high.append(top)
    return ChannelScaling(tuple(low), tuple(high))
