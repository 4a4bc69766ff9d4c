"""Patches of any pixel size brought to the one the model was trained at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import interpolate

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    import torch

# A patch up to this much smaller than the model's is stretched rather than refused.
SLACK = 0.02


def to_model_patch(
    images: torch.Tensor, pixel_size: float, target_um: float, patch_px: int, *, what: str
) -> torch.Tensor:
    """Resample to the model's pixel size and keep the central patch.

    A patch already of the model's size in pixels and um is returned as it is.

    Parameters
    ----------
    images : Tensor of float32 or uint8, shape (n, c, h, w)
        Patches.
    pixel_size : float
        Their pixel size in um.
    target_um : float
        The model's pixel size in um.
    patch_px : int
        The model's patch side in pixels.
    what : str
        What the patches are, for the error ("H&E", "mIF").

    Raises
    ------
    HaikuError
        The patches cover less tissue than the model reads.
    """
    scale = pixel_size / target_um
    height, width = (max(1, round(side * scale)) for side in images.shape[2:])
    smallest = round(patch_px * (1 - SLACK))
    if min(height, width) < smallest:
        raise HaikuError(
            f"The {what} patches cover {min(images.shape[2:]) * pixel_size:.3g} um but the model "
            f"reads {patch_px * target_um:.4g} um: use patches of at least "
            f"{patch_px * target_um:.4g} um."
        )
    height, width = max(height, patch_px), max(width, patch_px)
    if (height, width) != tuple(images.shape[2:]):
        images = interpolate(
            images, (height, width), mode="bilinear", antialias=True, align_corners=False
        )
    top, left = (height - patch_px) // 2, (width - patch_px) // 2
    return images[:, :, top : top + patch_px, left : left + patch_px]
