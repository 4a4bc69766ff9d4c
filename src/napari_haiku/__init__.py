"""napari-haiku."""
