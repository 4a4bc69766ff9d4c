"""The table of regions."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.analysis.regions.region import Region
from napari_haiku.analysis.regions.region_table import RegionInputs, region_table

X, Y = (axis.ravel().astype(float) for axis in np.meshgrid(np.arange(10), np.arange(4)))
CENTRES = np.stack([X, Y], axis=1)
MEASURED = np.where(X < 5, X, 100.0)
PREDICTED = np.where(Y == 0, np.nan, 2 * MEASURED + 1)
INPUTS = RegionInputs(
    CENTRES,
    {"CD8": MEASURED},
    {"CD8": PREDICTED, "Ki67": X},
    niches=np.where(X < 2, 1, 2),
    niche_names={1: "Tumour", 2: "Stroma", 3: "Rare"},
)
LEFT = Region.of_box("left", (-0.5, -0.5, 4.5, 3.5))
EMPTY = Region.of_box("far", (100, 100, 200, 300))


def test_means_agreement_and_shares():
    (row,) = region_table([LEFT], INPUTS).to_dict("records")
    assert (row["region"], row["patches"]) == ("left", 20)
    assert row["area_mm2"] == pytest.approx(20e-6)
    assert row["CD8 measured"] == pytest.approx(2)
    assert row["CD8 predicted"] == pytest.approx(5)
    assert row["CD8 predicted patches"] == 15
    assert row["CD8 r"] == pytest.approx(1)
    assert row["Ki67 predicted"] == pytest.approx(2)
    assert "Ki67 measured" not in row
    assert row["niche 1 Tumour"] == pytest.approx(0.4)
    assert row["niche 2 Stroma"] == pytest.approx(0.6)
    assert row["niche 3 Rare"] == 0


def test_few_patches_have_no_r():
    small = Region.of_box("small", (-0.5, 0.5, 2.5, 3.5))
    (row,) = region_table([small], INPUTS).to_dict("records")
    assert row["patches"] == 9
    assert np.isnan(row["CD8 r"])


def test_a_region_without_patches_says_nothing_of_them():
    table = region_table([LEFT, EMPTY], INPUTS)
    assert table.loc[1, "patches"] == 0
    assert table.loc[1, "area_mm2"] == pytest.approx(0.02)
    assert table.loc[1, ["CD8 measured", "CD8 predicted", "niche 1 Tumour"]].isna().all()


def test_no_region_is_an_empty_table():
    assert list(region_table([], INPUTS).columns) == ["region", "class", "area_mm2", "patches"]
