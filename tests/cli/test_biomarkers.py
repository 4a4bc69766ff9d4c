"""``biomarkers``: tables and maps on disk, figures on stdout."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import zarr


@pytest.fixture(scope="module")
def predicted(run, encoding, atlas, tmp_path_factory):
    output = tmp_path_factory.mktemp("biomarkers") / "out"
    done = run("biomarkers", encoding, atlas, "--output", output, "--json")
    assert done.exit_code == 0, done.stderr
    return done, output


def test_tables_have_the_columns_of_the_contract(predicted):
    _, output = predicted
    for name in ("predictions.parquet", "spread.parquet"):
        table = pd.read_parquet(output / name)
        assert list(table.columns) == [
            "patch", "x_um", "y_um", "similarity", "outside_atlas", "DAPI", "PanCK", "CD8",
        ]  # fmt: skip
        assert len(table) == 24


def test_r_is_that_of_the_tables(predicted, encoding):
    from napari_haiku.encoding.store import Encoding

    done, output = predicted
    table = pd.read_parquet(output / "predictions.parquet")
    measured = Encoding.open(encoding).expression
    r = np.corrcoef(table["PanCK"], measured[:, 1])[0, 1]
    assert done.content["pearson_r"]["PanCK"] == pytest.approx(r, abs=1e-5)
    assert done.content["mean_pearson_r"] == pytest.approx(
        np.mean(list(done.content["pearson_r"].values()))
    )


def test_maps_are_ome_zarr_in_um(predicted):
    group = zarr.open_group(str(predicted[1] / "maps.ome.zarr"), mode="r")
    multiscale = group.attrs["ome"]["multiscales"][0]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [1.0, 100.0, 100.0]
    assert group["0"].shape[1:] == (4, 6)


def test_weights_and_where_reach_the_prediction(run, encoding, atlas, tmp_path):
    done = run(
        "biomarkers", encoding, atlas, "--output", tmp_path / "o", "--weights", "he=1",
        "--where", "stage = 'III'", "-k", "3", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.content["weights"] == {"he": 1.0}


def test_the_own_mif_is_never_a_query(run, encoding, atlas, tmp_path):
    done = run(
        "biomarkers", encoding, atlas, "--output", tmp_path / "o", "--weights", "mif=1", "--json"
    )
    assert done.exit_code == 1
    assert "he and text" in done.content["error"]


def test_same_patient_other_region_is_labelled(run, atlas, tmp_path):
    own = atlas.parent / f"{atlas.name}.encodings" / "s1.zarr"
    done = run(
        "biomarkers", own, atlas, "--output", tmp_path / "o", "--within-patient", "200", "--json"
    )
    assert done.exit_code == 0, done.stderr
    assert "Same patient" in done.content["label"]


def test_something_that_is_no_encoding_or_no_atlas(run, encoding, atlas, tmp_path):
    for arguments in ((tmp_path, atlas), (encoding, tmp_path), (atlas, encoding)):
        done = run("biomarkers", *arguments, "--output", tmp_path / "o", "--json")
        assert done.exit_code == 1
        assert done.content["error"].endswith(".")


def test_output_is_required(run, encoding, atlas):
    assert run("biomarkers", encoding, atlas).exit_code == 2


def test_intervals_and_r_of_niches_and_words_over_the_slide(
    run, encoding, atlas, model_folder, tmp_path
):
    niches = tmp_path / "niches"
    assert run("niches", encoding, "--k", "2", "--output", niches).exit_code == 0
    done = run(
        "biomarkers", encoding, atlas, "--output", tmp_path / "o", "--coverage", "0.6",
        "--niches", niches, "--query", "CD8 high", "--query", "colon cancer",
        "--model", model_folder, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.content["coverage"]["stated"] == 0.6
    first, second = done.content["queries"]
    assert first["markers"] == {"CD8": 1}
    assert second["words"] == "colon cancer"
    assert {"answer", "text"} <= set(pd.read_parquet(tmp_path / "o" / "query_2.parquet"))
    assert pd.read_csv(tmp_path / "o" / "agreement.csv")["region"].nunique() == 3
    low, high = (pd.read_parquet(tmp_path / "o" / f"{side}.parquet") for side in ("low", "high"))
    assert (low["CD8"].dropna() <= high["CD8"].dropna()).all()


def test_a_marker_that_is_not_at_hand_is_a_sentence(run, encoding, atlas, tmp_path):
    done = run(
        "biomarkers", encoding, atlas, "--output", tmp_path / "o", "--coverage", "0",
        "--query", "CD20 high", "--json",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "CD20 was neither measured" in done.content["error"]
