"""Fields that were made to mean nothing; light, so that a window can ask at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def fields_without_meaning(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Fields that the model's card says to mean nothing, twins among them."""
    return tuple(
        dict.fromkeys((*(card.get("placebo_fields") or ()), *(card.get("twin_fields") or ())))
    )
