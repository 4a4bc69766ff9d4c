from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.analysis.niches.niches import find_niches
from napari_haiku.jobs import run_job
from napari_haiku.viewer.niches.niche_edits import (
    described,
    free_number,
    named,
    relabelled,
    short_names,
    split_in_two,
)
from napari_haiku.viewer.niches.niche_rows import niche_rows, stands_out


@pytest.fixture(scope="module")
def result(stores):
    return run_job(find_niches([stores.open_encoding()], clusters=3, modality="both", smooth=False))


def test_rows_count_the_slides_patches(result):
    rows = niche_rows(result, confirmed={2})
    assert [row.niche for row in rows] == [1, 2, 3]
    assert sum(row.patches for row in rows) == len(result.labels[0])
    assert sum(row.share for row in rows) == pytest.approx(1.0)
    assert rows[0].patches == np.count_nonzero(result.labels[0] == 1)
    assert [row.confirmed for row in rows] == [False, True, False]


def test_the_niche_of_dark_tissue_stands_out_by_pan_cytokeratin(result, stores):
    grid = stores.open_encoding().grid
    darkest = result.labels[0][np.argmax(stores.z[grid.rows, grid.cols])]
    assert "PanCK" in stands_out(result, int(darkest))


def test_naming_changes_name_and_table_only(result):
    changed = named(result, {2: "Immune rich"})
    assert changed.names[2] == "Immune rich"
    assert changed.labels is result.labels
    rows = changed.enrichment
    assert set(rows.loc[rows["niche"] == 2, "name"]) == {"Immune rich"}
    assert result.names[2] != "Immune rich"
    assert named(result, {2: result.names[2]}) is result


def test_niches_given_up_are_gone_and_come_back_with_their_names(result):
    labels = np.where(result.labels[0] == 3, 1, result.labels[0])
    merged = relabelled(result, labels, result.names)
    assert merged.niches == (1, 2)
    back = relabelled(merged, result.labels[0], result.names)
    assert back.names == result.names


def test_describing_anew_agrees_with_finding(result):
    again = described(relabelled(result, result.labels[0], {}), {1: "Mine"})
    assert again.names[1] == "Mine"
    for column in ("n", "mean", "effect", "q"):
        np.testing.assert_allclose(again.enrichment[column], result.enrichment[column])
    # The vectors themselves, not smoothed: this result was found without smoothing.
    np.testing.assert_allclose(again.centres, result.centres, atol=1e-4)


def test_a_split_stays_within_its_niche(result):
    labels = split_in_two(result, 2)
    was = result.labels[0]
    assert (np.isin(labels, (2, 4)) == (was == 2)).all()
    assert 0 < (labels == 4).sum() <= (labels == 2).sum()
    assert (labels[was != 2] == was[was != 2]).all()


def test_names_are_short_and_all_different():
    names = {1: "Epithelium: EpCAM, PanCK", 2: "Epithelium: Ki67", 3: "Low in all markers"}
    assert short_names(names) == {1: "Epithelium, EpCAM", 2: "Epithelium, Ki67", 3: names[3]}
    assert short_names({1: "T cells: CD3, CD8"}) == {1: "T cells"}
    assert len(set(short_names({1: "High A", 2: "High A"}).values())) == 2


def test_the_smallest_free_number_is_taken():
    assert free_number((1, 2, 4)) == 3
    assert free_number(()) == 1
