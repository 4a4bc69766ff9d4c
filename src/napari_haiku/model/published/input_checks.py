"""What the published towers are given, checked before any work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn


def check_intensities(patches: NDArray[Any], markers: Sequence[str]) -> None:
    """Refuse mIF patches that hold no numbers, or marker names that are no names.

    Raises
    ------
    HaikuError
        They are not.
    """
    if patches.dtype.kind not in "buif":
        raise HaikuError(
            f"mIF patches must hold whole numbers or fractions, not {patches.dtype}: "
            "give the stored intensities."
        )
    if isinstance(markers, str) or not all(isinstance(name, str) for name in markers):
        raise HaikuError("Give the markers as a list of names, one for each channel.")


def check_panels(
    patches: Sequence[Any],
    panels: Sequence[Sequence[str]],
    pixel_size: float,
    scalings: Sequence[Any] | None,
) -> None:
    """Refuse patches of different panels that do not belong to their names and scalings.

    Raises
    ------
    HaikuError
        They differ in number or dimensions, or the pixel size is none.
    """
    if not np.isfinite(pixel_size) or pixel_size <= 0:
        raise HaikuError(f"The pixel size must be a positive number of um, not {pixel_size}.")
    counts = {len(patches), len(panels), len(patches if scalings is None else scalings)}
    if len(counts) != 1:
        given = "" if scalings is None else f" and {len(scalings)} scalings"
        raise HaikuError(
            f"There are {len(patches)} patches and {len(panels)} lists of markers{given}: "
            "give one of each for every patch."
        )
    for patch, panel in zip(patches, panels, strict=True):
        shape = np.shape(patch)
        if len(shape) != 3:
            raise HaikuError(
                f"Each mIF patch must have shape (channels, height, width), not {shape}."
            )
        check_intensities(np.asarray(patch), panel)
        if not panel or shape[0] != len(panel):
            raise HaikuError(
                f"An mIF patch has {shape[0]} channels but {len(panel)} marker names: "
                "give one name for each channel."
            )


def keep_eval(network: nn.Module) -> None:
    """Put a network back into eval mode, whoever trained a part of it in between."""
    if any(module.training for module in network.modules()):
        network.eval()
