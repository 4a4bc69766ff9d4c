"""Changes of stain, brightness and panel that must not change what tissue is."""

from __future__ import annotations

import torch
from torch import Tensor


def vary_stain(image: Tensor, generator: torch.Generator, amount: float = 1.0) -> Tensor:
    """Scale the optical density of each colour and shift the brightness.

    Parameters
    ----------
    image : Tensor, shape (n, 3, h, w)
        Values in 0..255.
    generator : torch.Generator
    amount : float
        0 changes nothing, 1 as much as stains differ between laboratories.

    Returns
    -------
    Tensor
        Values about 0..1.
    """
    n = len(image)
    overall = 1 + amount * 0.15 * torch.randn(n, 1, 1, 1, generator=generator)
    each = 1 + amount * 0.10 * torch.randn(n, 3, 1, 1, generator=generator)
    shift = amount * 0.03 * torch.randn(n, 3, 1, 1, generator=generator)
    density = -torch.log((image + 1) / 256)
    return torch.exp(-density * (overall * each).clamp(0.5, 1.6)) + shift


def vary_intensity(cells: Tensor, generator: torch.Generator) -> Tensor:
    """Scale each channel of each patch a little; shape (n, c, 3, y, x)."""
    n, channels = cells.shape[:2]
    gain = 1 + 0.1 * torch.randn(n, channels, 1, 1, 1, generator=generator)
    return cells * gain.clamp(0.6, 1.4)


def drop_channels(channels: int, generator: torch.Generator) -> Tensor:
    """Channels to keep: all of them half the time, else 60 to 100 % of the panel."""
    if channels < 3 or torch.rand((), generator=generator) < 0.5:
        return torch.arange(channels)
    share = 0.6 + 0.4 * float(torch.rand((), generator=generator))
    kept = max(2, round(share * channels))
    return torch.randperm(channels, generator=generator)[:kept].sort().values


def vary_range(log_range: Tensor, generator: torch.Generator) -> Tensor:
    """Shift the logarithm of each channel's intensity range, or withhold it.

    A quarter of the patches is read without any: images in other units must
    still be understood.

    Parameters
    ----------
    log_range : Tensor, shape (n, c)
    generator : torch.Generator
    """
    n = len(log_range)
    shifted = log_range + 0.05 * torch.randn(log_range.shape, generator=generator)
    withheld = torch.rand(n, 1, generator=generator) < 0.25
    return shifted.masked_fill(withheld, torch.nan)
