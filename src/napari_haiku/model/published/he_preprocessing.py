"""H&E patches as the published tower reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import interpolate

if TYPE_CHECKING:
    import torch

MEAN = 0.5
STD = 0.5


def prepare_he(patches: torch.Tensor, size: int) -> torch.Tensor:
    """Resize, crop and normalise H&E patches exactly as published.

    Bicubic with antialiasing on the float image; the slight overshoot outside
    0..1 is kept.

    Parameters
    ----------
    patches : Tensor, shape (n, h, w, 3)
        RGB, 0 to 255.
    size : int
        Side of the tower's input.

    Returns
    -------
    Tensor of float32, shape (n, 3, size, size)
    """
    images = patches.permute(0, 3, 1, 2).float() / 255
    images = _shorter_side(images, size)
    top = round((images.shape[2] - size) / 2)
    left = round((images.shape[3] - size) / 2)
    images = images[:, :, top : top + size, left : left + size]
    return (images - MEAN) / STD


def _shorter_side(images: torch.Tensor, size: int) -> torch.Tensor:
    height, width = images.shape[2:]
    if height <= width:
        target = (size, int(size * width / height))
    else:
        target = (int(size * height / width), size)
    if target == (height, width):
        return images
    return interpolate(images, target, mode="bicubic", antialias=True, align_corners=False)
