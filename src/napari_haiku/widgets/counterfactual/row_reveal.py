"""Scrolling to the row that is mapped, once the answer is laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from qtpy.QtWidgets import QScrollArea

    from napari_haiku.widgets.counterfactual.shift_chart import ShiftChart

_MARGIN = 60


class RowReveal(QTimer):
    """Brings the marked row of a chart into view; `start` it after an answer was shown.

    Parameters
    ----------
    scroll : QScrollArea
        Scrolls the body that the chart is in.
    chart : ShiftChart
        Has the row.
    """

    def __init__(self, scroll: QScrollArea, chart: ShiftChart) -> None:
        super().__init__(scroll)
        self._scroll = scroll
        self._chart = chart
        # Where rows lie is known only after the events that lay the answer out.
        self.setSingleShot(True)
        self.timeout.connect(self._reveal)

    def _reveal(self) -> None:
        chart, content = self._chart, self._scroll.widget()
        if content is not None and chart.chosen is not None and chart.isVisible():
            row = chart.mapTo(content, chart.row_centre(chart.chosen).toPoint())
            self._scroll.ensureVisible(0, row.y(), 0, _MARGIN)
