"""Edited records, shift maps and shift rows."""
