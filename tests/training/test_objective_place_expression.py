"""The read-out at each place of the H&E map learns cells, and only from what was measured."""

from __future__ import annotations

import math

import pytest
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives import ContrastiveBatch, build_objective
from napari_haiku.training.objectives.place_expression import PlaceExpression


def _batch(tokens: torch.Tensor, truth: torch.Tensor) -> ContrastiveBatch:
    return ContrastiveBatch(
        {"he": torch.randn(len(tokens), 4)}, tokens={"he": tokens}, place_expression=truth
    )


def test_read_out_learns_the_markers_of_each_place() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(16, 9, 6)
    truth = tokens @ torch.randn(6, 5)
    objective = build_objective({"place_expression": 1.0}, markers=5, maps=6)
    optimiser = torch.optim.Adam(objective.parameters(), 0.05)
    first = objective(_batch(tokens, truth)).loss.item()
    assert first == pytest.approx(float(truth.square().mean()), rel=1e-5)
    for _ in range(300):
        optimiser.zero_grad()
        loss = objective(_batch(tokens, truth)).loss
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01 * first


def test_what_was_not_measured_does_not_matter() -> None:
    torch.manual_seed(1)
    tokens, truth = torch.randn(5, 4, 3), torch.randn(5, 4, 2)
    truth[:2] = math.nan
    objective = build_objective({"place_expression": 1.0}, markers=3, maps=3)
    wide = torch.cat([truth, torch.full((5, 4, 1), math.nan)], 2)
    moved = tokens.clone()
    moved[:2] += 100
    moved.requires_grad_()
    out = objective(_batch(moved, wide))
    out.loss.backward()
    assert out.loss.item() == pytest.approx(float(truth[2:].square().mean()), rel=1e-5)
    assert moved.grad is not None
    assert not moved.grad[:2].any()
    assert objective.terms["place_expression"].read_out.weight.grad[2].eq(0).all()


def test_nothing_measured_is_nothing_to_compare() -> None:
    objective = build_objective({"place_expression": 1.0}, markers=2, maps=3)
    out = objective(_batch(torch.randn(4, 9, 3), torch.full((4, 9, 2), math.nan)))
    assert out.loss.item() == 0
    assert "place_expression" not in out.parts


@pytest.mark.parametrize(("markers", "maps"), [(0, 3), (3, 0)])
def test_sizes_must_be_told(markers: int, maps: int) -> None:
    with pytest.raises(HaikuError, match="number of"):
        PlaceExpression(markers, maps)
