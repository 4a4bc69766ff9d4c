"""Slides against outcome: survival and classes from bags of patches."""
