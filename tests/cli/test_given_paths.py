"""Names in a failing command's sentence are said as they were typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_haiku.cli.given_paths import as_given


@pytest.mark.parametrize(
    ("sentence", "given", "said"),
    [
        ("a.tif does not exist: check.", "x/y/a.tif", "x/y/a.tif does not exist: check."),
        ("a.tif is bad, a.tif.", "x/a.tif", "x/a.tif is bad, a.tif."),
        ("b.a.tif does not exist.", "x/a.tif", "b.a.tif does not exist."),
        ("a.tif.bak does not exist.", "x/a.tif", "a.tif.bak does not exist."),
        ("There is no atlas west: build one.", "x/west", "There is no atlas x/west: build one."),
        ("west is no encoding.", "x/west", "x/west is no encoding."),
        # A word that only happens to be the name of a folder.
        ("a.zarr is no encoding: choose one.", "x/encoding", "a.zarr is no encoding: choose one."),
        ("/z does not exist; out.csv.", "/z/out.csv", "/z does not exist; /z/out.csv."),
        ("a.tif does not exist.", "a.tif", "a.tif does not exist."),
        ("x/a.tif does not exist.", "x/a.tif", "x/a.tif does not exist."),
    ],
)
def test_the_folder_that_was_typed_is_said(sentence, given, said):
    assert as_given(sentence, {"image": Path(given)}) == said


def test_lists_and_folders_of_models_are_found_and_other_words_are_not():
    given = {"sources": [Path("x/a.zarr")], "model": "m/tiny_1", "where": "stage = 'a/b'", "k": 3}
    assert as_given("a.zarr is damaged.", given) == "x/a.zarr is damaged."
    assert as_given("tiny_1 is no model folder.", given) == "m/tiny_1 is no model folder."
    assert as_given("b is no stage.", given) == "b is no stage."
