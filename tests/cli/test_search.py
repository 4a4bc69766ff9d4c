"""``search``: every way to ask."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

HIT = {"rank", "similarity", "slide_id", "patient_id", "x_um", "y_um"}


def test_at_a_position(run, atlas, encoding):
    content = run("search", atlas, "--encoding", encoding, "--at", "150,150", "--json").content
    hits = content["hits"]
    assert len(hits) == 50
    assert set(hits[0]) >= HIT
    assert [hit["rank"] for hit in hits] == list(range(1, 51))
    similarities = [hit["similarity"] for hit in hits]
    assert similarities == sorted(similarities, reverse=True)


def test_hits_are_what_the_python_function_finds(run, atlas, encoding):
    from napari_haiku.atlas.query import compose_query
    from napari_haiku.atlas.search import search
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

    slide, opened = Encoding.open(encoding), Atlas.open(atlas)
    patch = slide.grid.at(150, 150)
    parts = {"he": slide.embeddings("he")[patch], "text": slide.embeddings("text")}
    expected = search(opened, compose_query(parts), target="he", k=5)
    content = run(
        "search", atlas, "--encoding", encoding, "--at", "150,150", "--target", "he", "-k", "5",
        "--json",
    ).content  # fmt: skip
    assert [hit["row"] for hit in content["hits"]] == expected.indices[0].tolist()
    assert content["hits"][0]["similarity"] == pytest.approx(expected.similarity[0, 0])


def test_in_words(run, atlas, encoding):
    out = run("search", atlas, "--encoding", encoding, "--at", "150,150", "-k", "12").stdout
    assert len(out.splitlines()) == 11
    assert out.splitlines()[-1] == "... and 2 more"


def test_a_region_asks_with_all_its_patches(run, atlas, encoding, tmp_path):
    ring = [[0, 0], [240, 0], [240, 240], [0, 240], [0, 0]]
    hole = [[110, 110], [190, 110], [190, 190], [110, 190], [110, 110]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring, hole]}}
    region = tmp_path / "region.geojson"
    region.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    content = run("search", atlas, "--encoding", encoding, "--region", region, "--json").content
    assert content["patches_asked"] == 3


def test_a_region_asks_as_a_set(run, atlas, encoding, tmp_path):
    ring = [[0, 0], [240, 0], [240, 140], [0, 140], [0, 0]]
    region = tmp_path / "region.geojson"
    region.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    ask = ("search", atlas, "--encoding", encoding, "-k", "5", "--json")
    found = run(*ask, "--region", region, "--region-as", "set").content
    assert found["patches_asked"] == 2
    best: dict[int, float] = {}
    for at in ("50,50", "150,50"):
        for hit in run(*ask, "--at", at).content["hits"]:
            best[hit["row"]] = max(hit["similarity"], best.get(hit["row"], -1))
    expected = sorted(best.items(), key=lambda one: (-one[1], one[0]))[:5]
    assert [(hit["row"], hit["similarity"]) for hit in found["hits"]] == expected


def test_words_beside_a_patch_stand_in_the_records_place(run, atlas, encoding, model_folder):
    words = ("--text", "stage IV, grade G3", "--model", model_folder, "--json")
    alone = run("search", atlas, *words).content["hits"]
    ask = ("search", atlas, "--encoding", encoding, "--at", "150,150", *words)
    assert run(*ask, "--weights", "text=1").content["hits"] == alone
    mixed = run(*ask, "--weights", "he=0.5,text=0.5")
    assert mixed.exit_code == 0, mixed.stderr
    assert mixed.content["hits"] != alone


@pytest.mark.parametrize("scorer", ["late_fusion", "early_fusion", "rrf", "gram_volume"])
def test_scores(run, atlas, encoding, model_folder, scorer):
    ask = ("search", atlas, "--encoding", encoding, "--at", "150,150", "--json")
    done = run(*ask, "--scorer", scorer, "--model", model_folder)
    assert done.exit_code == 0, done.stderr
    assert done.content["scorer"] == scorer
    scores = [hit["similarity"] for hit in done.content["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert ("is meant for models trained with gram" in done.stderr) == (scorer == "gram_volume")


def test_scores_that_mean_nothing_are_refused(run, atlas, encoding, model_folder):
    ask = ("search", atlas, "--encoding", encoding, "--at", "150,150", "--json")
    done = run(*ask, "--scorer", "mip", "--model", model_folder)
    assert done.exit_code == 1
    assert "trained with symile" in done.content["error"]
    done = run(*ask, "--scorer", "cosine")
    assert done.exit_code == 1
    assert "takes one part" in done.content["error"]
    assert run(*ask, "--scorer", "best").exit_code == 2


@pytest.mark.parametrize(
    "text", ["no json", '{"type": "Point", "coordinates": [1, 2]}', '{"type": "Polygon"}']
)
def test_a_region_that_is_none(run, atlas, encoding, tmp_path, text):
    region = tmp_path / "region.geojson"
    region.write_text(text)
    done = run("search", atlas, "--encoding", encoding, "--region", region, "--json")
    assert done.exit_code == 1
    assert "region.geojson" in done.content["error"]


def test_words_ask_too_and_unknown_ones_are_told(run, atlas, model_folder):
    done = run("search", atlas, "--text", "stage IV zebra", "--model", model_folder, "--json")
    assert done.exit_code == 0, done.stderr
    assert len(done.content["hits"]) == 50
    assert "zebra" in done.stderr


@pytest.mark.parametrize("which", [0, 1])
def test_an_image_asks(run, atlas, slide, model_folder, which):
    done = run("search", atlas, "--image", slide[which], "--model", model_folder, "--json")
    assert done.exit_code == 0, done.stderr
    assert done.content["patches_asked"] == 24


def test_where_filters_and_names_the_fields_on_a_typo(run, atlas, encoding):
    at = ("search", atlas, "--encoding", encoding, "--at", "150,150", "--json")
    hits = run(*at, "--where", "stage = 'III'").content["hits"]
    assert {hit["patient_id"] for hit in hits} == {"p2"}
    refused = run(*at, "--where", "stagee = 'III'")
    assert refused.exit_code == 1
    assert "stage" in refused.content["error"]


def test_exclude_patient(run, atlas, model_folder):
    text = ("search", atlas, "--text", "stage I", "--model", model_folder, "-k", "96", "--json")
    everyone = {hit["patient_id"] for hit in run(*text).content["hits"]}
    rest = {hit["patient_id"] for hit in run(*text, "--exclude-patient", "p1").content["hits"]}
    assert everyone - rest == {"p1"}


def test_own_patient_is_out_unless_asked_for(run, cohort, atlas, model_folder):
    own = atlas.parent / f"{atlas.name}.encodings" / "s1.zarr"
    ask = ("search", atlas, "--encoding", own, "--at", "250,150", "-k", "96", "--json")
    without = run(*ask).content
    assert {hit["slide_id"] for hit in without["hits"]} == {"s0", "s2", "s3"}
    assert without["label"] == ""
    within = run(*ask, "--within-patient", "150").content
    mine = [hit for hit in within["hits"] if hit["slide_id"] == "s1"]
    assert mine
    assert all(np.hypot(hit["x_um"] - 250, hit["y_um"] - 150) >= 150 for hit in mine)
    assert "Same patient" in within["label"]


def test_glass_is_told_with_where_the_tissue_is(run, atlas, encoding):
    done = run("search", atlas, "--encoding", encoding, "--at", "9000,9000", "--json")
    assert done.exit_code == 1
    assert "600,400 um" in done.content["error"]


def test_another_models_atlas_is_refused(run, atlas, slide, other_model_folder, tmp_path):
    output = tmp_path / "e.zarr"
    made = run("encode", slide[0], "--output", output, "--model", other_model_folder)
    assert made.exit_code == 0
    done = run("search", atlas, "--encoding", output, "--at", "150,150", "--json")
    assert done.exit_code == 1
    assert "another model" in done.content["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--encoding", "e.zarr", "--at", "1,2", "--image", "b.png"),
        ("--encoding", "e.zarr"),
        ("--encoding", "e.zarr", "--at", "1,2", "--region", "r.geojson"),
        ("--text", "a", "--at", "1,2"),
        ("--text", "a", "--target", "sound"),
        ("--encoding", "e.zarr", "--at", "here"),
        ("--text", "a", "--weights", "he"),
        ("--text", "a", "-k", "0"),
    ],
)
def test_wrong_usage(run, atlas, arguments):
    done = run("search", atlas, *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""


def test_an_empty_text_is_refused(run, atlas, model_folder):
    done = run("search", atlas, "--text", " ", "--model", model_folder, "--json")
    assert done.exit_code == 1


def test_a_folder_that_is_no_encoding(run, atlas, tmp_path):
    done = run("search", atlas, "--encoding", tmp_path, "--at", "1,1", "--json")
    assert done.exit_code == 1
    assert tmp_path.name in done.content["error"]


def test_only_unknown_words_are_refused(run, atlas, model_folder):
    done = run("search", atlas, "--text", "zebra", "--model", model_folder, "--json")
    assert done.exit_code == 1
    assert "never read any of these words" in done.content["error"]


def test_words_that_say_nothing_of_tissue_are_refused(run, atlas, model_folder):
    done = run("search", atlas, "--text", "zebra of the", "--model", model_folder, "--json")
    assert done.exit_code == 1
    assert "nothing to search for" in done.content["error"]
    assert "stages" in done.content["error"]


def test_the_search_of_the_documentation_finds_something(run):
    page = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
    words = re.search(r'`search demo --text "([^"]+)"`', page.read_text("utf-8")).group(1)
    done = run("search", "demo", "--text", words, "-k", "3", "--json")
    assert done.exit_code == 0
    assert len(done.content["hits"]) == 3
    assert not [note for note in done.content.get("notes", ()) if "never read" in note]
