"""Encoding a slide once more: the earlier encoding stays in view until the new one is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.workspace import Workspace
    from napari_haiku.widgets.frame.message_strip import Action

BACK = "Back to the earlier one"


class EncodingAnew:
    """Remembers the encoding that was in view when another one was asked for.

    Parameters
    ----------
    workspace : Workspace
        Holds the encoding in view.

    Attributes
    ----------
    earlier : Encoding or None
        The encoding there is a way back to.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.earlier: Encoding | None = None

    def begin(self) -> None:
        """Remember the encoding in view, if there is one."""
        self.earlier = self._workspace.encoding

    def end(self) -> None:
        """Ask for no other encoding any more."""
        self.earlier = None

    @property
    def wanted(self) -> bool:
        """Whether another encoding is wanted while the earlier one is in view."""
        current = self._workspace.encoding
        return (
            self.earlier is not None and current is not None and current.path == self.earlier.path
        )

    @property
    def to_encode(self) -> bool:
        """Whether the slide can be encoded now: nothing is in view, or another one is wanted."""
        return self._workspace.encoding is None or self.wanted

    def actions(self, back: Callable[[Encoding], object]) -> list[Action]:
        """Give the button that leads back; none where there is nothing to go back to."""
        earlier = self.earlier
        return [] if earlier is None else [(BACK, lambda: back(earlier))]

    def place_of(self, chosen: Path | None) -> Path | None:
        """Give the place that outlasts a change of the images: that of the encoding wanted."""
        return chosen if self.wanted else None
