"""Whole training runs on a painted cohort."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.training.config import TrainConfig
from napari_haiku.training.loop import TrainRequest, train

RECIPE = TrainConfig(
    name="painted",
    steps=6,
    batch_size=12,
    validate_every=3,
    checkpoint_every=2,
    he_width=4,
    dim=16,
    placebo_fields=("ward",),
    threads=1,
    text_steps=20,
    text_batch=8,
    text_heads=2,
)


def _request(manifest: Path, name: str, **changes: object) -> TrainRequest:
    return TrainRequest(
        manifest,
        manifest.parent / name,
        replace(RECIPE, **changes),  # type: ignore[arg-type]
        manifest.parent,
        cache=manifest.parent / "cache",
    )


def test_a_run_leaves_a_model_that_loads_and_encodes(manifest: Path) -> None:
    result = run_job(train(_request(manifest, "m")))
    model = load_model(result.model, device="cpu")
    rng = np.random.default_rng(0)
    he = model.encode_he(rng.integers(0, 255, (3, 100, 100, 3), dtype=np.uint8), 1.0)
    mif = model.encode_mif(
        rng.integers(0, 255, (3, 2, 50, 50), dtype=np.uint8), ["CD8", "DAPI"], 2.0
    )
    text = model.encode_record({"tissue_type": "Colon", "stage": "II"})
    assert he.shape == mif.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(np.vstack([he, mif, text]), axis=1), 1, atol=1e-5)
    assert model.card["placebo_fields"] == {"ward": ["w0", "w1"]}
    assert (result.model / "curves.csv").read_text().startswith("step,figure,value\n")


def test_the_card_remembers_the_training_images(manifest: Path) -> None:
    box = (0.0, 0.0, 200.0, 300.0)
    result = run_job(train(_request(manifest, "m", regions_um={"s1": box}, steps=1)))
    images = json.loads((result.model / "card.json").read_text())["training_images"]
    known = {image["fingerprint"]: image["region_um"] for image in images}
    assert known[open_image(manifest.parent / "s1_he.ome.tif").fingerprint] == list(box)
    assert known[open_image(manifest.parent / "s2_mif.ome.tif").fingerprint] is None
    assert len(images) == 18


def test_the_same_recipe_gives_the_same_model(manifest: Path) -> None:
    one = run_job(train(_request(manifest, "one"))).model
    two = run_job(train(_request(manifest, "two"))).model
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()


def test_a_stopped_run_goes_on_to_the_same_model(manifest: Path) -> None:
    whole = run_job(train(_request(manifest, "whole"))).model
    job = train(_request(manifest, "stopped"))
    for report in job:
        if report.doing == "Training" and report.done == 5:
            job.close()
            break
    resumed = run_job(train(replace(_request(manifest, "stopped"), resume=True)))
    assert resumed.resumed_from == 4
    assert (whole / "model.safetensors").read_bytes() == (
        resumed.model / "model.safetensors"
    ).read_bytes()


def test_going_on_with_another_recipe_is_refused(manifest: Path) -> None:
    run_job(train(_request(manifest, "m")))
    with pytest.raises(HaikuError, match="another learning_rate"):
        run_job(train(replace(_request(manifest, "m", learning_rate=1e-4), resume=True)))


def test_a_finished_model_is_not_overwritten(manifest: Path) -> None:
    run_job(train(_request(manifest, "m", steps=1)))
    with pytest.raises(HaikuError, match="already holds a model"):
        run_job(train(_request(manifest, "m", steps=1)))


def test_an_unknown_region_is_refused(manifest: Path) -> None:
    with pytest.raises(HaikuError, match="'nowhere'"):
        run_job(train(_request(manifest, "m", regions_um={"nowhere": (0.0, 0.0, 1.0, 1.0)})))


def test_a_cohort_without_pairs_is_refused(manifest: Path) -> None:
    lines = manifest.read_text().splitlines()
    alone = [lines[0]] + [line.replace(f"s{i}_mif.ome.tif", "") for i, line in enumerate(lines[1:])]
    manifest.write_text("\n".join(alone) + "\n")
    with pytest.raises(HaikuError, match="both an H&E and an mIF"):
        run_job(train(_request(manifest, "m")))


def test_only_markers_shown_in_training_are_known(manifest: Path) -> None:
    model = load_model(run_job(train(_request(manifest, "m", steps=1))).model, device="cpu")
    assert model.unknown_markers(["CD8", "CD4", "DAPI", "Mystery"]) == ("CD4", "Mystery")
