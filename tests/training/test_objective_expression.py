"""The read-out of marker means learns them, and only from what was measured."""

from __future__ import annotations

import math

import pytest
import torch

from napari_haiku.training.objectives import ContrastiveBatch, build_objective


def test_read_out_learns_the_markers_from_the_embedding() -> None:
    torch.manual_seed(0)
    n, d, m = 256, 8, 5
    embedding = torch.randn(n, d)
    truth = torch.nn.functional.normalize(embedding, dim=1) @ torch.randn(d, m) * 3 + 7
    objective = build_objective({"expression": 1.0}, dim=d, markers=m)
    optimiser = torch.optim.Adam(objective.parameters(), 0.05)
    batch = ContrastiveBatch({"he": embedding}, expression=truth)
    first = objective(batch).loss.item()
    assert first == pytest.approx(1.0, abs=0.05)  # standardised, and nothing is guessed yet
    for _ in range(150):
        optimiser.zero_grad()
        out = objective(batch)
        out.loss.backward()
        optimiser.step()
    assert out.loss.item() < 0.02
    assert out.diagnostics["expression r he"] > 0.99


def test_markers_that_were_not_measured_do_not_matter() -> None:
    torch.manual_seed(1)
    vectors = torch.randn(9, 4)
    truth = torch.randn(9, 3)
    mask = torch.rand(9, 3) > 0.4
    losses = []
    for filler in (0.0, 1e6, math.nan):
        emb = vectors.clone().requires_grad_()
        objective = build_objective({"expression": 1.0}, dim=4, markers=3)
        torch.nn.init.ones_(objective.terms["expression"].read_out["he"].weight)
        spoilt = truth.where(mask, torch.tensor(filler))
        loss = objective(
            ContrastiveBatch({"he": emb}, expression=spoilt, expression_mask=mask)
        ).loss
        loss.backward()
        assert emb.grad is not None
        assert torch.isfinite(emb.grad).all()
        losses.append(loss.item())
    assert losses[0] == losses[1] == losses[2]


def test_running_statistics_are_those_of_all_rows_seen() -> None:
    torch.manual_seed(2)
    truth = torch.randn(60, 2) * torch.tensor([1.0, 4.0]) + torch.tensor([3.0, -2.0])
    objective = build_objective({"expression": 1.0}, dim=4, markers=2)
    for part in truth.split(13):
        objective(ContrastiveBatch({"he": torch.randn(len(part), 4)}, expression=part))
    term = objective.terms["expression"]
    torch.testing.assert_close(term.mean, truth.mean(0))
    torch.testing.assert_close(term.variance, truth.var(0, unbiased=False))


def test_statistics_stand_still_outside_training() -> None:
    objective = build_objective({"expression": 1.0}, dim=4, markers=2).eval()
    objective(ContrastiveBatch({"he": torch.randn(5, 4)}, expression=torch.randn(5, 2)))
    assert not objective.terms["expression"].seen.any()


def test_a_marker_in_few_panels_counts_like_any_other() -> None:
    truth = torch.zeros(10, 2)
    truth[:, 0], truth[:, 1] = 1.0, 3.0
    mask = torch.ones(10, 2, dtype=torch.bool)
    mask[1:, 1] = False
    objective = build_objective({"expression": {"standardise": False}}, dim=4, markers=2)
    batch = ContrastiveBatch({"mif": torch.randn(10, 4)}, expression=truth, expression_mask=mask)
    assert objective(batch).loss.item() == pytest.approx((1 + 9) / 2)


def test_without_an_image_or_a_marker_nothing_is_compared() -> None:
    objective = build_objective({"expression": 1.0}, dim=4, markers=2)
    truth = torch.randn(5, 2)
    text = objective(ContrastiveBatch({"text": torch.randn(5, 4)}, expression=truth))
    assert text.loss.item() == 0
    nothing = torch.zeros(5, 2, dtype=torch.bool)
    batch = ContrastiveBatch({"he": torch.randn(5, 4)}, expression=truth, expression_mask=nothing)
    assert objective(batch).loss.item() == 0
