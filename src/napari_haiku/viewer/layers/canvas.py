"""Where the canvas looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari


def fly_to(viewer: napari.Viewer, x_um: float, y_um: float) -> None:
    """Put a position into the middle of the canvas, keeping the zoom."""
    camera = viewer.scene.camera
    camera.center = (camera.center[0], y_um, x_um)


def show_all(viewer: napari.Viewer) -> None:
    """Zoom so that the whole slide is in view."""
    viewer.fit_to_view()
