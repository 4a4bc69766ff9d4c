"""napari layers from results and back; no Qt widgets."""
