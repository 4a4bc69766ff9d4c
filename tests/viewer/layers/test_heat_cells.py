from __future__ import annotations

import math

import numpy as np
import pandas as pd

from napari_haiku.viewer.layers.heat_cells import heat_table

TABLE = pd.DataFrame(
    {
        "niche": [1, 1, 2, 2],
        "marker": ["CD8", "PanCK", "CD8", "PanCK"],
        "shift": [0.5, -0.2, np.nan, 0.1],
        "placebo_p": [0.01, 0.3, np.nan, np.nan],
        "q": [0.012, np.nan, np.nan, np.nan],
        "n": [571, 571, 3, 3],
        "supported": [True, False, False, False],
    }
)


def cells(**options):
    return heat_table(TABLE, "shift", niches=(1, 2, 3), unit="SD", **options)


def test_markers_are_ordered_by_their_largest_value():
    assert cells().markers == ("CD8", "PanCK")
    assert cells(marker_order=("PanCK", "CD8")).markers == ("PanCK", "CD8")


def test_missing_figures_are_empty_and_never_zero():
    table = cells()
    assert math.isnan(table.cells[1][0].value)
    assert table.cells[1][0].hint == "CD8: not estimable"
    assert math.isnan(table.cells[2][1].value)


def test_support_and_placebo_are_marked():
    table = cells(dot="supported", faint_above=("placebo_p", 0.05))
    assert table.cells[0][0].dot
    assert not table.cells[0][0].faint
    assert table.cells[0][1].faint
    assert not table.cells[1][1].faint


def test_hints_say_the_figures_that_are_there():
    table = cells(hints=(("q", "q"), ("n", "patches")))
    assert table.cells[0][0].hint == "CD8: +0.50 SD, q 0.012, patches 571"
    assert table.cells[0][1].hint == "PanCK: \N{MINUS SIGN}0.20 SD, patches 571"


def test_limit_is_the_largest_figure():
    assert cells().limit == 0.5
    assert heat_table(TABLE[:0], "shift", niches=(), unit="SD", marker_order=()).limit == 1.0
