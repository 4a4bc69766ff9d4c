"""Niches corrected by hand: names, merging, splitting, painting, with the layer's own undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_haiku.viewer.niches.niche_edits import free_number, named, relabelled, split_in_two
from napari_haiku.viewer.niches.niche_mask import add_mask
from napari_haiku.viewer.niches.niche_view import draw_niches, redraw_lines
from napari_haiku.viewer.niches.spotlight import remove_spotlight
from napari_haiku.widgets.niches.niche_brush import NicheBrush

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niches import NicheResult
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.niches.niche_view import NichePictures
    from napari_haiku.widgets.frame.dock import HaikuDock
    from napari_haiku.widgets.niches.niche_table import NicheTable
    from napari_haiku.widgets.niches.niche_tools import NicheTools


class Correcting(QObject):
    """What the user did to the niches of one slide by hand.

    Every change ends in the workspace's niches; the dock hears of it there.

    Parameters
    ----------
    dock : HaikuDock
        Has the workspace and runs the jobs.
    table : NicheTable
        Whose selected rows are meant.
    tools : NicheTools
        The buttons.

    Attributes
    ----------
    confirmed : set of int
        Niches whose names somebody gave or confirmed.
    by_hand : bool
        Whether patches were given to other niches since the niches were found.
    undescribed : bool
        Whether the figures per niche are from before the last correction.

    Signals
    -------
    confirmed_as_it_is : ()
        A name was confirmed, or a typed one was refused: the table is out of date.
    """

    confirmed_as_it_is = Signal()

    def __init__(self, dock: HaikuDock, table: NicheTable, tools: NicheTools) -> None:
        super().__init__(dock)
        self._dock = dock
        self._table = table
        self._tools = tools
        self._remembered: dict[int, str] = {}
        self.confirmed: set[int] = set()
        self.by_hand = self.undescribed = False
        self.brush = NicheBrush(dock.viewer, self)
        self.brush.painted.connect(self._on_painted)
        self.brush.mode_changed.connect(tools.show_painting)
        table.renamed.connect(self.rename)
        tools.rename_wanted.connect(self._edit_name)
        tools.merge_wanted.connect(self.merge)
        tools.mask_wanted.connect(self.mask)
        tools.split_wanted.connect(self.split)
        tools.paint_wanted.connect(self.paint)

    @property
    def kept_names(self) -> dict[int, str]:
        """Names that stay whatever is found: those somebody gave."""
        result = self._result
        names = {} if result is None else result.names
        return {niche: name for niche, name in names.items() if niche in self.confirmed}

    def start_from(self, confirmed: frozenset[int], *, by_hand: bool) -> None:
        """Begin with niches that were found, or corrected and described anew."""
        self.confirmed = set(confirmed)
        self.by_hand, self.undescribed = by_hand, False

    def drawn(self, encoding: Encoding, result: NicheResult) -> None:
        """Watch the layer that was drawn; steps that led elsewhere are dropped."""
        self.brush.watch(encoding.grid, result.labels[0])
        self.brush.forget_steps()

    def remember(self, result: NicheResult) -> None:
        """Remember names, for niches that undo brings back."""
        self._remembered.update(result.names)

    def forget(self) -> None:
        """Another slide."""
        self.brush.leave()
        self._remembered.clear()
        self.start_from(frozenset(), by_hand=False)

    def rename(self, niche: int, name: str) -> None:
        """Give or confirm a niche's name; an empty one is ignored."""
        result = self._result
        name = " ".join(name.split())
        if result is None or niche not in result.names:
            return
        if name:
            self.confirmed.add(niche)
        changed = named(result, {niche: name} if name else {})
        if changed is result:
            self.confirmed_as_it_is.emit()
        else:
            self._dock.workspace.niches = changed

    def mask(self) -> None:
        """Make a layer of the patches of the selected niches."""
        encoding, result = self._dock.workspace.encoding, self._dock.workspace.niches
        niches = self._table.selected_niches
        if encoding is not None and result is not None and niches:
            names = [result.names[niche] for niche in niches]
            add_mask(self._dock.viewer, encoding.grid, result.labels[0], niches, names)

    def merge(self) -> None:
        """Make the selected niches one: the largest, with its colour and name."""
        result, chosen = self._result, self._table.selected_niches
        if result is None or len(chosen) < 2:
            return
        labels = result.labels[0].copy()
        largest = max(chosen, key=lambda niche: int((labels == niche).sum()))
        labels[np.isin(labels, chosen)] = largest
        self.brush.write(labels)
        self._table.select((largest,))

    def split(self) -> None:
        """Split the selected niche in two."""
        result, chosen = self._result, self._table.selected_niches
        if result is None or len(chosen) != 1:
            return
        self._dock.run(
            lambda: split_in_two(result, chosen[0]),
            lambda labels: self._write(labels, result, chosen[0]),
            "Splitting",
            lane="edit",
        )

    def make_niche(self, patches: NDArray[np.bool_]) -> None:
        """Make a niche of some patches."""
        result = self._result
        if result is None:
            return
        new = free_number(result.niches)
        labels = result.labels[0].copy()
        labels[patches] = new
        self.brush.write(labels)
        self._table.select((new,))

    def paint(self, on: bool) -> None:
        """Take up the brush with the selected niche's colour, or put it down."""
        chosen = self._table.selected_niches
        if on and len(chosen) == 1:
            remove_spotlight(self._dock.viewer)
            self.brush.take_up(chosen[0])
        elif not on:
            self.brush.put_down()

    @property
    def _result(self) -> NicheResult | None:
        return self._dock.workspace.niches

    def _edit_name(self) -> None:
        chosen = self._table.selected_niches
        if len(chosen) == 1:
            self._table.edit_name(chosen[0])

    def _write(self, labels: NDArray[np.int64], result: NicheResult, niche: int) -> None:
        if self._result is result:
            self.brush.write(labels)
            self._table.select((niche,))

    def _on_painted(self, labels: NDArray[np.int64]) -> None:
        result, encoding = self._result, self._dock.workspace.encoding
        if result is None or encoding is None:
            return
        changed = relabelled(result, labels, self._remembered)
        self.by_hand = self.undescribed = True
        self.confirmed &= set(changed.niches) | set(self._remembered)
        self._dock.workspace.niches = changed
        own = changed.labels[0]
        self._dock.run(
            lambda: draw_niches(encoding.grid, own),
            self._on_lines,
            "Drawing",
            lane="lines",
            quiet=True,
        )

    def _on_lines(self, pictures: NichePictures) -> None:
        if self._result is not None and self._result.labels[0] is pictures.labels:
            redraw_lines(self._dock.viewer, pictures)
