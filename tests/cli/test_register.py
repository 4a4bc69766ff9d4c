"""``register`` and what it finds, in ``encode --affine`` and ``info --mif``."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.csv"
    rows = ["he_x,he_y,mif_x,mif_y"]
    for x, y in ((10, 10), (300, 20), (40, 250), (280, 260)):
        rows.append(f"{x + 30},{y - 12},{x},{y}")
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_landmarks_give_a_file_with_their_residual(run, slide, pairs, tmp_path):
    out = tmp_path / "affine.json"
    done = run("register", *slide, "--landmarks", pairs, "--output", out, "--json")
    assert done.exit_code == 0
    assert np.array(done.content["affine_um"]) == pytest.approx(
        np.array([[1, 0, 30], [0, 1, -12], [0, 0, 1]]), abs=1e-9
    )
    assert done.content["residual_um"] < 1e-6
    assert json.loads(out.read_text(encoding="utf-8"))["pairs"] == 4
    again = run("register", *slide, "--landmarks", pairs, "--output", out)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_the_affine_moves_the_mif_in_info_and_encode(run, slide, pairs, tmp_path, model_folder):
    out = tmp_path / "affine.json"
    run("register", *slide, "--landmarks", pairs, "--output", out)
    told = run("info", slide[0], "--mif", slide[1], "--affine", out, "--json").content
    assert told["mif"]["origin_um"] == pytest.approx([30, -12], abs=1e-6)
    assert set(told["registration"]) >= {"shift_um", "distance_um", "spread_um", "note"}
    encoding = tmp_path / "e.zarr"
    options = ["--mif", slide[1], "--model", model_folder, "--output", encoding, "--json"]
    done = run("encode", slide[0], "--affine", out, *options)
    assert done.exit_code == 0, done.stderr
    assert done.content["registration"] is not None
    assert done.content["tissue"]["chosen"] == "found"
    without = run("encode", slide[0], *options)
    assert without.exit_code == 1
    assert "affine" in without.content["error"] or "position" in without.content["error"]


def test_a_given_threshold_is_kept_with_the_encoding(run, slide, tmp_path, model_folder):
    options = ["--model", model_folder, "--output", tmp_path / "e.zarr", "--json"]
    done = run("encode", slide[0], "--tissue-threshold", "0.02", *options)
    assert done.exit_code == 0, done.stderr
    assert done.content["tissue"]["threshold"] == 0.02
    assert done.content["tissue"]["chosen"] == "given"
    other = run("encode", slide[0], "--tissue-threshold", "0.03", *options)
    assert "threshold of tissue" in other.content["error"]
    everything = run(
        "encode",
        slide[0],
        "--tissue-threshold",
        "9",
        *options[:-3],
        "--output",
        tmp_path / "f.zarr",
        "--json",
    )
    assert everything.exit_code == 1
    assert "No tissue" in everything.content["error"]


def test_an_affine_without_an_mif_is_refused(run, slide, tmp_path):
    (tmp_path / "a.json").write_text("[[1, 0, 0], [0, 1, 0]]")
    done = run("encode", slide[0], "--affine", tmp_path / "a.json", "--output", tmp_path / "e")
    assert done.exit_code == 1
    assert "--mif" in done.stderr


def test_without_landmarks_and_nuclei_nothing_is_claimed(run, slide, tmp_path):
    done = run("register", *slide, "--output", tmp_path / "a.json", "--json")
    assert done.exit_code in (0, 1)
    assert (tmp_path / "a.json").exists() == (done.exit_code == 0)
    if done.exit_code:
        assert "--landmarks" in done.content["error"]
