"""Where the encoding of a slide goes: beside the image, or into a cache folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage

SUFFIX = ".haiku.zarr"
_IMAGE_SUFFIX = re.compile(
    r"(\.ome)?\.(tiff?|zarr|svs|ndpi|mrxs|scn|png|jpe?g|qptiff)$", re.IGNORECASE
)


def cache_folder(setting: str = "") -> Path:
    """Folder for what has no better place.

    Parameters
    ----------
    setting : str
        The folder from the preferences; empty for the system's cache folder.
    """
    if setting.strip():
        return Path(setting).expanduser()
    return Path(platformdirs.user_cache_dir("napari-haiku", appauthor=False))


def encoding_place(he: SlideImage | None, mif: SlideImage | None, cache: Path) -> tuple[Path, bool]:
    """Choose where the encoding of a slide goes.

    Parameters
    ----------
    he, mif : SlideImage or None
        The images; at least one.
    cache : Path
        Used when the image has no file or its folder cannot be written.

    Returns
    -------
    path : Path
        Folder of the encoding.
    beside : bool
        Whether it lies beside the image.
    """
    image = he or mif
    if image is None:
        raise ValueError("a slide has at least one image")
    if image.path is not None:
        folder = image.path.parent
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder / f"{stem_of(image.path.name)}{SUFFIX}", True
    name = re.sub(r"[^\w.-]+", "_", image.name).strip("_.") or "slide"
    return cache / "encodings" / f"{stem_of(name)}-{image.fingerprint[:8]}{SUFFIX}", False


def stem_of(name: str) -> str:
    """File name without its image suffixes: ``a.ome.tif`` -> ``a``."""
    return _IMAGE_SUFFIX.sub("", name) or name


def free_place(path: Path) -> Path:
    """Give the path, or with -2, -3, ... while something is there: nothing is overwritten."""
    n, free = 1, path
    while free.exists():
        n += 1
        free = path.with_name(f"{path.name.removesuffix(SUFFIX)}-{n}{SUFFIX}")
    return free
