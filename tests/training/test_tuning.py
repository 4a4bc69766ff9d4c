"""Freezing by names of parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.tuning import begins, freeze_all_but, is_frozen, rate_of, train_tuned


def network() -> nn.Module:
    return nn.ModuleDict(
        {
            "he": nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)),
            "he_head": nn.Linear(3, 3),
            "mif": nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)),
        }
    )


def test_names_are_matched_by_whole_parts() -> None:
    assert begins("he.head.0.weight", "he.head")
    assert not begins("he_head.weight", "he")
    assert not begins("he.10.weight", "he.1")


def test_only_what_is_named_is_tuned() -> None:
    net = network()
    freeze_all_but(net, ("he.0", "mif"))
    tuned = {name for name, p in net.named_parameters() if p.requires_grad}
    assert tuned == {"he.0.weight", "he.0.bias"} | {
        f"mif.{i}.{what}" for i in (0, 1) for what in ("weight", "bias")
    }
    assert is_frozen(net["he_head"])
    assert not is_frozen(net["he"])


def test_an_unknown_name_is_refused_with_the_closest() -> None:
    with pytest.raises(HaikuError, match=r"'hee_head', .* closest is 'he_head'"):
        freeze_all_but(network(), ("hee_head",))


def test_frozen_batch_norms_stay_as_they_are() -> None:
    net = network()
    freeze_all_but(net, ("mif", "he.0"))
    train_tuned(net)
    for name in ("he", "mif"):
        net[name](torch.randn(8, 3))
    assert torch.equal(net["he"][1].running_mean, torch.zeros(3))
    assert not torch.equal(net["mif"][1].running_mean, torch.zeros(3))


def test_the_longest_name_decides_the_rate() -> None:
    rates = {"he": 1.0, "he.head": 2.0}
    assert rate_of("he.head.weight", rates, 5.0) == 2.0
    assert rate_of("he.body.weight", rates, 5.0) == 1.0
    assert rate_of("he_head.weight", rates, 5.0) == 5.0
