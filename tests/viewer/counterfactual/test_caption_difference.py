from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.viewer.counterfactual.caption_difference import caption_html, caption_parts

BEFORE = "A section of Colon tissue. Additional clinical details include: grade: low, stage: II."
AFTER = BEFORE.replace("II", "IV")
TEXT = st.text(st.sampled_from("ab ,.:"), max_size=30)


def test_only_the_changed_value_is_marked():
    parts = caption_parts(BEFORE, AFTER)
    assert [(part.kind, part.text) for part in parts if part.kind != "same"] == [
        ("removed", "II"),
        ("added", "IV"),
    ]


@given(TEXT, TEXT)
def test_the_parts_make_up_both_captions(before, after):
    parts = caption_parts(before, after)
    assert "".join(part.text for part in parts if part.kind != "added") == before
    assert "".join(part.text for part in parts if part.kind != "removed") == after


def test_long_unchanged_words_are_cut_and_the_change_is_struck():
    shown = caption_html(BEFORE, AFTER)
    assert "<s>II</s>" in shown
    assert ">IV</b>" in shown
    assert shown.startswith("… ")
    assert "A section of Colon" not in shown


def test_without_an_edit_the_caption_stands_as_it_is():
    assert caption_html("grade: <3", "grade: <3") == "grade: &lt;3"


def test_markup_in_a_record_is_shown_not_obeyed():
    shown = caption_html("stage: II", "stage: <b>IV</b>")
    assert "<b>IV" not in shown.replace('<b style="color:#F0A04B">', "")
    assert "&lt;" in shown
