"""``export``: a slide for other programs."""

from __future__ import annotations

import json

import pandas as pd
import pytest

BOX = [[0, 0], [150, 0], [150, 100], [0, 100], [0, 0]]


@pytest.fixture(scope="module")
def results(run, encoding, atlas, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for command in (("biomarkers", encoding, atlas), ("niches", encoding, "--clusters", "2")):
        done = run(*command, "--output", folder / command[0])
        assert done.exit_code == 0, done.stderr
    return ("--biomarkers", folder / "biomarkers", "--niches", folder / "niches")


def test_geojson_with_results_and_back_as_regions(run, encoding, results, tmp_path):
    out = tmp_path / "slide.geojson"
    done = run("export", encoding, "--format", "geojson", *results, "--output", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert done.content["patches"] == 24
    tiles = [feature["properties"] for feature in json.loads(out.read_text())["features"]]
    for tile in tiles:
        named = set(tile["measurements"])
        assert "PanCK measured" in named
        # No value where the atlas holds nothing alike.
        assert ("PanCK predicted" in named) == (tile["measurements"]["outside_atlas"] == 0)
        assert "classification" in tile
    assert "Q7731" not in out.read_text()
    drawn = tmp_path / "drawn.geojson"
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [BOX]},
        "properties": {"objectType": "annotation", "name": "Left"},
    }
    drawn.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    table = tmp_path / "regions.csv"
    wanted = ("--regions", drawn, "--region-table", "--output", table)
    done = run("export", encoding, "--to", "csv", *results, *wanted, "--json")
    assert done.exit_code == 0, done.stderr
    (row,) = pd.read_csv(table).to_dict("records")
    # 150 x 100 pixels of 2 um.
    assert (row["region"], row["patches"]) == ("Left", 6)
    assert row["area_mm2"] == pytest.approx(0.06)


def test_a_second_export_asks_first(run, encoding, tmp_path):
    arguments = ("export", encoding, "--format", "h5ad", "--output", tmp_path / "a.h5ad")
    assert run(*arguments).exit_code == 0
    done = run(*arguments, "--json")
    assert done.exit_code == 1
    assert "a.h5ad exists already" in done.content["error"]
    assert run(*arguments, "--replace").exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "docx"),
        ("--format", "csv", "--region-table"),
        ("--format", "png", "--limits", "1"),
    ],
)
def test_wrong_usage(run, encoding, tmp_path, options):
    assert run("export", encoding, "--output", tmp_path / "a.csv", *options).exit_code == 2


@pytest.mark.parametrize("option", ["--biomarkers", "--niches", "--projection"])
def test_results_that_are_not_there(run, encoding, tmp_path, option):
    out = tmp_path / "a.csv"
    done = run("export", encoding, "--format", "csv", "--output", out, option, tmp_path, "--json")
    assert done.exit_code == 1
    assert not out.exists()
