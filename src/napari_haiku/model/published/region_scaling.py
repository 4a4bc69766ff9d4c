"""The published region normalisation as a scaling that patches can carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_haiku.model.published.mif_preprocessing import LARGEST, region_limits, to_uint16
from napari_haiku.model.scaling import ChannelScaling

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fit_region_scaling(overview: NDArray[Any], mask: NDArray[np.bool_] | None) -> ChannelScaling:
    """Limits of each channel by the published rule, in stored units.

    Parameters
    ----------
    overview : ndarray, shape (c, ...)
        Stored intensities of the slide or a coarse level of it.
    mask : ndarray of bool, shape (...), optional
        Tissue; everything when absent.

    Notes
    -----
    The published rule knows 8- and 16-bit grey levels. Fractions (floats of at
    most 1) are read as parts of the 16-bit range.
    """
    tissue = np.ones(overview.shape[1:], bool) if mask is None else np.asarray(mask, bool)
    low, high = [], []
    for channel in overview:
        unit = _unit(channel)
        limits = region_limits(to_uint16(channel if unit == 1 else _wide(channel, unit)), tissue)
        if not np.any(np.nan_to_num(channel)):
            low.append(0.0)
            high.append(0.0)
            continue
        low.append(limits.low / unit)
        high.append(limits.high / unit)
    return ChannelScaling(tuple(low), tuple(high))


def quantise(images: torch.Tensor, scaling: ChannelScaling) -> torch.Tensor:
    """Map each channel's limits to 0..255 and round to whole grey levels, as published.

    Parameters
    ----------
    images : Tensor of float32, shape (n, c, h, w)
        Stored intensities.
    scaling : ChannelScaling
        Limits in stored units; an empty channel becomes 0.
    """
    low = torch.tensor(scaling.low, dtype=torch.float64, device="cpu")
    span = torch.tensor(scaling.high, dtype=torch.float64, device="cpu") - low
    empty = (span <= 0).to(images.device)[:, None, None]
    # The published 1e-5 guards 16-bit limits against a zero span.
    span = torch.where(span > 0, span + 1e-5 * span.clamp(max=1), 1)
    shape = (-1, 1, 1)
    low = low.to(images.device, torch.float32).view(shape)
    span = span.to(images.device, torch.float32).view(shape)
    scaled = ((images - low) / span).clamp(0, 1) * 255
    return torch.where(empty, 0, scaled.round())


def _unit(channel: NDArray[Any]) -> float:
    """16-bit grey levels per stored unit."""
    if channel.dtype in (np.uint8, np.bool_):
        return 256.0
    if channel.dtype.kind == "f":
        finite = channel[np.isfinite(channel)]
        if finite.size and 0 < finite.max() <= 1:
            return float(LARGEST)
    return 1.0


def _wide(channel: NDArray[Any], unit: float) -> NDArray[np.float64]:
    return channel.astype(np.float64) * unit
