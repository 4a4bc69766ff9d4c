"""The maps of one counterfactual: layers, captions and charts of a marker and a niche."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.viewer.biomarkers.map_layers import OUTSIDE, outside_layer
from napari_haiku.viewer.biomarkers.marker_limits import shift_limit
from napari_haiku.viewer.counterfactual.shift_layers import (
    NOT_SUPPORTED,
    SHIFT,
    edit_words,
    scenario_name,
    shift_layer,
)
from napari_haiku.viewer.counterfactual.shift_rows import PLACEBO_P, ShiftRow, shift_rows
from napari_haiku.viewer.layers.captions import caption
from napari_haiku.viewer.layers.heat_cells import HeatTable, heat_table
from napari_haiku.viewer.layers.layer_slots import drop_layer, layer_in_slot
from napari_haiku.viewer.layers.legend import SHIFT_UNIT, Legend, shift_legend
from napari_haiku.viewer.layers.map_layer import show_map
from napari_haiku.viewer.layers.one_map import show_only
from napari_haiku.viewer.layers.several import drop_several

if TYPE_CHECKING:
    import napari
    from numpy.typing import NDArray

    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
    from napari_haiku.images.grid import PatchGrid
    from napari_haiku.viewer.layers.map_layer import MapLayer


class ShiftMaps:
    """What is shown of one counterfactual.

    Parameters
    ----------
    grid : PatchGrid
        All patches of the slide.
    result : CounterfactualResult
        The answer, of all patches or of some.
    """

    def __init__(self, grid: PatchGrid, result: CounterfactualResult) -> None:
        self.grid = grid
        self.result = result
        self._shown = result.shown()

    @cached_property
    def outside(self) -> MapLayer:
        """The hatching; read it in the job, it takes a while on large slides."""
        outside = np.zeros(len(self.grid), bool)
        outside[self.result.rows] = self.result.outside_atlas
        return outside_layer(self.grid, outside)

    @property
    def markers(self) -> list[str]:
        """Markers whose shift is known anywhere."""
        known = np.asarray(np.isfinite(self._shown).any(axis=0)).tolist()
        return [marker for marker, yes in zip(self.result.markers, known, strict=True) if yes]

    @property
    def niches(self) -> dict[int, str]:
        """Niches asked about, by number."""
        return dict(self.result.niches.names)

    def title(self, marker: str) -> str:
        """Say what the map shows: ``CD163 shift, stage II to IV``."""
        said = f"{marker} shift, {edit_words(self.result.edit.before, self.result.edit.after)}"
        return said if marker in self.supported else said + NOT_SUPPORTED

    def layer(
        self, marker: str, *, limit: float | None = None, scenario: str | None = None
    ) -> MapLayer:
        """Give the map of one marker.

        Parameters
        ----------
        marker : str
            One of :attr:`markers`.
        limit : float, optional
            Upper end of the symmetric limits; its own by default.
        scenario : str, optional
            Name of the edit; what was edited by default.
        """
        column = self.column(marker)
        every = np.full(len(self.grid), np.nan, np.float32)
        every[self.result.rows] = column
        return shift_layer(
            self.grid,
            marker,
            every,
            shift_limit(column) if limit is None else limit,
            scenario=scenario_name(self.result.edit.after) if scenario is None else scenario,
            beyond_placebo=not self.result.no_more_than_placebo,
            supported=marker in self.supported,
        )

    def legend(self, marker: str, *, limit: float | None = None, stale: bool = False) -> Legend:
        """Give the legend of one marker's map."""
        if limit is None:
            limit = shift_limit(self.column(marker))
        return shift_legend(f"{self.title(marker)}, {SHIFT_UNIT}", limit, stale=stale)

    @cached_property
    def supported(self) -> frozenset[str]:
        """Markers that are supported in any niche."""
        return frozenset(
            row.marker for niche in self.niches for row in self.rows(niche) if row.supported
        )

    def rows(self, niche: int) -> list[ShiftRow]:
        """Give the rows of the chart of one niche."""
        return shift_rows(self.result.shifts, niche)

    def cells(self) -> HeatTable:
        """Give the niche x marker map, markers by their largest rise in any niche."""
        return heat_table(
            self.result.shifts,
            "shift",
            niches=tuple(self.niches),
            unit="SD",
            dot="supported",
            faint_above=("placebo_p", PLACEBO_P),
            hints=(
                ("ci_low", "95 % interval from"),
                ("ci_high", "to"),
                ("p", "p"),
                ("q", "q"),
                ("placebo_p", "placebo p"),
                ("contrast", "contrast between patients"),
                ("n", "patches"),
            ),
        )

    def strongest(self, niche: int) -> str | None:
        """Name the marker that shifts most in a niche: supported first, then beyond placebo."""
        rows = [row for row in self.rows(niche) if row.estimable and row.marker in self.markers]
        if not rows:
            return None
        order = [(not row.supported, row.faint, -abs(row.shift), row.marker) for row in rows]
        return min(order)[-1]

    def column(self, marker: str) -> NDArray[Any]:
        """Shift of one marker at each patch asked about, NaN where there is none."""
        column: NDArray[Any] = self._shown[:, self.result.markers.index(marker)]
        return column


def show_shift(viewer: napari.Viewer, maps: ShiftMaps, marker: str) -> None:
    """Show the shift of one marker, with unknown tissue hatched, and nothing else."""
    drop_several(viewer)
    layer = show_map(viewer, maps.layer(marker))
    caption(layer, colour_bar=True)
    show_map(viewer, maps.outside)
    show_only(viewer, {SHIFT, OUTSIDE})


def remove_shift(viewer: napari.Viewer) -> None:
    """Take the shift maps out of the viewer."""
    drop_several(viewer)
    shift, outside = layer_in_slot(viewer, SHIFT), layer_in_slot(viewer, OUTSIDE)
    if shift is not None and shift.visible and outside is not None:
        # It was hatched for the map that goes now.
        outside.visible = False
    drop_layer(viewer, SHIFT)
