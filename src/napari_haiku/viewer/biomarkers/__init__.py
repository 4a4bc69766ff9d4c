"""Maps and rows of markers."""
