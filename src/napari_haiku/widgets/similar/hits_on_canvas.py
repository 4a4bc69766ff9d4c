"""What the canvas shows of an answer: rings, the whole slide's likeness, another slide beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.canvas import fly_to
from napari_haiku.viewer.layers.captions import caption
from napari_haiku.viewer.layers.layer_slots import drop_layer, layer_in_slot
from napari_haiku.viewer.layers.legend import Legend
from napari_haiku.viewer.layers.one_map import show_only
from napari_haiku.viewer.search import query_layers
from napari_haiku.viewer.search.slide_beside import (
    hide_beside,
    picture_of_slide,
    show_beside,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_haiku.viewer.search.finding import Found
    from napari_haiku.viewer.search.hit_cards import HitCard
    from napari_haiku.widgets.frame.dock import HaikuDock


class HitsOnCanvas:
    """Draws answers for one dock.

    Parameters
    ----------
    dock : HaikuDock
        The dock that does the slow work in its threads.
    """

    def __init__(self, dock: HaikuDock) -> None:
        self._dock = dock
        # Likeness that waits for the dock to come to the front.
        self.withheld = False

    def ring(self, cards: Sequence[HitCard], patch_um: float, numbered: Collection[int]) -> None:
        """Ring the hits on this slide, and number those in view."""
        here = [card for card in cards if card.this_slide]
        query_layers.show_hits(
            self._dock.viewer,
            np.array([card.position_um for card in here], float).reshape(-1, 2),
            [card.rank for card in here],
            patch_um,
            numbered=numbered,
        )

    def number(self, ranks: Collection[int]) -> None:
        """Write the rank beside these hits."""
        query_layers.number_hits(self._dock.viewer, ranks)

    def clear(self) -> None:
        """Take rings and likeness away."""
        hide_beside(self._dock.viewer)
        drop_layer(self._dock.viewer, query_layers.HITS)
        drop_layer(self._dock.viewer, query_layers.SIMILARITY)

    def show_likeness(self, found: Found | None, *, wanted: bool) -> Legend | None:
        """Colour every patch of the slide by its likeness, or take that away.

        Returns
        -------
        Legend or None
            Of what is shown.
        """
        viewer = self._dock.viewer
        self.withheld = not self._dock.isVisible()
        if self.withheld:
            # Another dock is in front, and its map is what the click was about.
            return None
        likeness = None if found is None else found.likeness
        if not wanted or found is None or likeness is None:
            layer = layer_in_slot(viewer, query_layers.SIMILARITY)
            if layer is not None:
                layer.visible = False
            return None
        shown = query_layers.show_similarity(viewer, found.question.encoding.grid, likeness)
        show_only(viewer, (query_layers.SIMILARITY, query_layers.HITS))
        caption(shown, colour_bar=True)
        low, high = shown.contrast_limits
        return Legend(
            "Similarity to what was asked",
            query_layers.similarity_stops(),
            f"{low:.2f}",
            f"{high:.2f}",
        )

    def mark(self, card: HitCard | None) -> None:
        """Light up one hit on the slide."""
        rank = card.rank if card is not None and card.this_slide else None
        query_layers.mark_hit(self._dock.viewer, rank)

    def go_to(self, card: HitCard) -> None:
        """Fly to a hit on this slide, or open its slide beside this one."""
        viewer, atlas = self._dock.viewer, self._dock.workspace.atlas
        if card.this_slide:
            hide_beside(viewer)
            fly_to(viewer, *card.position_um)
            return
        if atlas is None:
            return
        at_um = self._query_um()
        patch_um = atlas.patch_um
        self._dock.run(
            lambda: picture_of_slide(atlas, card.row),
            lambda picture: show_beside(viewer, picture, at_um, patch_um),
            "Opening the other slide",
            lane="beside",
        )

    def close_beside(self) -> None:
        """Go back to this slide alone, where the canvas looks."""
        hide_beside(self._dock.viewer)

    def back(self) -> None:
        """Go back to what was asked, on this slide alone."""
        hide_beside(self._dock.viewer)
        fly_to(self._dock.viewer, *self._query_um())

    def _query_um(self) -> tuple[float, float]:
        workspace = self._dock.workspace
        encoding = workspace.encoding
        if encoding is not None and workspace.region:
            x, y = encoding.centres_um[list(workspace.region)].mean(axis=0)
            return float(x), float(y)
        if encoding is not None and workspace.selection is not None:
            x, y = encoding.centres_um[workspace.selection]
            return float(x), float(y)
        y, x = self._dock.viewer.scene.camera.center[-2:]
        return float(x), float(y)
