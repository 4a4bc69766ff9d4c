from __future__ import annotations

import pytest

from napari_haiku.widgets.frame.short_combo import ShortCombo


@pytest.fixture
def combo(qtbot):
    box = ShortCombo()
    qtbot.addWidget(box)
    box.addItem("Female (1,023 patients)")
    return box


def test_the_count_is_said_shorter_before_the_value_is_cut(combo):
    wide = combo.fontMetrics().horizontalAdvance
    assert combo.shown_text(wide("Female (1,023 patients)")) == "Female (1,023 patients)"
    assert combo.shown_text(wide("Female (1,023 patients)") - 1) == "Female (1,023)"
    assert combo.shown_text(wide("Female (1,023)")) == "Female (1,023)"
    cut = combo.shown_text(wide("Fem\N{HORIZONTAL ELLIPSIS}"))
    assert cut.endswith("\N{HORIZONTAL ELLIPSIS}")
    assert cut.startswith("Fe")


def test_it_paints_itself_in_any_width(combo):
    for width in (30, 90, 300):
        combo.resize(width, 24)
        assert not combo.grab().isNull()
