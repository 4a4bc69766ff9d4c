"""Drawn regions and what lies inside them."""
