"""Filters as results may repeat them."""

from __future__ import annotations

from napari_haiku.atlas.where import comparisons, parse_where
from napari_haiku.clinical import is_identifying

WITHHELD = "a filter on identifying fields"


def public_filter(where: str | None) -> str | None:
    """Give a filter for reports and tables, withheld where it names patients or slides."""
    if not where:
        return None
    named = any(is_identifying(part.field) for part in comparisons(parse_where(where)))
    return WITHHELD if named else where
