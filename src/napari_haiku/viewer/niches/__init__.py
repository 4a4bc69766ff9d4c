"""Niches as layers and rows."""
