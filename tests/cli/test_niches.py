"""``niches``: of slides and of an atlas."""

from __future__ import annotations

import pandas as pd
import pytest


def test_of_a_slide(run, encoding, tmp_path):
    arguments = ("--clusters", "3", "--output", tmp_path / "n", "--seed", "5", "--json")
    done = run("niches", encoding, *arguments)
    assert done.exit_code == 0, done.stderr
    table = pd.read_parquet(tmp_path / "n" / "niches.parquet")
    assert {"patch", "x_um", "y_um", "niche"} <= set(table.columns)
    assert sorted(table["niche"].unique()) == [1, 2, 3]
    sizes = {str(k): int(v) for k, v in table["niche"].value_counts().items()}
    assert done.content["sizes"] == sizes
    assert done.content["patches"] == 24
    assert done.content["seed"] == 5
    assert (tmp_path / "n" / "enrichment.csv").is_file()


def test_same_seed_same_file(run, encoding, tmp_path):
    for name in ("a", "b"):
        run("niches", encoding, "--output", tmp_path / name, "--seed", "1")
    one, two = (tmp_path / name / "niches.parquet" for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("modality", ["he", "mif", "both"])
def test_of_an_atlas(run, atlas, tmp_path, modality):
    done = run("niches", atlas, "--modality", modality, "--output", tmp_path / "n", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.content["patches"] == 96
    assert done.content["slides"] == 4


def test_of_several_slides(run, atlas, tmp_path):
    folder = atlas.parent / f"{atlas.name}.encodings"
    slides = (folder / "s0.zarr", folder / "s2.zarr")
    done = run("niches", *slides, "--output", tmp_path / "n", "--json")
    assert done.content["slides"] == 2
    assert set(pd.read_parquet(tmp_path / "n" / "niches.parquet")["slide"]) == {1, 2}


def test_more_niches_than_patches(run, encoding, tmp_path):
    done = run("niches", encoding, "--clusters", "99", "--output", tmp_path / "n", "--json")
    assert done.exit_code == 1
    assert "24 patches" in done.content["error"]


def test_other_methods_and_what_lies_beside_what(run, atlas, tmp_path):
    options = ("--method", "gaussian", "--k", "3", "--smooth", "--permutations", "50")
    done = run("niches", atlas, *options, "--output", tmp_path / "n", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.content["method"] == "gaussian"
    assert done.content["neighbourhood"]
    touching = pd.read_csv(tmp_path / "n" / "neighbourhood.csv")
    assert {"niche", "neighbour", "contacts", "expected", "z", "p", "q"} <= set(touching)
    assert "certainty" in pd.read_parquet(tmp_path / "n" / "niches.parquet")


def test_the_number_of_niches_can_be_suggested(run, atlas, tmp_path):
    done = run("niches", atlas, "--k", "auto", "--output", tmp_path / "n", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.content["stability"]["chosen"] == len(done.content["niches"])
    assert (tmp_path / "n" / "stability.csv").is_file()


@pytest.mark.parametrize(
    "option",
    [
        ("--clusters", "0"),
        ("--clusters", "few"),
        ("--modality", "smell"),
        ("--method", "guess"),
        ("--permutations", "-1"),
    ],
)
def test_wrong_usage(run, encoding, tmp_path, option):
    assert run("niches", encoding, "--output", tmp_path / "n", *option).exit_code == 2


def test_a_folder_that_is_neither(run, tmp_path):
    done = run("niches", tmp_path, "--output", tmp_path / "n", "--json")
    assert done.exit_code == 1
    assert tmp_path.name in done.content["error"]
