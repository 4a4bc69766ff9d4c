from __future__ import annotations

import pytest
from slides_in_memory import mif_image

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.slides.marker_choices import (
    channel_rows,
    panel_summary,
    with_chosen_markers,
)


def test_doubtful_channels_come_first_and_say_why():
    rows = channel_rows(mif_image())
    assert [(row.name, row.marker, row.remark) for row in rows] == [
        ("Autofluorescence", None, "not a marker"),
        ("Mystery", "Mystery", "check this"),
        ("DAPI", "DAPI", "recognised"),
        ("CD8", "CD8", "recognised"),
    ]
    assert [row.doubtful for row in rows] == [True, True, False, False]


def test_an_empty_channel_says_so():
    image = mif_image(
        channels=("DAPI", "CD20"),
        markers=("DAPI", None),
        notes=("CD20 is zero everywhere; left out.",),
    )
    assert channel_rows(image)[0].remark == "all zero"


def test_channels_without_names_ask_for_one():
    image = mif_image(channels=("Channel 1", "Channel 2"), markers=("Channel 1", "Channel 2"))
    assert {row.remark for row in channel_rows(image)} == {"no name"}


def test_the_summary_counts():
    assert panel_summary(mif_image()) == "4 channels · 3 used · 1 left out"


def test_choosing_keeps_the_files_own_names():
    chosen = with_chosen_markers(mif_image(), ["DAPI", "", "leave out", "alpha-SMA"])
    assert chosen.markers == ("DAPI", None, None, "aSMA")
    assert chosen.channel_names == mif_image().channel_names
    remarks = {row.name: row.remark for row in channel_rows(chosen)}
    assert remarks["Mystery"] == "typed by you"
    assert remarks["CD8"] == "left out"


def test_a_protein_outside_the_vocabulary_keeps_its_name():
    chosen = with_chosen_markers(mif_image(), ["DAPI", "CD8", "", "Novelin"])
    assert chosen.markers[3] == "Novelin"


def test_two_channels_cannot_be_one_marker():
    with pytest.raises(HaikuError, match="both CD8"):
        with_chosen_markers(mif_image(), ["DAPI", "CD8", "", "CD8a"])


def test_several_channels_may_be_left_out():
    assert with_chosen_markers(mif_image(), ["DAPI", "", "", ""]).used_markers == ("DAPI",)
