"""The virtual tumour slide and the demo atlas that ship with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def demo_atlas_folder() -> Path:
    """Folder of the encoded virtual atlas that ships with the package."""
    return Path(str(resources.files("napari_haiku"))) / "assets" / "atlas"
