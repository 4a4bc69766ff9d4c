"""Cohorts on disk: manifest, resume, refusal."""

from __future__ import annotations

import csv
import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job
from napari_haiku.simulation import cohort
from napari_haiku.simulation.cohort import SimulateRequest, simulate_cohort
from napari_haiku.simulation.difficulty import PRESETS
from napari_haiku.simulation.neutral import PLACEBO, TWINS
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.vocabulary import MARKERS

FIELD_UM = (130.0, 110.0)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    request = SimulateRequest(tmp_path_factory.mktemp("cohort") / "c", 2, 6, FIELD_UM)
    return request, run_job(simulate_cohort(request))


def test_the_manifest_lists_every_slide_and_its_record(made) -> None:
    request, result = made
    with result.manifest.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["slide_id"] for row in rows] == ["slide_00000", "slide_00001"]
    assert len({row["patient_id"] for row in rows}) == 2
    assert list(rows[0])[:5] == ["slide_id", "patient_id", "he", "mif", "markers"]
    without_effect = [*PLACEBO, *TWINS]
    assert list(rows[0])[-len(without_effect) :] == without_effect
    for index, row in enumerate(rows):
        kept = {k: v for k, v in list(row.items())[5:] if v}
        assert kept == draw_patient(request.seed, index).record
        assert (request.output / row["he"]).is_file()
        assert (request.output / row["mif"]).is_file()
    assert result.resumed_from == 0
    assert result.markers == MARKERS


def test_the_images_say_what_they_are(made) -> None:
    request, _ = made
    he = open_image(request.output / "images" / "slide_00000_he.ome.tif")
    mif = open_image(request.output / "images" / "slide_00000_mif.ome.tif")
    assert (he.modality, he.pixel_size_um, he.shape) == ("he", 0.5, (220, 260))
    assert (mif.modality, mif.pixel_size_um, mif.shape) == ("mif", 1.0, (110, 130))
    assert mif.markers == MARKERS
    assert he.extent_um == mif.extent_um


def test_same_seed_same_bytes_and_another_seed_differs(made, tmp_path: Path) -> None:
    request, _ = made
    run_job(simulate_cohort(replace(request, output=tmp_path / "again")))
    first, second = _files(request.output), _files(tmp_path / "again")
    assert first == second
    run_job(simulate_cohort(replace(request, output=tmp_path / "other", seed=7)))
    third = _files(tmp_path / "other")
    assert set(third) == set(first)
    differing = {name for name in first if first[name] != third[name]}
    # What is true of virtual patients does not depend on which of them were drawn.
    assert differing == set(first) - {"truth.parquet"}


def test_a_larger_cohort_begins_with_the_smaller_one(made, tmp_path: Path) -> None:
    request, _ = made
    run_job(simulate_cohort(replace(request, output=tmp_path / "one", patients=1)))
    name = "images/slide_00000_mif.ome.tif"
    assert _files(tmp_path / "one")[name] == _files(request.output)[name]


def test_an_interrupted_run_resumes_and_ends_the_same(made, tmp_path: Path) -> None:
    request, _ = made
    here = replace(request, output=tmp_path / "cut")
    job = simulate_cohort(here)
    while next(job).done < 1:
        pass
    job.close()
    assert not (here.output / "cohort.csv").exists()
    reports = []
    result = run_job(simulate_cohort(here), reports.append)
    assert result.resumed_from == 1
    assert [report.done for report in reports] == [1, 2]
    assert _files(here.output) == _files(request.output)


def test_a_finished_cohort_is_left_alone(made, monkeypatch: pytest.MonkeyPatch) -> None:
    request, _ = made
    monkeypatch.setattr(cohort, "simulate_patient", None)
    before = _files(request.output)
    assert run_job(simulate_cohort(request)).resumed_from == 2
    assert _files(request.output) == before


def _as_generator_one_left_it(folder: Path) -> None:
    """Take from the manifest what the first generator did not write, and its version."""
    settings = json.loads((folder / "simulation.json").read_text(encoding="utf-8"))
    old = {name: settings[name] for name in ("patients", "seed", "field_um", "markers")}
    (folder / "simulation.json").write_text(json.dumps({"generator": 1, **old}), encoding="utf-8")
    (folder / "cohort.csv").write_text("slide_id,patient_id\nslide_00000,patient_00000\n", "utf-8")


