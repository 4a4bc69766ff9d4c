"""Batch norms keep, towards the end of a run, the statistics of all cohorts together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from training.test_resuming import RECIPE

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.training import image_stage
from napari_haiku.training.config import check_config
from napari_haiku.training.image_stage import ImageStage
from napari_haiku.training.loop import (
    _MEASURED_BATCHES,
    _MEASURED_PATCHES,
    TrainRequest,
    train,
)
from napari_haiku.training.norms import fix_norms, measure_norms, moving_norms

if TYPE_CHECKING:
    from collections.abc import Iterable


def _request(manifest: Path, name: str, **changes: object) -> TrainRequest:
    recipe = replace(RECIPE, text_steps=0, **changes)  # type: ignore[arg-type]
    return TrainRequest(
        manifest, manifest.parent / name, recipe, manifest.parent, cache=manifest.parent / "cache"
    )


def test_measured_statistics_are_means_over_the_pieces() -> None:
    norm = nn.BatchNorm1d(3)
    pieces = [torch.randn(50, 3) * scale + scale for scale in (1.0, 4.0)]
    measure_norms(norm, norm, iter(pieces))
    torch.testing.assert_close(norm.running_mean, torch.stack([p.mean(0) for p in pieces]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([p.var(0) for p in pieces]).mean(0))
    assert norm.momentum == 0.1
    assert norm.training


def test_momentum_comes_back_after_a_failure() -> None:
    norm = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="expected 2D"):
        measure_norms(norm, norm, [torch.zeros(3)])
    assert norm.momentum == 0.1


def test_fixed_norms_change_no_more_but_stay_tuned() -> None:
    tower = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    fix_norms(tower)
    assert moving_norms(tower) == []
    before = {name: value.clone() for name, value in tower.named_buffers()}
    out = tower(torch.randn(20, 2) + 5)
    out.square().sum().backward()
    assert tower[1].weight.grad is not None
    assert tower[1].weight.requires_grad
    assert all(torch.equal(before[name], value) for name, value in tower.named_buffers())


def test_frozen_norms_are_not_measured() -> None:
    norm = nn.BatchNorm1d(3).eval()
    before = norm.running_mean.clone()
    measure_norms(norm, norm, [torch.randn(9, 3) + 7])
    assert torch.equal(norm.running_mean, before)


@pytest.mark.parametrize(("share", "first"), [(0.0, 5), (0.25, 4), (0.6, 2), (1.0, 0)])
def test_the_last_share_of_the_steps(
    manifest: Path, share: float, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = []
    step = ImageStage.step_on

    def watched(self: ImageStage, number: int, *batches: object) -> None:
        moving.append(bool(moving_norms(self.network.he)))
        step(self, number, *batches)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageStage, "step_on", watched)
    run_job(train(_request(manifest, "run", fixed_norms=share)))
    assert moving == [number < first for number in range(5)]


@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_a_stopped_run_goes_on_to_the_same_statistics(manifest: Path, share: float) -> None:
    whole = run_job(train(_request(manifest, "whole", fixed_norms=share))).model
    request = _request(manifest, "stopped", fixed_norms=share)
    job = train(request)
    for report in job:
        if report.doing == "Training" and report.done == 3:
            break
    job.close()
    stopped = run_job(train(replace(request, resume=True))).model
    assert (stopped / "model.safetensors").read_bytes() == (
        whole / "model.safetensors"
    ).read_bytes()


def test_statistics_of_two_cohorts_lie_between_them(manifest: Path) -> None:
    """The last batches are of one cohort or the other; what is kept is of both."""
    other = manifest.with_name("dark.csv")
    lines = manifest.read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    other.write_text(
        "\n".join(
            [lines[0], *(",".join([f"d{i}", f"q{i}", *row[2:]]) for i, row in enumerate(rows))]
        )
        + "\n"
    )
    kept = {}
    for name, shares in (
        ("both", {"": 0.5, "dark.csv": 0.5}),
        ("light", {"": 1.0, "dark.csv": 0.0}),
        ("dark", {"": 0.0, "dark.csv": 1.0}),
    ):
        request = _request(
            manifest,
            name,
            fixed_norms=1.0,
            steps=1,
            also=("dark.csv",),
            shares=shares,
            learning_rate=1e-9,
            stain_jitter={"": 0.0, "dark.csv": 3.0},
        )
        model = load_model(str(run_job(train(request)).model), device="cpu")
        kept[name] = model.network.he.features[0][1].running_var  # type: ignore[attr-defined]
    low = torch.minimum(kept["light"], kept["dark"])
    high = torch.maximum(kept["light"], kept["dark"])
    assert (high > low * 1.02).all()
    assert ((kept["both"] > low) & (kept["both"] < high)).all()


def test_no_more_of_a_large_batch_is_measured_than_of_a_small_one(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def watched(_tower: object, _encode: object, pieces: Iterable[torch.Tensor]) -> None:
        measured.extend(len(piece) for piece in pieces)

    monkeypatch.setattr(image_stage, "measure_norms", watched)
    monkeypatch.setattr(image_stage, "_PIECE", 5)
    run_job(train(_request(manifest, "run", fixed_norms=0.2)))
    assert set(measured) == {5}
    assert sum(measured) == 5 * max(_MEASURED_BATCHES, _MEASURED_PATCHES // 12)


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(HaikuError, match=r"'fixed_norms' cannot be 1\.5"):
        check_config(replace(RECIPE, fixed_norms=1.5))
