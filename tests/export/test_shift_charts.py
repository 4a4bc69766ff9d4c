"""Charts of pairs, groups and principal components."""

from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from napari_haiku.export.shift_charts import (
    cluster_map,
    clustered_shifts,
    paired_chart,
    principal_components,
    scatter,
)


def drawn(chart):
    return ET.tostring(chart, encoding="unicode")


def test_pairs_are_drawn_largest_first(case):
    shifts = case.counterfactual.shifts
    chart = paired_chart(shifts, most=4)
    told = [group.find("title").text for group in chart.iter("g")]
    order = shifts["shift"].abs().sort_values(ascending=False).index[:4]
    assert all(
        text.startswith(f"{shifts.marker[row]} in ") for text, row in zip(told, order, strict=True)
    )
    assert len(list(chart.iter("circle"))) == 8


def test_rows_not_estimable_are_left_out(case):
    shifts = case.counterfactual.shifts.copy()
    shifts["shift"] = np.nan
    assert not list(paired_chart(shifts).iter("circle"))


def test_cluster_map_has_a_cell_for_every_value_and_frames_for_none():
    values = np.array([[1.0, -1.0], [np.nan, 0.0], [2.0, 0.5]])
    chart = cluster_map(values, ["a", "b", "c"], ["X", "Y"], "map")
    cells = list(chart.iter("rect"))
    assert len(cells) == 6
    assert [cell.get("fill") for cell in cells].count("none") == 1
    assert "a, X: 1" in drawn(chart)


def test_many_patients_still_fit():
    chart = cluster_map(np.zeros((300, 2)), ["p"] * 300, ["X", "Y"], "map")
    assert float(chart.get("height")) < 1500


def test_scatter_names_its_groups_and_stays_on_the_page():
    points = np.random.default_rng(0).normal(size=(4000, 2))
    chart = scatter(points, ["one", "two"] * 2000, ("PC1", "PC2"), "dots")
    circles = list(chart.iter("circle"))
    assert 1400 < len(circles) < 1510
    assert all(0 <= float(c.get("cx")) <= float(chart.get("width")) for c in circles)
    assert "two" in drawn(chart)


def test_components_are_those_of_numpy_and_skip_gaps():
    values = np.random.default_rng(1).normal(size=(30, 4)) * [5, 2, 1, 0.1]
    values[3, 1] = np.nan
    points, explained, used = principal_components(values)
    assert used.sum() == 29
    centred = values[used] - values[used].mean(axis=0)
    size = np.linalg.svd(centred, compute_uv=False)
    np.testing.assert_allclose(explained, size[:2] ** 2 / (size**2).sum())
    np.testing.assert_allclose(np.linalg.norm(points, axis=0), size[:2])


@pytest.mark.parametrize("values", [np.zeros((10, 3)), np.full((5, 3), np.nan), np.ones((2, 3))])
def test_nothing_that_varies_has_no_components(values):
    assert principal_components(values) is None


def test_clustered_shifts_stand_beside_those_that_shift_alike():
    rng = np.random.default_rng(0)
    base = rng.normal(size=4)
    rows = []
    for niche in range(1, 5):
        for marker, value in (("A", 1), ("B", -1), ("C", 1.1), ("D", np.nan)):
            shift = value * base[niche - 1] + 0.01 * rng.normal()
            rows.append((niche, f"n{niche}", marker, shift))
    table = pd.DataFrame(rows, columns=["niche", "niche_name", "marker", "shift"])
    words = "".join(clustered_shifts(table).itertext())
    drawn = [words.index(f"n1, {marker}:") for marker in ("A", "C")]
    other = words.index("n1, B:")
    assert not min(drawn) < other < max(drawn)
    assert "D" not in words
    assert clustered_shifts(table[table["niche"] < 3]) is None
