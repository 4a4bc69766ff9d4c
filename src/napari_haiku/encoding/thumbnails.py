"""Small pictures of patches, for galleries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.encoding.layout import THUMBNAIL_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.model.scaling import ChannelScaling

# Markers that people look for first, in colours that stay apart when added.
_COLOURS: dict[str, tuple[float, float, float]] = {
    "DAPI": (0.25, 0.38, 1.0),
    "PanCK": (1.0, 1.0, 0.0),
    "CD8": (0.0, 1.0, 0.0),
    "aSMA": (1.0, 0.0, 1.0),
}


def shrink(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize RGB patches (n, h, w, 3) to (n, 64, 64, 3), averaging over pixels."""
    import torch

    # As Pillow's filter, at an eighth of its time.
    small = torch.nn.functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2),
        (THUMBNAIL_PX, THUMBNAIL_PX),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    out: NDArray[np.uint8] = small.permute(0, 2, 3, 1).contiguous().numpy()
    return out


def composite(
    patches: NDArray[Any], markers: Sequence[str], scaling: ChannelScaling
) -> NDArray[np.uint8]:
    """Colour composite of mIF patches.

    Parameters
    ----------
    patches : ndarray, shape (n, c, h, w)
        Stored intensities.
    markers : sequence of str, length c
        Their markers.
    scaling : ChannelScaling
        Intensity range of each channel.

    Returns
    -------
    ndarray of uint8, shape (n, h, w, 3)
        DAPI blue, PanCK yellow, CD8 green, aSMA magenta; where a slide has
        none of these, its first markers take the colours in that order.
    """
    chosen = {
        markers.index(name): colour for name, colour in _COLOURS.items() if name in markers
    } or dict(zip(range(len(markers)), _COLOURS.values(), strict=False))
    channels = list(chosen)
    shown = np.clip(scaling.select(channels).apply(patches[:, channels]), 0, 1)
    mixed = np.einsum("nchw,cr->nhwr", shown, np.asarray(list(chosen.values()), np.float32))
    result: NDArray[np.uint8] = (np.clip(mixed, 0, 1) * 255).round().astype(np.uint8)
    return result
