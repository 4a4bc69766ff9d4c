from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.analysis.niches.niches import find_niches
from napari_haiku.jobs import run_job
from napari_haiku.viewer.niches.niche_rows import niche_rows, renamed, stands_out


@pytest.fixture(scope="module")
def result(stores):
    return run_job(find_niches([stores.open_encoding()], clusters=3, modality="both"))


def test_rows_count_the_slides_patches(result):
    rows = niche_rows(result)
    assert [row.niche for row in rows] == [1, 2, 3]
    assert sum(row.patches for row in rows) == len(result.labels[0])
    assert sum(row.share for row in rows) == pytest.approx(1.0)
    assert rows[0].patches == np.count_nonzero(result.labels[0] == 1)


def test_the_niche_of_dark_tissue_stands_out_by_pan_cytokeratin(result, stores):
    grid = stores.open_encoding().grid
    darkest = result.labels[0][np.argmax(stores.z[grid.rows, grid.cols])]
    assert "PanCK" in stands_out(result, int(darkest))


def test_renaming_changes_name_and_table_only(result):
    changed = renamed(result, 2, "  Immune   rich ")
    assert changed.names[2] == "Immune rich"
    assert changed.labels is result.labels
    rows = changed.enrichment
    assert set(rows.loc[rows["niche"] == 2, "name"]) == {"Immune rich"}
    assert result.names[2] != "Immune rich"


def test_an_empty_or_equal_name_changes_nothing(result):
    assert renamed(result, 2, "  ") is result
    assert renamed(result, 2, result.names[2]) is result
