"""Colours of niches in files that carry them; the same as on the canvas."""

from __future__ import annotations

_EIGHT = (
    (0x00, 0x72, 0xB2),
    (0xE6, 0x9F, 0x00),
    (0x00, 0x9E, 0x73),
    (0xF0, 0xE4, 0x42),
    (0x56, 0xB4, 0xE9),
    (0xD5, 0x5E, 0x00),
    (0xCC, 0x79, 0xA7),
    (0x99, 0x99, 0x99),
)


def niche_rgb(niche: int) -> tuple[int, int, int]:
    """Red, green and blue (0 to 255) of a niche, numbered from 1."""
    return _EIGHT[(niche - 1) % len(_EIGHT)]
