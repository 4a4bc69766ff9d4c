"""Intervals, corrections and means over patients."""
