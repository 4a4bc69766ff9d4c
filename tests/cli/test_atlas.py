"""``atlas build`` and ``atlas info``."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_haiku.encoding.lock import WriteLock


def test_build_reports_the_contract(run, atlas, cohort, model_folder):
    done = run("atlas", "build", cohort, atlas, "--model", model_folder, "--json")
    assert done.exit_code == 0, done.stderr
    content = done.content
    assert content["slides"] == content["patients"] == 4
    assert content["patches"] == 4 * 24
    assert content["markers"] == ["DAPI", "PanCK", "CD8"]
    assert content["model"] == "tiny"
    assert content["index"] == {"kind": "exact", "recall_at_50": 1.0}
    assert content["failed"] == []


def test_info(run, atlas):
    content = run("atlas", "info", atlas, "--json").content
    assert content["patients"] == 4
    assert content["fields"]["stage"] == {"I": 1, "II": 1, "III": 1, "IV": 1}


def test_info_in_words(run, atlas):
    assert "4 patients, 4 slides, 96 patches" in run("atlas", "info", atlas).stdout


def test_a_slide_that_fails_is_told_by_its_line_and_the_rest_is_built(
    run, cohort, model_folder, tmp_path
):
    folder = tmp_path / "cohort"
    shutil.copytree(cohort.parent, folder)
    (folder / "he2.ome.tif").unlink()
    done = run(
        "atlas", "build", folder / "cohort.csv", tmp_path / "a", "--model", model_folder, "--json"
    )
    assert done.exit_code == 1
    assert done.content["slides"] == 3
    assert [slide["row"] for slide in done.content["failed"]] == [4]
    assert "Line 4" in done.stderr
    assert "p2" not in done.stderr


def test_a_folder_that_is_no_atlas(run, tmp_path):
    done = run("atlas", "info", tmp_path, "--json")
    assert done.exit_code == 1
    assert tmp_path.name in done.content["error"]


def test_a_manifest_that_is_not_there(run, tmp_path, model_folder):
    manifest = tmp_path / "absent.csv"
    done = run("atlas", "build", manifest, tmp_path / "a", "--model", model_folder, "--json")
    assert done.exit_code == 1
    assert "absent.csv" in done.content["error"]


@pytest.fixture
def copied(run, cohort, model_folder, tmp_path):
    """An atlas of its own, with images, encodings and manifest that may be damaged."""
    folder = tmp_path / "cohort"
    shutil.copytree(cohort.parent, folder)
    path = tmp_path / "own.atlas"
    done = run("atlas", "build", folder / "cohort.csv", path, "--model", model_folder)
    assert done.exit_code == 0, done.stderr
    return path


def flip(file: Path) -> bytes:
    """Change a byte in the middle of a file, and return what it was."""
    whole = file.read_bytes()
    place = len(whole) // 2
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
    return whole


def test_a_whole_atlas_is_verified(run, copied):
    done = run("atlas", "verify", copied, "--json")
    assert done.exit_code == 0
    assert done.content == {"ok": True, "damaged": [], "absent": []}


def test_damage_is_found_and_only_that_is_encoded_again(run, copied):
    encodings = copied.parent / "own.atlas.encodings"
    chunk = encodings / "s1.zarr" / "embedding_he" / "c" / "0" / "0"
    fixed = encodings / "s2.zarr" / "x_um" / "c" / "0"
    vectors = copied / "embeddings_mif.npy"
    gone = copied / "patches.parquet"
    kept = {file: flip(file) for file in (chunk, fixed, vectors)} | {gone: gone.read_bytes()}
    gone.unlink()
    done = run("atlas", "verify", copied, "--json")
    assert done.exit_code == 1
    assert not done.content["ok"]
    assert "with --repair" in done.stderr
    found = {(part["name"], part["part"], part["chunk"]) for part in done.content["damaged"]}
    assert found == {
        ("s1.zarr", "embedding_he", 0),
        ("s2.zarr", "x_um", 0),
        ("own.atlas", "embeddings_mif.npy", 0),
        ("own.atlas", "patches.parquet", None),
    }
    mended = run("atlas", "verify", copied, "--repair", "--json")
    assert mended.exit_code == 0, mended.stderr
    assert mended.content["ok"]
    assert mended.content["chunks_encoded"] == 1
    assert len(mended.content["repaired"]) == 4
    for file, content in kept.items():
        assert file.read_bytes() == content, file
    assert not list(encodings.glob(".*"))


def test_slides_laid_out_by_hand_are_mended_alike(run, cohort, model_folder, tmp_path):
    affine = tmp_path / "affine.json"
    affine.write_text("[[1, 0, 3], [0, 1, -2]]")
    path = tmp_path / "moved.atlas"
    build = ("atlas", "build", cohort, path, "--model", model_folder, "--affine", affine)
    done = run(*build, "--tissue-threshold", "0.1", "--json")
    assert done.exit_code == 0, done.stderr
    chunk = tmp_path / "moved.atlas.encodings" / "s1.zarr" / "embedding_mif" / "c" / "0" / "0"
    whole = flip(chunk)
    mended = run("atlas", "verify", path, "--repair", "--json")
    assert mended.exit_code == 0, mended.stderr
    assert mended.content["chunks_encoded"] == 1
    assert chunk.read_bytes() == whole


def test_an_affine_that_cannot_be_read(run, cohort, model_folder, tmp_path):
    affine = tmp_path / "affine.json"
    affine.write_text("[[1, 0], [0, 1]]")
    path = tmp_path / "a"
    build = ("atlas", "build", cohort, path, "--model", model_folder)
    done = run(*build, "--affine", affine, "--json")
    assert done.exit_code == 1
    assert "affine.json" in done.content["error"]


def test_damage_without_images_is_told(run, copied, cohort):
    manifest = copied.parent / "cohort" / "cohort.csv"
    flip(copied.parent / "own.atlas.encodings" / "s1.zarr" / "embedding_he" / "c" / "0" / "0")
    manifest.unlink()
    done = run("atlas", "verify", copied, "--repair", "--json")
    assert done.exit_code == 1
    assert "name it with --cohort" in done.content["error"]
    done = run("atlas", "verify", copied, "--repair", "--cohort", cohort, "--json")
    assert done.exit_code == 0, done.stderr
    (copied.parent / "cohort" / "he2.ome.tif").unlink()
    assert run("atlas", "verify", copied, "--json").content["ok"]


def test_damage_with_other_images_is_refused(run, copied, make_he):
    flip(copied.parent / "own.atlas.encodings" / "s1.zarr" / "embedding_he" / "c" / "0" / "0")
    make_he(copied.parent / "cohort" / "he1.ome.tif", 77)
    done = run("atlas", "verify", copied, "--repair", "--json")
    assert done.exit_code == 1
    assert "cannot be mended, for it was made from another H&E image" in done.content["error"]


def test_slides_are_added_and_removed(run, copied, encoding):
    added = run("atlas", "add", copied, encoding, "--json")
    assert added.exit_code == 0, added.stderr
    assert (added.content["slides"], added.content["changed"]) == (5, 1)
    removed = run("atlas", "remove", copied, encoding, "--json")
    assert (removed.content["slides"], removed.content["changed"]) == (4, 1)
    assert "bytes freed" in run("atlas", "compact", copied).stdout
    assert run("atlas", "verify", copied, "--json").content["ok"]
    unknown = run("atlas", "remove", copied, encoding, "--json")
    assert unknown.exit_code == 1
    assert "holds no slide" in unknown.content["error"]


def test_a_second_process_is_told(run, copied, encoding):
    with WriteLock(copied):
        done = run("atlas", "add", copied, encoding, "--json")
    assert done.exit_code == 1
    assert "being written by another process" in done.content["error"]


def test_a_damaged_description_is_told(run, copied):
    file = copied / "atlas.json"
    file.write_text(file.read_text().replace('"patches": 96', '"patches": 95'))
    done = run("atlas", "verify", copied, "--json")
    assert done.exit_code == 1
    assert "is damaged (its atlas.json was changed)" in done.content["error"]


def test_the_published_demo_data_become_a_cohort(run, tmp_path):
    name = "r1_0-16-0-16"
    for part in ("codex_patches", "he_patches"):
        (tmp_path / "demo" / part / "r1").mkdir(parents=True)
    codex = {"codex": np.ones((1, 16, 16), np.uint8), "biomarker_name": ["DAPI"]}
    file = tmp_path / "demo" / "codex_patches" / "r1" / f"{name}.pkl"
    file.write_bytes(pickle.dumps(codex))
    np.save(tmp_path / "demo" / "he_patches" / "r1" / f"{name}.npy", np.ones((16, 16, 3), np.uint8))
    (tmp_path / "demo" / "demo_samples.json").write_text(f'{{"r1": ["{name}"]}}')
    done = run("atlas", "import-demo", tmp_path / "demo", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.stderr
    assert (done.content["patches"], done.content["markers"]) == (1, ["DAPI"])
    assert (tmp_path / "out" / "cohort.csv").is_file()
    file.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    refused = run("atlas", "import-demo", tmp_path / "demo", tmp_path / "other", "--json")
    assert refused.exit_code == 1
    assert "only arrays and text" in refused.content["error"]
