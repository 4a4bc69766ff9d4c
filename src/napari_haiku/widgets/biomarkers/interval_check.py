"""Intervals of predicted markers: learnt on atlas patients left out, behind the prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.analysis.biomarkers.conformal import IntervalCalibration
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.widgets.frame.dock import HaikuDock

LANE = "intervals"


class IntervalCheck:
    """Learns how wide intervals must be while the maps are on show already.

    Parameters
    ----------
    dock : HaikuDock
        Runs the job.
    on_intervals : callable
        Told of the result once it has intervals.
    """

    def __init__(self, dock: HaikuDock, on_intervals: Callable[[BiomarkerResult], object]) -> None:
        self._dock = dock
        self._on_intervals = on_intervals
        self._known: tuple[tuple[object, ...], IntervalCalibration] | None = None

    def start(self, result: BiomarkerResult, atlas: Atlas) -> None:
        """Learn them for a result; what was learnt for the same question is taken again."""
        if not {"he", "mif"} <= set(atlas.modalities):
            return
        request = result.request
        key = (
            atlas,
            request.k,
            tuple(sorted(result.weights.items())),
            request.where,
            request.temperature,
        )
        if self._known is not None and self._known[0] == key:
            self._on_intervals(replace(result, intervals=self._known[1]))
            return
        from napari_haiku.analysis.biomarkers.conformal import calibrate_intervals

        self._dock.run(
            calibrate_intervals(atlas, replace(request, weights=result.weights)),
            lambda found: self._arrived(key, found, result),
            "Checking predictions on the atlas",
            # Given up because something newer is asked: nothing to speak of.
            on_stopped=lambda _report: None,
            lane=LANE,
        )

    def stop(self) -> None:
        """Give up what is being learnt."""
        self._dock.cancel(LANE)

    def _arrived(
        self, key: tuple[object, ...], found: IntervalCalibration, result: BiomarkerResult
    ) -> None:
        self._known = key, found
        self._on_intervals(replace(result, intervals=found))
