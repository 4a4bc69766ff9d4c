"""Open any supported image as a lazy pyramid with pixel size and markers; mask, grid, patches."""