def test_the_records_of_an_earlier_generator_are_renewed_and_its_pixels_kept(
    made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, result = made
    here = replace(request, output=tmp_path / "old")
    shutil.copytree(request.output, here.output)
    _as_generator_one_left_it(here.output)
    monkeypatch.setattr(cohort, "simulate_patient", None)
    renewed = run_job(simulate_cohort(here))
    assert (renewed.renewed_from, renewed.resumed_from) == (1, 2)
    assert _files(here.output) == _files(request.output)
    assert result.renewed_from is None
    assert run_job(simulate_cohort(here)).renewed_from is None


@pytest.mark.parametrize("version", [0, 3, "1"])
def test_a_generator_with_other_pixels_is_refused(made, tmp_path: Path, version: object) -> None:
    request, _ = made
    here = replace(request, output=tmp_path / "other")
    shutil.copytree(request.output, here.output)
    settings = json.loads((here.output / "simulation.json").read_text(encoding="utf-8"))
    (here.output / "simulation.json").write_text(
        json.dumps(settings | {"generator": version}), encoding="utf-8"
    )
    with pytest.raises(HaikuError, match="generator"):
        run_job(simulate_cohort(here))


@pytest.mark.parametrize(
    ("change", "told"),
    [({"seed": 9}, "seed 6 not 9"), ({"patients": 4}, "patients 2 not 4")],
)
def test_other_settings_in_the_same_folder_are_refused(made, change, told: str) -> None:
    request, _ = made
    before = _files(request.output)
    with pytest.raises(HaikuError, match=f"other settings.*{told}"):
        run_job(simulate_cohort(replace(request, **change)))
    assert _files(request.output) == before


def test_a_foreign_cohort_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("slide_id\n", encoding="utf-8")
    with pytest.raises(HaikuError, match="was not simulated here"):
        run_job(simulate_cohort(SimulateRequest(tmp_path, 1, 1, FIELD_UM)))


@pytest.mark.parametrize("text", ["{", "[1, 2]", "{}"])
def test_a_damaged_settings_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "simulation.json").write_text(text, encoding="utf-8")
    with pytest.raises(HaikuError, match="choose another folder"):
        run_job(simulate_cohort(SimulateRequest(tmp_path, 1, 1, FIELD_UM)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patients": 0}, "at least 1"),
        ({"seed": -1}, "negative"),
        ({"workers": 0}, "workers"),
        ({"field_um": (10.0, 10.0)}, "between 100 and 8000"),
        ({"image_format": "jpeg"}, "'jpeg': choose ome-tiff or ome-zarr"),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_written(
    tmp_path: Path, change, told: str
) -> None:
    request = replace(SimulateRequest(tmp_path / "no", 1, 1, FIELD_UM), **change)
    with pytest.raises(HaikuError, match=told):
        run_job(simulate_cohort(request))
    assert not request.output.exists()


def test_workers_write_the_same_bytes(made, tmp_path: Path) -> None:
    request, _ = made
    here = replace(request, output=tmp_path / "parallel", workers=2)
    assert run_job(simulate_cohort(here)).resumed_from == 0
    assert _files(here.output) == _files(request.output)


def test_the_same_cohort_as_ome_zarr(made, tmp_path: Path) -> None:
    request, _ = made
    here = replace(request, output=tmp_path / "zarr", image_format="ome-zarr")
    result = run_job(simulate_cohort(here))
    with result.manifest.open(newline="", encoding="utf-8") as stream:
        row = next(csv.DictReader(stream))
    assert row["he"].endswith("_he.ome.zarr")
    mif, other = (
        open_image(folder / "images" / f"slide_00000_mif.{end}")
        for folder, end in ((here.output, "ome.zarr"), (request.output, "ome.tif"))
    )
    assert mif.markers == other.markers
    assert np.array_equal(np.asarray(mif.levels[0]), np.asarray(other.levels[0]))
    assert open_image(here.output / row["he"]).modality == "he"
    with pytest.raises(HaikuError, match="format 'ome-zarr' not 'ome-tiff'"):
        run_job(simulate_cohort(replace(here, image_format="ome-tiff")))
    shutil.rmtree(here.output / "images" / "slide_00001_he.ome.zarr")
    before = _files(here.output)
    assert run_job(simulate_cohort(here)).resumed_from == 1
    assert before.items() < _files(here.output).items()


def test_an_earlier_generator_knew_one_difficulty(made, tmp_path: Path) -> None:
    request, _ = made
    here = replace(request, output=tmp_path / "old")
    shutil.copytree(request.output, here.output)
    _as_generator_one_left_it(here.output)
    with pytest.raises(HaikuError, match="preset 'standard' not 'hard'"):
        run_job(simulate_cohort(replace(here, difficulty=PRESETS["hard"])))


def test_a_dead_worker_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DeadPool(ThreadPoolExecutor):
        def __init__(self, workers: int, mp_context: object) -> None:
            super().__init__(workers)

        def submit(self, *_: object) -> Future[int]:
            future: Future[int] = Future()
            future.set_exception(BrokenProcessPool("gone"))
            return future

    monkeypatch.setattr(cohort, "ProcessPoolExecutor", DeadPool)
    request = SimulateRequest(tmp_path / "dead", 3, 1, FIELD_UM, workers=2)
    with pytest.raises(HaikuError, match="fewer workers"):
        run_job(simulate_cohort(request))


def test_the_settings_are_recorded(made) -> None:
    request, _ = made
    settings = json.loads((request.output / "simulation.json").read_text(encoding="utf-8"))
    assert settings["seed"] == request.seed
    assert settings["field_um"] == list(FIELD_UM)
