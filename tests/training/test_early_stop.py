"""Stopping when validation gets no better."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_haiku.training.early_stop import EarlyStop, watched_figure


def test_the_best_towers_are_kept() -> None:
    net = nn.Linear(1, 1)
    stop = EarlyStop(2)
    for step, value in enumerate((0.2, 0.5, 0.4, 0.5), 1):
        with torch.no_grad():
            net.weight.fill_(step)
        assert not stop.over
        stop.see(step, {"he->mif R@10": value, "he->mif R@50": 1.0}, net.state_dict())
    assert stop.over
    assert stop.best_step == 2
    again = EarlyStop(2)
    again.load(stop.state())
    net.load_state_dict(again.towers)
    assert float(net.weight.detach()) == 2
    assert again.over


def test_no_patience_never_stops() -> None:
    stop = EarlyStop(0)
    for step in range(5):
        stop.see(step, {"he->mif R@10": 0.0}, {})
    assert not stop.over
    assert not stop.state()["towers"]


def test_the_mean_over_directions_is_watched() -> None:
    assert watched_figure({"a->b R@10": 0.2, "b->a R@10": 0.4, "a->b R@1": 0.0}) == pytest.approx(
        0.3
    )
