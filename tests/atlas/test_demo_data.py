from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import tifffile

from napari_haiku.atlas.demo_data import import_demo
from napari_haiku.atlas.manifest import read_manifest
from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job

SIDE = 32
MARKERS = ["DAPI", "CD8"]


@pytest.fixture
def source(tmp_path):
    """The published layout with two regions of small patches."""
    folder = tmp_path / "demo"
    rng = np.random.default_rng(0)
    samples = {}
    for region, corners in {"aai-1": [(5, 40), (27, 40)], "abd_2": [(0, 0)]}.items():
        samples[region] = []
        for part in ("codex_patches", "he_patches", "text"):
            (folder / part / region).mkdir(parents=True)
        for x, y in corners:
            name = f"{region}_{x}-{x + SIDE}-{y}-{y + SIDE}"
            samples[region].append(name)
            codex = rng.integers(0, 255, (2, SIDE, SIDE), dtype=np.uint8)
            patch = {"codex": codex, "biomarker_name": MARKERS}
            file = folder / "codex_patches" / region / f"{name}.pkl"
            file.write_bytes(pickle.dumps(patch))
            he = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
            np.save(folder / "he_patches" / region / f"{name}.npy", he)
            text = folder / "text" / region / f"{name}_backgroud.txt"
            text.write_text("Colon Cancer,\n stage II\n")
    (folder / "demo_samples.json").write_text(json.dumps(samples))
    return folder


def test_regions_become_slides_with_patches_where_they_were_cut(source, tmp_path):
    done = run_job(import_demo(source, tmp_path / "out"))
    assert (done.regions, done.patches, done.markers) == (2, 3, ("DAPI", "CD8"))
    cohort = read_manifest(done.manifest)
    assert [slide.slide_id for slide in cohort.slides] == ["aai-1", "abd_2"]
    assert cohort.slides[0].record == {"description": "Colon Cancer, stage II"}
    mif = open_image(cohort.slides[0].mif, modality="mif")
    assert mif.pixel_size_um == pytest.approx(0.3775)
    assert mif.origin_um == pytest.approx((5 * 0.3775, 40 * 0.3775))
    assert mif.markers == ("DAPI", "CD8")
    whole = tifffile.imread(cohort.slides[0].mif)
    assert whole.shape == (2, SIDE, 22 + SIDE)
    last = pickle.loads(  # noqa: S301 - written above
        (source / "codex_patches" / "aai-1" / "aai-1_27-59-40-72.pkl").read_bytes()
    )
    np.testing.assert_array_equal(whole[:, :, 22:], last["codex"])
    he = open_image(cohort.slides[0].he, modality="he")
    assert he.levels[0].shape == (SIDE, 22 + SIDE, 3)
    with pytest.raises(HaikuError, match="exists already"):
        run_job(import_demo(source, tmp_path / "out"))


def test_a_pickle_that_would_run_something_is_refused(source, tmp_path):
    file = source / "codex_patches" / "aai-1" / "aai-1_27-59-40-72.pkl"
    file.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(HaikuError, match="only arrays and text"):
        run_job(import_demo(source, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as"),
        ("[]", "cannot be read as"),
        ("{}", "names no patch"),
        ('{"r": ["../../etc/passwd_0-1-0-1"]}', "names a path"),
        ('{"r": ["r_no"]}', "does not say which pixels"),
        ('{"r": ["r_5-5-0-1"]}', "covers no pixels"),
        ('{"r": ["r_0-1-0-1", "r_9999999-10000000-9999999-10000000"]}', "lie too far apart"),
    ],
)
def test_a_list_of_patches_that_makes_no_sense_is_told(source, tmp_path, content, said):
    (source / "demo_samples.json").write_text(content)
    with pytest.raises(HaikuError, match=said):
        run_job(import_demo(source, tmp_path / "out"))


def test_what_is_missing_or_of_another_shape_is_named(source, tmp_path):
    he = source / "he_patches" / "abd_2" / "abd_2_0-32-0-32.npy"
    np.save(he, np.zeros((3, 3), np.uint8))
    with pytest.raises(HaikuError, match=r"abd_2_0-32-0-32\.npy does not hold 32 x 32 RGB"):
        run_job(import_demo(source, tmp_path / "out"))
    np.save(he, np.array([{}], object))
    with pytest.raises(HaikuError, match="no plain array of pixels"):
        run_job(import_demo(source, tmp_path / "out"))
    he.unlink()
    with pytest.raises(HaikuError, match="is missing beside its pickle"):
        run_job(import_demo(source, tmp_path / "out"))
    (source / "demo_samples.json").unlink()
    with pytest.raises(HaikuError, match=r"has no demo_samples\.json"):
        run_job(import_demo(source, tmp_path / "out"))
