"""Small pictures of all patches of an atlas: JPEG after JPEG in one file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_haiku.atlas import layout
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

QUALITY = 85


def write_thumbnails(
    folder: Path, modality: str, pictures: Iterable[NDArray[np.uint8] | bytes | None]
) -> None:
    """Write the pictures of a modality in patch order.

    Parameters
    ----------
    folder : Path
        Folder of the atlas.
    modality : str
        ``"he"`` or ``"mif"``.
    pictures : iterable of (ndarray of uint8, bytes or None)
        RGB pictures, or JPEG as it is; None for a patch that has none.
    """
    offsets = [0]
    file = folder / layout.thumbnails_file(modality)
    with speaking(file), open(file, "wb") as stream:
        for picture in pictures:
            if isinstance(picture, bytes):
                stream.write(picture)
            elif picture is not None:
                encoded = io.BytesIO()
                Image.fromarray(picture).save(encoded, "JPEG", quality=QUALITY)
                stream.write(encoded.getbuffer())
            offsets.append(stream.tell())
    with speaking(folder):
        np.save(folder / layout.offsets_file(modality), np.asarray(offsets, np.int64))


class ThumbnailFile:
    """The pictures of one modality, read one by one.

    Parameters
    ----------
    folder : Path
        Folder of the atlas.
    modality : str
        ``"he"`` or ``"mif"``.
    """

    def __init__(self, folder: Path, modality: str) -> None:
        self._path = folder / layout.thumbnails_file(modality)
        self._offsets: NDArray[np.int64] = np.load(
            folder / layout.offsets_file(modality), mmap_mode="r"
        )

    def read(self, patch: int) -> NDArray[np.uint8] | None:
        """Picture of one patch; None where it has none."""
        encoded = self.read_bytes(patch)
        if encoded is None:
            return None
        with Image.open(io.BytesIO(encoded)) as picture:
            return np.asarray(picture.convert("RGB"))

    def read_bytes(self, patch: int) -> bytes | None:
        """JPEG of one patch; None where it has none."""
        begin, end = int(self._offsets[patch]), int(self._offsets[patch + 1])
        if begin == end:
            return None
        with open(self._path, "rb") as stream:
            stream.seek(begin)
            return stream.read(end - begin)
