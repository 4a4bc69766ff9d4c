"""What a search asks when nobody says: the same in the window, on the command line, in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

# How many hits are looked for when nobody says.
USUAL_HITS = 50


def usual_target(modalities: Collection[str]) -> str:
    """Choose what is looked through: the H&E, which everybody reads, else the mIF.

    Parameters
    ----------
    modalities : collection of str
        What the atlas holds.
    """
    return "mif" if "mif" in modalities and "he" not in modalities else "he"
