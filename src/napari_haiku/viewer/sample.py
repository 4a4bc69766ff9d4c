"""The virtual tumour slide and the demo atlas that ship with the package."""

from __future__ import annotations

from pathlib import Path

from napari_haiku.atlas.shipped import shipped_atlas


def demo_atlas_folder() -> Path:
    """Folder of the encoded virtual atlas that ships with the package."""
    return shipped_atlas()
