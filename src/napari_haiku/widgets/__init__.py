"""Dock widgets: the only room that imports Qt."""
