"""What must hold for any panel, order and batch."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from golden_set import OWN, published
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.model.published import Haiku
from napari_haiku.model.published.precision import choose_precision

MARKERS = ["CD8", "CD20", "Ki67", "DAPI", "HistoneH3p", "CollagenIV", "Mystery", "Another.One"]
PIXEL = 0.3775
# Patches of 64 pixels keep these tests quick; nothing here depends on their size.
SIDE = 64
# The documented bound: largest difference of a unit vector's entry between bf16 and fp32.
BF16_BOUND = 0.02

panels = st.lists(
    st.lists(st.sampled_from(MARKERS), min_size=1, max_size=6), min_size=1, max_size=4
)
few = settings(max_examples=8, deadline=None)


@cache
def reference() -> Haiku:
    config, state = published(OWN)
    return Haiku.from_published(config | {"patch_px": SIDE}, state, device="cpu", precision="fp32")


def random_mif(channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (channels, SIDE, SIDE), dtype=np.uint8)


def he_patches(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)


@few
@given(panels)
def test_mixed_panels_equal_one_by_one(given_panels: list[list[str]]) -> None:
    model = reference()
    patches = [random_mif(len(panel), seed) for seed, panel in enumerate(given_panels)]
    together = model.encode_mif_panels(patches, given_panels, PIXEL)
    alone = [
        model.encode_mif(patch[None], panel, PIXEL)[0]
        for patch, panel in zip(patches, given_panels, strict=True)
    ]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)


@few
@given(st.permutations(range(len(MARKERS))))
def test_order_of_channels_does_not_matter(order: list[int]) -> None:
    patch = random_mif(len(MARKERS))
    straight = reference().encode_mif(patch[None], MARKERS, PIXEL)
    shuffled = reference().encode_mif(patch[order][None], [MARKERS[i] for i in order], PIXEL)
    np.testing.assert_allclose(shuffled, straight, atol=1e-5)


def test_order_of_names_alone_does_matter() -> None:
    patch = random_mif(2)[None]
    one = reference().encode_mif(patch, ["CD8", "DAPI"], PIXEL)
    assert np.abs(one - reference().encode_mif(patch, ["DAPI", "CD8"], PIXEL)).max() > 1e-4


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batch_size_and_duplicates_change_nothing(batch_size: int) -> None:
    model = reference()
    he = he_patches(4)
    he[3] = he[0]
    mif = np.stack([random_mif(3, seed) for seed in (0, 1, 2, 0)])
    texts = ["lung tissue", "a", "stage: b and a longer text", "lung tissue"]
    whole = model.encode_he(he, PIXEL), model.encode_mif(mif, MARKERS[:3], PIXEL)
    parts = (
        model.encode_he(he, PIXEL, batch_size=batch_size),
        model.encode_mif(mif, MARKERS[:3], PIXEL, batch_size=batch_size),
    )
    for once, again in zip(whole, parts, strict=True):
        np.testing.assert_allclose(again, once, atol=1e-6)
        np.testing.assert_allclose(once[3], once[0], atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1, atol=1e-6)
    assert model.tokenizer is None
    with pytest.raises(HaikuError, match="without a tokenizer"):
        model.encode_text(texts)


def test_unknown_markers_are_reported_and_leave_no_trace() -> None:
    model = reference()
    before = {name: value.clone() for name, value in model.towers.state_dict().items()}
    model.encode_mif(random_mif(2)[None], ["Mystery", "Another.One"], PIXEL)
    assert model.unknown_markers(["CD8", "Mystery", "Hoechst", "Another.One"]) == (
        "Mystery",
        "Another.One",
    )
    after = model.towers.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_unknown_markers_are_all_alike() -> None:
    patch = random_mif(1)[None]
    first = reference().encode_mif(patch, ["Mystery"], PIXEL)
    np.testing.assert_array_equal(first, reference().encode_mif(patch, ["Another.One"], PIXEL))
    assert np.abs(first - reference().encode_mif(patch, ["CD8"], PIXEL)).max() > 1e-5


def test_spellings_of_a_marker_are_one_marker() -> None:
    patch = random_mif(1)[None]
    straight = reference().encode_mif(patch, ["DAPI"], PIXEL)
    np.testing.assert_array_equal(straight, reference().encode_mif(patch, ["Hoechst"], PIXEL))


def test_bf16_stays_within_the_documented_bound() -> None:
    fp32 = reference()
    bf16 = Haiku(
        fp32.towers,
        fp32.config,
        None,
        fp32.card,
        fp32.device,
        choose_precision("bf16", "cpu"),
        fp32.fingerprint,
        fp32.name,
    )
    he, mif = he_patches(3), np.stack([random_mif(4, seed) for seed in range(3)])
    for once, again in (
        (fp32.encode_he(he, PIXEL), bf16.encode_he(he, PIXEL)),
        (fp32.encode_mif(mif, MARKERS[:4], PIXEL), bf16.encode_mif(mif, MARKERS[:4], PIXEL)),
    ):
        assert again.dtype == np.float32
        difference = np.abs(once - again).max()
        assert 0 < difference < BF16_BOUND
        assert (once * again).sum(1).min() > 0.995


def test_precision_is_chosen_and_said() -> None:
    assert choose_precision("bf16", "cpu").why == "chosen by you"
    with pytest.raises(HaikuError, match="Precision 'fp8' is unknown"):
        choose_precision("fp8", "cpu")


def test_model_keeps_no_gradients_and_stays_in_eval_mode() -> None:
    model = reference()
    assert not any(p.requires_grad for p in model.towers.parameters())
    assert not model.towers.training
    # One patch through batch norm works in eval mode alone.
    assert model.encode_he(he_patches(1), PIXEL).shape == (1, model.dim)


def test_training_mode_left_on_by_somebody_is_ended() -> None:
    model = reference()
    he, mif = he_patches(2), random_mif(2)[None]
    before = model.encode_he(he, PIXEL), model.encode_mif(mif, ["CD8", "DAPI"], PIXEL)
    statistics = model.towers.he_head[3].running_mean.clone()
    model.towers.he_head.train()
    np.testing.assert_array_equal(model.encode_he(he, PIXEL), before[0])
    model.towers.train()
    np.testing.assert_array_equal(model.encode_mif(mif, ["CD8", "DAPI"], PIXEL), before[1])
    torch.testing.assert_close(model.towers.he_head[3].running_mean, statistics)


def test_panels_need_a_pixel_size_and_a_scaling_each() -> None:
    patch = [np.ones((1, SIDE, SIDE))]
    with pytest.raises(HaikuError, match="pixel size must be"):
        reference().encode_mif_panels(patch, [["CD8"]], 0.0)
    with pytest.raises(HaikuError, match="1 lists of markers and 0 scalings"):
        reference().encode_mif_panels(patch, [["CD8"]], PIXEL, scalings=[])


def test_marker_table_is_projected_once_and_follows_its_weights() -> None:
    table = reference().towers.mif.markers
    with torch.no_grad():
        first = table.table()
        assert table.table() is first
        table.proj.bias.add_(1)
        changed = table.table()
        torch.testing.assert_close(changed, first + 1)
        table.proj.bias.sub_(1)


@pytest.mark.parametrize(
    ("patches", "panels_", "reason"),
    [
        ([np.zeros((2, SIDE, SIDE))], [["CD8"]], "2 channels but 1 marker names"),
        ([np.zeros((0, SIDE, SIDE))], [[]], "0 channels but 0 marker names"),
        ([np.zeros((1, SIDE, SIDE), complex)], [["CD8"]], "not complex128"),
        ([np.full((1, SIDE, SIDE), "a")], [["CD8"]], "whole numbers or fractions"),
        ([np.zeros((3, SIDE, SIDE))], ["CD8"], "list of names"),
        ([np.zeros((1, SIDE, SIDE))], [[None]], "list of names"),
        ([np.zeros((SIDE, SIDE))], [["CD8"]], "channels, height, width"),
        ([np.ones((1, SIDE, SIDE))], [["CD8"], ["CD8"]], "1 patches and 2 lists"),
        ([np.ones((1, 40, 40))], [["CD8"]], "cover 15.1 um but the model reads 24.16 um"),
    ],
)
def test_wrong_mif_input_is_refused(
    patches: list[np.ndarray], panels_: list[list[str]], reason: str
) -> None:
    with pytest.raises(HaikuError, match=reason):
        reference().encode_mif_panels(patches, panels_, PIXEL)


def test_no_patches_give_no_vectors() -> None:
    assert reference().encode_mif_panels([], [], PIXEL).shape == (0, reference().dim)
    assert reference().encode_he(he_patches(0), PIXEL).shape == (0, reference().dim)
