"""The maps of one prediction: what to show for a marker under the dock's settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_haiku.viewer.biomarkers.map_layers import (
    difference_layer,
    doubt_layer,
    marker_layer,
    outside_layer,
)
from napari_haiku.viewer.biomarkers.marker_limits import (
    LimitsRule,
    marker_limits,
    sampled_rows,
    shift_limit,
    widened,
)
from napari_haiku.viewer.layers.legend import Legend, marker_legend, shift_legend
from napari_haiku.viewer.layers.placement import on_grid

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.images.grid import PatchGrid
    from napari_haiku.viewer.layers.map_layer import MapLayer

Show = Literal["Predicted", "Measured", "Both", "Difference"]
Limits = tuple[float, float]


@dataclass(frozen=True)
class MapSettings:
    """How marker maps are drawn; none of it makes a prediction stale.

    Parameters
    ----------
    show : {"Predicted", "Measured", "Both", "Difference"}
        Which maps.
    rule : {"percentile", "full", "fixed"}
        How both ends of the colour bar are chosen.
    fixed : tuple of float
        The ends when fixed.
    same_on_all : bool
        Whether the ends are read off the atlas, so that every slide has the same.
    grey : bool
        Whether a grey veil marks where neighbours disagree.
    hatch : bool
        Whether unknown tissue is hatched.
    """

    show: Show = "Predicted"
    rule: LimitsRule = "percentile"
    fixed: Limits = (0.0, 1.0)
    same_on_all: bool = True
    grey: bool = True
    hatch: bool = True


def atlas_sample(atlas: Atlas) -> NDArray[np.float32]:
    """Read an evenly spaced sample of an atlas's expression; may take a while."""
    return np.asarray(atlas.expression[sampled_rows(len(atlas.expression))], np.float32)


class MarkerMaps:
    """Layers and legends of the markers of one prediction.

    Parameters
    ----------
    grid : PatchGrid
        All patches of the slide.
    result : BiomarkerResult
        The prediction, of all patches or of some.
    sample : ndarray, shape (rows, markers)
        Sample of the atlas's expression, NaN where not measured.

    Attributes
    ----------
    agreement : DataFrame or None
        Measured beside predicted by region, once compared.
    """

    def __init__(
        self, grid: PatchGrid, result: BiomarkerResult, sample: NDArray[np.floating]
    ) -> None:
        self.grid = grid
        self.result = result
        self.agreement: pd.DataFrame | None = None
        self._sample = sample
        self._shown = result.shown()

    @cached_property
    def outside(self) -> MapLayer:
        """The hatching; a second's work on the largest slides, so read it in the job."""
        return outside_layer(self.grid, self._spread_out(self.result.outside_atlas, False))

    @property
    def outside_share(self) -> float:
        """Share of the predicted patches that are unlike anything in the atlas."""
        return float(self.result.outside_atlas.mean()) if len(self.result) else 0.0

    def predictable(self) -> set[str]:
        """Markers that have a value anywhere."""
        known = np.asarray(np.isfinite(self.result.values).any(axis=0)).tolist()
        return {marker for marker, yes in zip(self.result.markers, known, strict=True) if yes}

    def has_measured(self, marker: str) -> bool:
        """Whether the slide measured the marker in any of these patches."""
        return bool(np.isfinite(self.measured(marker)).any())

    def predicted(self, marker: str) -> NDArray[np.float32]:
        """Predicted values, NaN outside the atlas, shape (rows of the result,)."""
        column: NDArray[np.float32] = self._shown[:, self._column(marker)]
        return column

    def measured(self, marker: str) -> NDArray[np.float32]:
        """Measured values, all NaN where the slide did not measure the marker."""
        if self.result.measured is None:
            return np.full(len(self.result), np.nan, np.float32)
        column: NDArray[np.float32] = self.result.measured[:, self._column(marker)]
        return column

    def limits(self, marker: str, settings: MapSettings) -> Limits:
        """Both ends of the marker's colour bar, alike for predicted and measured."""
        if settings.rule == "fixed":
            return widened(*sorted(settings.fixed))
        parts = [self.predicted(marker), self.measured(marker)]
        if settings.same_on_all:
            of_atlas = self._sample[:, self._column(marker)]
            if np.isfinite(of_atlas).any():
                parts = [of_atlas]
        return marker_limits(*parts, rule=settings.rule)

    def show_possible(self, marker: str, show: Show) -> Show:
        """Give what can be shown: without a measurement only the prediction."""
        return show if self.has_measured(marker) else "Predicted"

    def layers(self, marker: str, settings: MapSettings) -> list[MapLayer]:
        """Give the layers to show, bottom first.

        Parameters
        ----------
        marker : str
            One of the result's markers.
        settings : MapSettings
            What the dock says.
        """
        show = self.show_possible(marker, settings.show)
        if show == "Difference":
            difference = self.predicted(marker) - self.measured(marker)
            wanted = [
                difference_layer(
                    self.grid, marker, self._spread_out(difference), shift_limit(difference)
                )
            ]
        else:
            limits = self.limits(marker, settings)
            wanted = []
            if show in ("Measured", "Both"):
                values = self._spread_out(self.measured(marker))
                wanted.append(marker_layer(self.grid, marker, values, limits, measured=True))
            if show in ("Predicted", "Both"):
                values = self.on_every_patch(marker)
                wanted.append(marker_layer(self.grid, marker, values, limits))
                if settings.grey:
                    spread = np.where(np.isfinite(self.predicted(marker)), self._spread(marker), 0)
                    wanted.append(
                        doubt_layer(self.grid, marker, self._spread_out(spread, 0.0), limits)
                    )
        if settings.hatch and show != "Measured":
            wanted.append(self.outside)
        return wanted

    def one_layer(self, marker: str, settings: MapSettings) -> MapLayer:
        """Give the map asked for of one marker, without a veil, for a view among several."""
        show = self.show_possible(marker, settings.show)
        if show == "Difference":
            difference = self.predicted(marker) - self.measured(marker)
            return difference_layer(
                self.grid, marker, self._spread_out(difference), shift_limit(difference)
            )
        measured = show == "Measured"
        values = self._spread_out(self.measured(marker) if measured else self.predicted(marker))
        return marker_layer(
            self.grid, marker, values, self.limits(marker, settings), measured=measured
        )

    def legend(self, marker: str, settings: MapSettings, *, stale: bool = False) -> Legend:
        """Give the legend that belongs to :meth:`layers`."""
        if self.show_possible(marker, settings.show) == "Difference":
            difference = self.predicted(marker) - self.measured(marker)
            title = f"{marker}, predicted minus measured"
            return shift_legend(title, shift_limit(difference), stale=stale)
        return marker_legend(marker, self.limits(marker, settings), stale=stale)

    def on_every_patch(self, marker: str) -> NDArray[np.float32]:
        """Predicted values of all patches of the slide, NaN where there is none."""
        return self._spread_out(self.predicted(marker))

    def picture(self, marker: str) -> NDArray[np.float32]:
        """Predicted values laid out on the grid, shape (ny, nx)."""
        return on_grid(self.grid, self.on_every_patch(marker))

    def _spread(self, marker: str) -> NDArray[np.float32]:
        column: NDArray[np.float32] = self.result.spread[:, self._column(marker)]
        return column

    def _column(self, marker: str) -> int:
        return self.result.markers.index(marker)

    def _spread_out(self, values: NDArray[Any], fill: float | bool = np.nan) -> NDArray[Any]:
        every = np.full(len(self.grid), fill, dtype=values.dtype)
        every[self.result.rows] = values
        return every
