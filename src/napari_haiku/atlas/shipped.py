"""The atlas that ships with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_atlas() -> Path:
    """Folder of the encoded virtual atlas that ships with the package."""
    return Path(str(resources.files("napari_haiku"))) / "assets" / "demo_atlas"
