"""What napari remembers of the pixels it has drawn."""

from __future__ import annotations

from napari.utils import resize_dask_cache


def forget_drawn_pixels() -> None:
    """Empty napari's cache of decoded pixels.

    napari keeps what it drew of lazy images, for all viewers together, until a
    quarter of the memory is full, and does not notice that an image is gone:
    every slide opened and closed leaves some tens of MB. What is still on show
    somewhere is read again when it is next drawn.
    """
    resize_dask_cache().cache.clear()
