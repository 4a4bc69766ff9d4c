"""Retrieval figures on patients kept out."""

from __future__ import annotations

import numpy as np
import torch

from napari_haiku.model.compact.caption_reader import CaptionReader, learn_features
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.model.compact.network import CompactNetwork
from napari_haiku.training.tissue_cache import CachedSlide
from napari_haiku.training.validation import validate


def _slide(i: int) -> CachedSlide:
    rng = np.random.default_rng(i)
    table = np.zeros((31, 31), np.float32)
    table[1:, 1:] = np.ones((30, 30)).cumsum(0).cumsum(1)
    return CachedSlide(
        f"s{i}",
        f"p{i}",
        {"stage": f"{i}"},
        ("DAPI",),
        rng.integers(0, 255, (120, 120, 3), dtype=np.uint8),
        rng.random((1, 3, 30, 30)).astype(np.float16),
        table,
    )


def _network() -> tuple[CompactNetwork, CaptionReader]:
    torch.manual_seed(0)
    features = learn_features([f"stage: {i}" for i in range(3)] * 2)
    sizes = CompactConfig("t", ("DAPI",), features, patch_px=32, cell_px=4, he_width=4, dim=8)
    network = CompactNetwork(sizes)
    torch.nn.init.normal_(network.text.head.weight)
    return network, CaptionReader(features)


def test_every_direction_is_ranked() -> None:
    network, reader = _network()
    figures = validate(network, reader, [_slide(i) for i in range(3)])
    assert figures["patches"] == 27
    assert {key.split()[0] for key in figures if "->" in key} == {
        f"{a}->{b}" for a in ("he", "mif", "text") for b in ("he", "mif", "text") if a != b
    }
    for key, value in figures.items():
        assert value >= 0
        if key.endswith("R@50"):
            assert value == 1, "27 patches cannot rank beyond 50"


def test_captions_stand_in_the_gallery_once_a_patient() -> None:
    network, reader = _network()
    figures = validate(network, reader, [_slide(i) for i in range(3)])
    assert figures["he->text R@10"] == 1, "three captions cannot rank beyond 10"


def test_the_network_is_left_in_training() -> None:
    network, reader = _network()
    validate(network, reader, [_slide(0)])
    assert network.training


def test_slides_without_tissue_are_passed_over() -> None:
    network, reader = _network()
    empty = _slide(1)
    empty.tissue[:] = 0
    assert validate(network, reader, [_slide(0), empty])["patches"] == 9


def test_without_a_reader_captions_are_left_out() -> None:
    network, _ = _network()
    assert not [key for key in validate(network, None, [_slide(0)]) if "text" in key]
