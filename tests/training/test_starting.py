"""Runs that begin with the towers of another model."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_room import paint_slide

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.model.compact.model import CompactModel
from napari_haiku.model.loading import load_model
from napari_haiku.training.config import TrainConfig
from napari_haiku.training.frozen_vectors import FrozenVectors
from napari_haiku.training.loop import TrainRequest, train

RECIPE = TrainConfig(
    name="first",
    steps=3,
    batch_size=12,
    validate_every=1,
    he_width=4,
    dim=16,
    threads=1,
    text_steps=20,
    text_batch=8,
    text_heads=2,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine painted patients and a model trained on them."""
    folder = tmp_path_factory.mktemp("starting")
    lines = ["slide_id,patient_id,he,mif,tissue_type,disease,stage"]
    for i in range(9):
        paint_slide(folder, f"s{i}", i)
        lines.append(f"s{i},p{i},s{i}_he.ome.tif,s{i}_mif.ome.tif,Colon,Cancer,{'I' * (1 + i % 3)}")
    (folder / "cohort.csv").write_text("\n".join(lines) + "\n")
    run_job(train(_request(folder, "first", start_from="")))
    return folder


def _request(home: Path, name: str, **changes: object) -> TrainRequest:
    recipe = replace(RECIPE, **{"start_from": "first", **changes})  # type: ignore[arg-type]
    return TrainRequest(home / "cohort.csv", home / name, recipe, home, cache=home / "cache")


def _load(folder: Path) -> CompactModel:
    model = load_model(folder, device="cpu")
    assert isinstance(model, CompactModel)
    return model


