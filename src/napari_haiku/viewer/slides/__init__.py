"""Slides in the viewer: opening, finding and placing their layers."""
