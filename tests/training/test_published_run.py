"""A small model of the published architecture, tuned end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from published_bundle import converted, reference, write_bundle
from training_room import paint_slide

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.training.config import TrainConfig
from napari_haiku.training.loop import TrainRequest, train
from napari_haiku.training.published_parts import CutTower, published_tune
from napari_haiku.training.tuning import freeze_all_but

RECIPE = TrainConfig(
    name="tuned",
    objectives={"pairwise_clip": {"temperature": 0.07}},
    steps=4,
    batch_size=12,
    warm_up=0,
    clip=0.0,
    validate_every=2,
    checkpoint_every=2,
    threads=1,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted model and a cohort of nine patients, one of them without mIF."""
    folder = tmp_path_factory.mktemp("published")
    converted(write_bundle(folder / "bundle"), folder / "start")
    lines = ["slide_id,patient_id,he,mif,tissue_type,disease,stage"]
    for i in range(9):
        paint_slide(folder, f"s{i}", i, markers=("DAPI", "CD8", "Mystery"))
        mif = "" if i == 8 else f"s{i}_mif.ome.tif"
        lines.append(f"s{i},p{i},s{i}_he.ome.tif,{mif},lung,cancer,{'abc'[i % 3]}")
    (folder / "cohort.csv").write_text("\n".join(lines) + "\n")
    return folder


def request(home: Path, name: str, **changes: object) -> TrainRequest:
    recipe = replace(RECIPE, start_from="start", **changes)  # type: ignore[arg-type]
    return TrainRequest(home / "cohort.csv", home / name, recipe, home, cache=home / "cache")


def test_the_two_halves_of_a_tower_are_the_whole() -> None:
    model = reference()
    freeze_all_but(model.towers, ("he.trunk.blocks.1", "text.bert.encoder.layer.1", "he_head"))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    he, text = CutTower(model.towers, "he"), CutTower(model.towers, "text")
    assert (he.layer, text.layer, CutTower(model.towers, "mif").layer) == (1, 1, None)
    with torch.no_grad():
        torch.testing.assert_close(he.after(he.before_he(images)), model.towers.project_he(images))
        torch.testing.assert_close(
            text.after(text.before_text(ids, mask), mask), model.towers.project_text(ids, mask)
        )
    freeze_all_but(model.towers, ("he.head", "text_head"))
    head_only, frozen = CutTower(model.towers, "he"), CutTower(model.towers, "text")
    assert (head_only.layer, frozen.layer) == (2, None)
    with torch.no_grad():
        torch.testing.assert_close(
            head_only.after(head_only.before_he(images)), model.towers.project_he(images)
        )
        torch.testing.assert_close(
            frozen.after(frozen.before_text(ids, mask)), model.towers.project_text(ids, mask)
        )
    freeze_all_but(model.towers, ("mif.pixels",))
    with pytest.raises(HaikuError, match=r"'mif.pixels.weight' lies before the layers"):
        CutTower(model.towers, "mif")
    model.towers.requires_grad_(False)


def test_the_published_recipe_tunes_what_the_authors_tuned(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_job(train(request(home, "tuned")))
    before, after = load_model(home / "start", device="cpu"), load_model(result.model, device="cpu")
    changed = {
        name
        for (name, old), new in zip(
            before.towers.state_dict().items(), after.towers.state_dict().values(), strict=True
        )
        if not torch.equal(old, new)
    }
    assert changed
    allowed = published_tune(before.config)
    assert all(any(name.startswith(part) for part in allowed) for name in changed)
    assert {name.split(".")[0] for name in changed} == {
        "he",
        "he_head",
        "mif_head",
        "text",
        "text_head",
    }
    card = json.loads((result.model / "card.json").read_text())
    assert card["training"]["started_from"]["fingerprint"] == before.fingerprint
    assert card["training"]["recipe"]["rates"]["text"] == 5e-6
    assert "he->text R@10" in result.validation
    he = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    assert np.isfinite(after.encode_he(he, 0.3775)).all()
    # The frozen layers are not run again.
    for name in ("before_he", "before_mif", "before_text"):
        monkeypatch.setattr(CutTower, name, lambda *_: pytest.fail("run a second time"))
    again = run_job(train(request(home, "again")))
    assert (again.model / "model.safetensors").read_bytes() == (
        result.model / "model.safetensors"
    ).read_bytes()


def test_a_stopped_run_goes_on_to_the_same_model(home: Path) -> None:
    heads = {"tune": ("he_head", "mif_head", "text_head"), "chunk": 4, "accumulate": 2}
    whole = run_job(train(request(home, "whole", **heads))).model
    job = train(request(home, "stopped", **heads))
    for report in job:
        if report.doing == "Training" and report.done == 3:
            job.close()
            break
    resumed = run_job(train(replace(request(home, "stopped", **heads), resume=True)))
    assert resumed.resumed_from == 2
    assert (whole / "model.safetensors").read_bytes() == (
        resumed.model / "model.safetensors"
    ).read_bytes()


def test_an_unknown_layer_is_refused_before_slides_are_read(home: Path) -> None:
    with pytest.raises(HaikuError, match=r"'he.trunk.block.1'.*closest is 'he.trunk.blocks.1'"):
        run_job(train(request(home, "m", tune=("he.trunk.block.1",))))


@pytest.mark.parametrize(
    ("name", "needed"),
    [("record", "the clinical record of each patch's patient"), ("expression", "marker means")],
)
def test_an_objective_that_is_not_offered_here_says_so(home: Path, name: str, needed: str) -> None:
    options = {"fields": ["stage"]} if name == "record" else {}
    recipe = {"pairwise_clip": 1.0, name: {"weight": 1.0, **options}}
    with pytest.raises(HaikuError, match=f"The objective {name} needs {needed}"):
        run_job(train(request(home, "m", objectives=recipe)))
