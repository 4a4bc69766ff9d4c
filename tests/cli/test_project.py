"""``project``: of a slide and of an atlas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


def test_of_a_slide_and_again(run, encoding, tmp_path):
    for name in ("a", "b"):
        done = run("project", encoding, "--output", tmp_path / name, "--seed", "2", "--json")
        assert done.exit_code == 0, done.stderr
    assert done.content["patches"] == 24
    table = pd.read_parquet(tmp_path / "a" / "projection.parquet")
    assert np.isfinite(table[["u", "v"]]).all(axis=None)
    one, two = (tmp_path / name / "projection.parquet" for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()


def test_of_an_atlas_on_a_sample(run, atlas, tmp_path):
    options = ("--modality", "mif", "--fit-on", "40", "--output", tmp_path / "n", "--json")
    done = run("project", atlas, *options)
    assert done.exit_code == 0, done.stderr
    assert (done.content["patches"], done.content["fitted"]) == (96, 40)


@pytest.mark.parametrize("option", [("--repeat", "often"), ("--neighbours", "1")])
def test_wrong_usage(run, encoding, tmp_path, option):
    assert run("project", encoding, "--output", tmp_path / "n", *option).exit_code == 2
