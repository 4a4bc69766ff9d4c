from __future__ import annotations

import math

import numpy as np
import pandas as pd

from napari_haiku.viewer.biomarkers.marker_rows import filtered_rows, groups_present, marker_rows

GROUPS = {"T cell": ("CD3", "CD8"), "Tumour": ("PanCK", "ECad"), "Nerve": ("PGP9_5",)}


def names(rows):
    return [row.marker for row in rows]


def test_measured_markers_come_first_by_r():
    rows = marker_rows(["CD8", "ECad", "PanCK", "Ki67"], {"CD8": 0.31, "ECad": 0.86})
    assert names(rows) == ["ECad", "CD8", "PanCK", "Ki67"]


def test_without_measurement_pan_cytokeratin_comes_first():
    assert names(marker_rows(["CD8", "aSMA", "PanCK"])) == ["PanCK", "aSMA", "CD8"]


def test_markers_nobody_measured_come_last_and_say_why():
    rows = marker_rows(["PDL1", "CD8"], {"PDL1": 0.9}, predictable={"CD8"})
    assert names(rows) == ["CD8", "PDL1"]
    assert rows[1].hint == "Nobody in this atlas measured PDL1; it cannot be predicted."


def test_r_is_written_with_a_true_minus_and_a_dash_when_unknown():
    measured, unknown = marker_rows(["PDL1", "CD8"], {"PDL1": -0.01})
    assert measured.r_text == "\N{MINUS SIGN}0.01"
    assert not measured.reliable
    assert measured.hint == "Too low to rely on: r = \N{MINUS SIGN}0.01."
    assert unknown.r_text == "\N{EN DASH}"
    assert math.isnan(unknown.r)


def test_search_and_group_narrow_the_table():
    rows = marker_rows(["CD3", "CD8", "PanCK", "ECad"])
    assert names(filtered_rows(rows, " cd")) == ["CD3", "CD8"]
    assert names(filtered_rows(rows, "", "Tumour", GROUPS)) == ["PanCK", "ECad"]
    assert filtered_rows(rows, "8", "Tumour", GROUPS) == []


def test_only_groups_with_a_marker_are_offered():
    assert groups_present(["CD8", "PanCK"], GROUPS) == ["All", "T cell", "Tumour"]


def test_doubled_names_appear_once():
    assert names(marker_rows(["CD8", "CD8"])) == ["CD8"]


def test_the_hint_tells_r_by_region_with_its_interval_and_what_intervals_held():
    table = pd.DataFrame(
        [
            ("All patches", "CD8", 90, 0.42, 0.31, 0.55),
            ("Margin", "CD8", 20, -0.1, np.nan, np.nan),
            ("Fat", "CD8", 2, np.nan, np.nan, np.nan),
            ("All patches", "CD4", 90, np.nan, np.nan, np.nan),
        ],
        columns=["region", "marker", "n", "r", "r_low", "r_high"],
    )
    rows = {
        row.marker: row
        for row in marker_rows(
            ["CD8", "CD4"], {"CD8": 0.42}, agreement=table, coverage={"CD8": 0.885}
        )
    }
    assert rows["CD8"].hint.splitlines() == [
        "Agreement with what was measured on this slide: r = 0.42.",
        "All patches: r = 0.42 (95 %: 0.31 to 0.55)",
        "Margin: r = \N{MINUS SIGN}0.10, too little tissue for an interval",
        "Fat: r not estimable",
        "Its intervals held 88% on atlas patients left out.",
    ]
    assert rows["CD4"].hint == "Not measured on this slide, so agreement is not known."
