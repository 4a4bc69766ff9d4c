"""The card of the model that ships, without loading the model."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@cache
def shipped_card() -> Mapping[str, Any]:
    """Read what ``card.json`` of the model that ships says."""
    file = resources.files("napari_haiku") / "assets" / "model" / "card.json"
    card: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return card


def worth_telling(fields: Iterable[str]) -> tuple[str, ...]:
    """Leave out fields that virtual cohorts carry only to mean nothing.

    For lists of fields in a sentence; all fields where nothing would be left.
    """
    card, names = shipped_card(), tuple(fields)
    idle = {*(card.get("placebo_fields") or ()), *(card.get("twin_fields") or ())}
    return tuple(name for name in names if name not in idle) or names
