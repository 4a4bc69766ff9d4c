"""Retrieval figures on patients kept out."""

from __future__ import annotations

import numpy as np
import torch

from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.model.compact.network import CompactNetwork
from napari_haiku.model.compact.words import learn_words
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


def _network() -> tuple[CompactNetwork, object]:
    torch.manual_seed(0)
    words = learn_words(["stage: 1"] * 2)
    sizes = CompactConfig("t", ("DAPI",), words.get_vocab_size(), patch_px=32, he_width=4, dim=8)
    return CompactNetwork(sizes), words


def test_every_direction_is_ranked() -> None:
    network, words = _network()
    figures = validate(network, words, [_slide(i) for i in range(3)])
    assert figures["patches"] == 27
    assert {key.split()[0] for key in figures if "->" in key} == {
        f"{a}->{b}" for a in ("he", "mif", "text") for b in ("he", "mif", "text") if a != b
    }
    for key, value in figures.items():
        assert value >= 0
        if key.endswith("R@50"):
            assert value == 1, "27 patches cannot rank beyond 50"


def test_captions_stand_in_the_gallery_once_a_patient() -> None:
    network, words = _network()
    figures = validate(network, words, [_slide(i) for i in range(3)])
    assert figures["he->text R@10"] == 1, "three captions cannot rank beyond 10"


def test_the_network_is_left_in_training() -> None:
    network, words = _network()
    validate(network, words, [_slide(0)])
    assert network.training


def test_slides_without_tissue_are_passed_over() -> None:
    network, words = _network()
    empty = _slide(1)
    empty.tissue[:] = 0
    assert validate(network, words, [_slide(0), empty])["patches"] == 9
