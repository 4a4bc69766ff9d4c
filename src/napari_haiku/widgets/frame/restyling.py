"""Properties that the style sheet reads, set so that they take effect at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


def set_look(widget: QWidget, name: str, value: object) -> None:
    """Set a dynamic property and have the widget styled anew."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
