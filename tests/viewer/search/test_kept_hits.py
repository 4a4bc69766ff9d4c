from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_haiku.viewer.search.finding import find
from napari_haiku.viewer.search.hit_table import hit_csv, hit_table
from napari_haiku.viewer.search.kept_hits import KeptHits, atlas_mark, compare, free_name
from napari_haiku.viewer.search.question import Question


@pytest.fixture(scope="module")
def atlas(stores):
    return stores.open_atlas()


@pytest.fixture(scope="module")
def found(stores, atlas):
    encoding = stores.open_encoding()
    return find(Question(encoding, atlas, 40, None, "he", {"he": 1.0}, k=10))


def kept(atlas, rows, name="a"):
    return KeptHits(name, atlas_mark(atlas), tuple(rows), (0.5,) * len(rows), "the ringed patch")


def test_kept_hits_survive_the_session(atlas):
    one = kept(atlas, (3, 1, 2))
    back = KeptHits.from_state(one.to_state())
    assert (back.name, back.atlas, back.rows, back.asked) == (
        one.name,
        one.atlas,
        one.rows,
        one.asked,
    )
    assert [card.row for card in back.cards(atlas, "x")] == [3, 1, 2]


def test_another_atlas_has_another_mark(atlas, stores):
    from napari_haiku.atlas.store import Atlas

    assert atlas_mark(atlas) == atlas_mark(stores.open_atlas())
    assert atlas_mark(atlas) != atlas_mark(Atlas.open(stores.one_patient))


def test_names_are_free():
    assert free_name([]) == "Hits 1"
    assert free_name(["Hits 1", "other", "Hits 3"]) == "Hits 2"


def test_two_sets_are_compared_by_what_is_high_in_them(atlas):
    column = list(atlas.markers).index("PanCK")
    order = np.argsort(atlas.expression[:, column])
    low, high = kept(atlas, order[:8].tolist()), kept(atlas, order[-8:].tolist())
    lines = {line.what: line for line in compare(atlas, low, high)}
    assert (lines["hits"].first, lines["hits"].second) == ("8", "8")
    assert lines["in both"].first == "0 hits"
    assert float(lines["PanCK (SD)"].first) < -0.5
    assert float(lines["PanCK (SD)"].second) > 0.5
    assert lines["tissue"].first.startswith("Colon (")
    # Markers that tell the sets apart come first.
    markers = [line.what for line in compare(atlas, low, high) if line.what.endswith("(SD)")]
    assert markers[-1] in ("DAPI (SD)", "Ki67 (SD)")


def test_a_set_compared_with_itself_differs_in_nothing(atlas):
    one = kept(atlas, (1, 2, 3))
    for line in compare(atlas, one, one):
        assert line.first == line.second or line.what == "in both"


def test_the_table_names_nobody_and_holds_what_was_measured(atlas, found):
    table = hit_table(atlas, found.cards)
    assert len(table) == 10
    assert not any("patient 1" in str(value) for value in table.to_numpy().ravel())
    row = found.cards[4].row
    assert table["measured CD8"][4] == pytest.approx(
        float(atlas.expression[row, list(atlas.markers).index("CD8")])
    )
    assert table["stage"][4] == atlas.record_of(row)["stage"]


def test_the_csv_says_what_was_asked_and_what_it_is_for(atlas, found):
    text = hit_csv(atlas, found.cards, "words\nwith a break")
    head, rest = text.split("\n", 1)
    assert "words with a break" in head
    assert "Research use only" in head
    assert len(pd.read_csv(io.StringIO(rest))) == 10
    own = hit_csv(atlas, [replace(found.cards[0], this_slide=True)], "x")
    assert "Same patient" in own.split("\n")[1]
