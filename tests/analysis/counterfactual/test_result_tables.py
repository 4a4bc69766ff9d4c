"""Tables on disk."""

import numpy as np
import pandas as pd
import pytest

from napari_haiku.analysis.counterfactual.result_tables import (
    output_folder,
    read_notes,
    write_csv,
    write_parquet,
)
from napari_haiku.errors import HaikuError

TABLE = pd.DataFrame(
    {"patch": [0, 1], "CD8": np.array([1.5, np.nan], np.float32), "outside": [True, False]}
)


def test_parquet_comes_back_with_its_notes(tmp_path):
    write_parquet(tmp_path / "t.parquet", TABLE, {"seed": 3, "weights": {"he": 0.8}})
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), TABLE)
    assert read_notes(tmp_path / "t.parquet") == {"seed": 3, "weights": {"he": 0.8}}


def test_same_table_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_parquet(tmp_path / name, TABLE, {"seed": 3})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_foreign_parquet_has_no_notes(tmp_path):
    TABLE.to_parquet(tmp_path / "t.parquet")
    assert read_notes(tmp_path / "t.parquet") == {}


def test_csv_leaves_gaps_empty(tmp_path):
    write_csv(tmp_path / "t.csv", TABLE)
    assert (tmp_path / "t.csv").read_text() == "patch,CD8,outside\n0,1.5,True\n1,,False\n"


def test_a_folder_that_is_a_file_is_told_in_a_sentence(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(HaikuError, match="taken"):
        output_folder(tmp_path / "taken")
