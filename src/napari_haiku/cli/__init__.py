"""The same work without a window: ``napari-haiku COMMAND``."""

from napari_haiku.cli.application import app, main

__all__ = ["app", "main"]
