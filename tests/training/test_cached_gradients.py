"""Gradients carried back chunk by chunk are those of the whole batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.cached_gradients import Prepared, backward
from napari_haiku.training.objectives import ContrastiveBatch, build_objective
from napari_haiku.training.processes import Processes


class Towers(nn.Module):
    def __init__(self, *, norm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        last: list[nn.Module] = [nn.BatchNorm1d(6)] if norm else []
        self.he = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Dropout(dropout), nn.Linear(8, 6))
        self.mif = nn.Sequential(nn.Linear(4, 6), *last)


def prepared(towers: Towers, n: int) -> Prepared:
    draw = torch.Generator().manual_seed(1)
    he, mif = torch.randn(n, 5, generator=draw), torch.randn(n, 4, generator=draw)
    return Prepared(
        n,
        {"he": lambda rows: towers.he(he[rows]), "mif": lambda rows: towers.mif(mif[rows])},
        ContrastiveBatch,
    )


def gradients(chunk: int, n: int = 23, towers: Towers | None = None, seed: int = 7):
    towers = towers or Towers()
    objective = build_objective({"pairwise_clip": {"learnable": True}}, dim=6)
    out = backward(
        prepared(towers, n), objective, towers, Processes(), chunk=chunk, seed=seed, step=0
    )
    rows = [p.grad.clone() for p in (*towers.parameters(), *objective.parameters())]
    return float(out.loss.detach()), rows


@settings(max_examples=12, deadline=None)
@given(st.integers(4, 30), st.integers(6, 40))
def test_chunks_give_the_gradient_of_the_whole_batch(chunk: int, n: int) -> None:
    loss, whole = gradients(0, n)
    again, parts = gradients(chunk, n)
    assert again == pytest.approx(loss, rel=1e-5)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_dropout_draws_the_same_in_both_passes() -> None:
    towers = Towers(dropout=0.5)
    loss, first = gradients(8, towers=towers)
    towers.zero_grad()
    again, second = gradients(8, towers=towers)
    assert loss == again
    torch.testing.assert_close(first, second)
    other, _ = gradients(8, towers=towers, seed=8)
    assert other != loss


def test_batch_norms_see_every_row_once() -> None:
    towers = Towers(norm=True)
    gradients(8, towers=towers)
    norm = towers.mif[1]
    assert int(norm.num_batches_tracked) == 3
    assert norm.momentum == pytest.approx(0.1)
    assert not torch.equal(norm.running_mean, torch.zeros(6))


def test_a_loss_that_is_no_number_is_told_with_its_step() -> None:
    towers = Towers()
    with torch.no_grad():
        towers.he[0].weight[0, 0] = float("nan")
    with pytest.raises(HaikuError, match="diverged at step 12: lower learning_rate"):
        backward(
            prepared(towers, 8),
            build_objective({"pairwise_clip": 1.0}),
            towers,
            Processes(),
            chunk=4,
            seed=0,
            step=12,
        )
