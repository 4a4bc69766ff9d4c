"""The plugin's page in napari's preferences."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_haiku.viewer.slides.encoding_place import cache_folder
from napari_haiku.widgets.frame.navigation import PLUGIN


@dataclass(frozen=True)
class Preferences:
    """What the user set.

    Parameters
    ----------
    device : str
        "auto", "cuda", "mps" or "cpu".
    batch_size : int or None
        Patches at a time; None: as many as suit the device.
    cache : Path
        Folder for encodings that cannot lie beside their image.
    """

    device: str = "auto"
    batch_size: int | None = None
    cache: Path = field(default_factory=cache_folder)


def preferences() -> Preferences:
    """Read the preferences; the defaults where napari does not know the plugin.

    That is so when the package is used from a checkout that is not installed.
    """
    from napari.settings import get_plugin_settings

    try:
        settings = get_plugin_settings(PLUGIN)
    except KeyError:
        return Preferences()
    return Preferences(
        str(settings.compute.device),
        int(settings.compute.batch_size) or None,
        cache_folder(str(settings.storage.cache_folder)),
    )
