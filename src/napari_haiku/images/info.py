"""What one image is, in plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage


def describe(image: SlideImage) -> dict[str, Any]:
    """Describe an image in values that fit JSON.

    Returns
    -------
    dict
        ``modality``, ``shape`` (y, x, 3) or (c, y, x), ``levels`` (their shapes),
        ``pixel_size_um`` (None when unknown), ``markers`` (canonical where the name
        is known; channels that are no marker are left out), ``dtype``; besides
        ``channels`` (as the file names them), ``origin_um``, ``fingerprint`` and
        ``notes``.
    """
    return {
        "modality": image.modality,
        "shape": [int(side) for side in image.levels[0].shape],
        "levels": [[int(side) for side in level.shape] for level in image.levels],
        "pixel_size_um": image.pixel_size_um,
        "markers": list(image.used_markers),
        "dtype": str(image.dtype),
        "channels": list(image.channel_names),
        "origin_um": [float(value) for value in image.origin_um],
        "fingerprint": image.fingerprint,
        "notes": list(image.notes),
    }
