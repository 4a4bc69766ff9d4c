"""Charts of shifts."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from napari_haiku.export.charts import heat_map, interval_chart, volcano
from napari_haiku.export.drawing import LESS, MORE
from napari_haiku.export.shift_charts import paired_chart


def drawn(chart):
    return ET.tostring(chart, encoding="unicode")


def cells(chart):
    return [rect for rect in chart.iter("rect") if rect.find("title") is not None]


@pytest.fixture
def shifts(case):
    return case.counterfactual.shifts.copy()


def test_heat_map_has_a_cell_for_every_row(shifts):
    chart = heat_map(shifts)
    found = cells(chart)
    assert len(found) == len(shifts)
    told = [cell.find("title").text for cell in found]
    assert all(
        any(text.startswith(f"{row.marker} in niche {row.niche},") for text in told)
        for row in shifts.itertuples()
    )


def test_colour_follows_the_sign(shifts):
    shifts.loc[0, "shift"], shifts.loc[1, "shift"] = 2.0, -2.0
    first, second = cells(heat_map(shifts))[:2]
    red, _, blue = (int(first.get("fill")[i : i + 2], 16) for i in (1, 3, 5))
    assert red > blue
    red, _, blue = (int(second.get("fill")[i : i + 2], 16) for i in (1, 3, 5))
    assert blue > red


def test_rows_not_estimable_are_frames_never_zero(shifts):
    shifts.loc[0, "shift"] = np.nan
    first = cells(heat_map(shifts))[0]
    assert first.get("fill") == "none"
    assert "shift not estimable" in first.find("title").text


def test_what_irrelevant_text_reaches_is_faint_and_supported_has_a_dot(shifts):
    shifts["placebo_p"], shifts["supported"] = 0.01, False
    shifts.loc[0, "placebo_p"], shifts.loc[1, "supported"] = 0.5, True
    chart = heat_map(shifts)
    found = cells(chart)
    assert float(found[0].get("opacity")) < 0.5
    assert float(found[1].get("opacity")) == 1
    assert len(list(chart.iter("circle"))) == 1


def test_intervals_are_drawn_largest_first(shifts):
    chart = interval_chart(shifts, most=5)
    told = [group.find("title").text for group in chart.iter("g")]
    order = shifts["shift"].abs().sort_values(ascending=False).index[:5]
    expected = [f"{shifts.marker[i]} in niche {shifts.niche[i]}," for i in order]
    assert len(told) == 5
    assert all(text.startswith(start) for text, start in zip(told, expected, strict=True))
    marks = [float(circle.get("cx")) for circle in chart.iter("circle")]
    assert all(320 <= mark <= 740 for mark in marks)


def test_interval_chart_without_intervals_has_no_lines_of_them(shifts):
    shifts[["ci_low", "ci_high", "placebo_scale", "placebo_p"]] = np.nan
    chart = interval_chart(shifts)
    assert len(list(chart.iter("line"))) == 1
    assert not list(chart.iter("rect"))


def test_volcano_needs_p(shifts):
    assert len(list(volcano(shifts).iter("circle"))) == len(shifts)
    shifts["p"] = np.nan
    assert volcano(shifts) is None


def test_a_p_of_zero_stays_on_the_page(shifts):
    shifts.loc[0, "p"] = 0.0
    chart = volcano(shifts)
    for circle in chart.iter("circle"):
        assert 0 <= float(circle.get("cy")) <= float(chart.get("height"))


def test_charts_of_no_shift_at_all_do_not_fail(shifts):
    shifts["shift"] = 0.0
    for chart in (heat_map(shifts), interval_chart(shifts), volcano(shifts)):
        assert "nan" not in drawn(chart).replace("not estimable", "")


def test_no_number_is_nan_in_any_chart(shifts):
    shifts.loc[::2, ["ci_low", "ci_high", "p", "q", "placebo_p", "placebo_scale"]] = np.nan
    for chart in (heat_map(shifts), interval_chart(shifts), volcano(shifts)):
        for part in chart.iter():
            assert not any(value == "nan" for value in part.attrib.values())


def test_only_supported_shifts_have_a_filled_dot(shifts):
    shifts["supported"] = False
    shifts.loc[shifts["shift"].abs().idxmax(), "supported"] = True
    circles = list(interval_chart(shifts, most=5).iter("circle"))
    assert [circle.get("fill") == circle.get("stroke") for circle in circles] == [True] + [
        False
    ] * 4


def test_only_supported_rows_are_coloured_as_findings(shifts):
    shifts["supported"], shifts["q"] = False, 0.001
    first = shifts["shift"].abs().idxmax()
    for chart in (volcano, interval_chart, paired_chart):
        assert not {LESS, MORE} & colours(chart(shifts))
    assert not [text for text in volcano(shifts).iter("text") if "(" in (text.text or "")]
    shifts.loc[first, "supported"] = True
    for chart in (volcano, interval_chart, paired_chart):
        assert {LESS, MORE} & colours(chart(shifts))


def colours(chart):
    return {part.get(name) for part in chart.iter() for name in ("fill", "stroke")}
