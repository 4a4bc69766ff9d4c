"""The published Haiku model: towers, preprocessing, conversion.

Nothing here is loaded until asked for; timm and transformers come with the
optional extra ``published``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_haiku.model.published.haiku import Haiku

__all__ = ["Haiku"]


def __getattr__(name: str) -> Any:
    if name == "Haiku":
        from napari_haiku.model.published.haiku import Haiku

        return Haiku
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