def test_a_frozen_tower_stays_and_runs_once_for_each_patch(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    real = FrozenVectors._encode
    monkeypatch.setattr(
        FrozenVectors,
        "_encode",
        lambda self, some, markers: read.extend(k for k, _ in some) or real(self, some, markers),
    )
    run_job(train(_request(home, "mif_only", tune=("mif.head",), steps=4)))
    assert read
    assert len(read) == len(set(read))
    before, after = _load(home / "first").network, _load(home / "mif_only").network
    for name, value in after.state_dict().items():
        same = torch.equal(value, before.state_dict()[name])
        assert same == (not name.startswith(("mif.head", "text"))), name
    card = _load(home / "mif_only").card
    assert card["training"]["started_from"]["name"] == "first"
    assert card["training"]["seed"] == 0


def test_the_small_cohort_preset_holds_on_to_the_start(home: Path) -> None:
    near = {"mmrlpp": {"anchor_weight": 1.0, "label_smoothing": 0.1}}
    run_job(train(_request(home, "near", objectives=near, steps=2)))
    with (home / "near" / "curves.csv").open() as file:
        drift = [float(r["value"]) for r in csv.DictReader(file) if r["figure"] == "loss anchor he"]
    assert not drift or drift[0] < 0.5
    with pytest.raises(HaikuError, match=r"needs embeddings of the starting model.*--start-from"):
        run_job(train(_request(home, "none", objectives=near, start_from="")))


def test_no_better_validation_stops_the_run(home: Path) -> None:
    # A rate of nothing: no validation can be better than the first.
    still = {"learning_rate": 0.0, "patience": 2, "steps": 50, "text_steps": 0}
    result = run_job(train(_request(home, "still", tune=("mif.head",), **still)))
    assert result.steps == 1
    rows = (home / "still" / "curves.csv").read_text()
    assert "\n3,loss" in rows
    assert "\n4,loss" not in rows
    # The text tower of the model started from is taken over.
    assert _load(home / "still").reader.features == _load(home / "first").reader.features


def test_chunks_change_no_more_than_the_batch_norm(home: Path) -> None:
    told = []
    for name, chunk in (("at_once", 0), ("chunked", 4)):
        job = _request(home, name, chunk=chunk, steps=1, tune=("mif",), text_steps=0)
        run_job(train(job))
        told.append(_load(home / name).network.mif.head[2].weight)
    torch.testing.assert_close(*told, rtol=1e-2, atol=1e-3)


def test_what_is_no_model_is_told(home: Path) -> None:
    with pytest.raises(HaikuError, match="no model folder"):
        run_job(train(_request(home, "m", start_from="nowhere")))


def test_a_finer_he_tower_begins_with_the_later_convolutions(home: Path) -> None:
    run_job(train(_request(home, "finer", he_zoom=2, steps=1, learning_rate=1e-9)))
    before, after = _load(home / "first"), _load(home / "finer")
    assert after.network.config.he_zoom == 2
    old = before.network.he.features[1][0].weight
    torch.testing.assert_close(after.network.he.features[2][0].weight, old, atol=2e-3, rtol=0)


def test_a_deeper_he_tower_begins_as_the_one_without_blocks(home: Path) -> None:
    by_place = {"pairwise_clip": 1.0, "place_expression": 2.0}
    still = {"learning_rate": 1e-9, "steps": 1, "text_steps": 0}
    run_job(train(_request(home, "deep", he_blocks=2, tune=("he",), objectives=by_place, **still)))
    before, after = _load(home / "first").network, _load(home / "deep").network
    assert after.config.he_blocks == 2
    torch.testing.assert_close(after.he.features[0][0].weight, before.he.features[0][0].weight)
    pooled = after.he.head[0].weight
    assert pooled[:, before.he.head[0].weight.shape[1] :].abs().max() < 1e-6
    rows = (home / "deep" / "curves.csv").read_text()
    assert "loss place_expression" in rows
    # Once deeper, it may go on from there.
    run_job(train(_request(home, "deeper", start_from="deep", he_blocks=4, **still)))
    assert _load(home / "deeper").network.config.he_blocks == 4


def test_places_teach_the_same_in_chunks(home: Path) -> None:
    told = []
    for name, chunk in (("places_at_once", 0), ("places_chunked", 6)):
        by_place = {"expression": 1.0, "place_expression": 1.0}
        changes = {"chunk": chunk, "steps": 1, "text_steps": 0, "objectives": by_place}
        run_job(train(_request(home, name, tune=("he.head",), **changes)))
        told.append(_load(home / name).network.he.head[3].weight)
    torch.testing.assert_close(*told, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    "teaching", [{"place_expression": 1.0}, {"record": {"weight": 1.0, "fields": ["stage"]}}]
)
def test_he_objectives_cannot_teach_a_tower_that_stays(home: Path, teaching: dict) -> None:
    (name,) = teaching
    with pytest.raises(HaikuError, match=rf"{name} teaches the H&E tower.*tune it"):
        run_job(train(_request(home, f"no_{name}", tune=("mif",), objectives=teaching)))


def test_the_record_teaches_the_he_tower(home: Path) -> None:
    both = {"expression": 1.0, "record": {"weight": 1.0, "fields": ["stage"]}}
    run_job(train(_request(home, "record", tune=("he",), objectives=both, text_steps=0)))
    assert "loss record" in (home / "record" / "curves.csv").read_text()
    assert '"fields"' in (home / "record" / "card.json").read_text()


def test_a_field_that_no_record_holds_is_told_before_anything_starts(home: Path) -> None:
    lost = {"record": {"weight": 1.0, "fields": ["grade"]}}
    with pytest.raises(HaikuError, match="cannot tell the field 'grade'"):
        run_job(train(_request(home, "lost", objectives=lost)))


def test_closed_form_text_with_record_coordinates_trains_and_loads(home: Path) -> None:
    run_job(train(_request(home, "closed", text_method="discriminant", record_dim=4)))
    model = _load(home / "closed")
    assert model.dim == 20
    assert model.encode_text_heads(["stage: I"]).shape == (2, 1, 20)


def test_images_seen_twice_are_listed_once(home: Path) -> None:
    run_job(train(_request(home, "again", steps=1)))
    images = _load(home / "again").card["training_images"]
    assert len({image["fingerprint"] for image in images}) == len(images) == 18


def test_text_is_fitted_later_on_towers_that_are_done(home: Path) -> None:
    run_job(train(_request(home, "later", text_steps=0)))
    towers = _load(home / "later").network.he.state_dict()
    again = _request(home, "later", text_method="discriminant", record_dim=4)
    result = run_job(train(replace(again, resume=True)))
    assert result.resumed_from == RECIPE.steps
    model = _load(home / "later")
    assert model.dim == 20
    torch.testing.assert_close(model.network.he.state_dict(), towers)
