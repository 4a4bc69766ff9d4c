"""Captions of length 1, and what is kept of how far they reach."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.model.compact.text_heads import TextHeads
from napari_haiku.model.compact.text_length import unit_captions

DIM = 6


def _rows(seed: int, longest: float) -> torch.Tensor:
    rows = torch.randn(9, DIM, generator=torch.Generator().manual_seed(seed))
    rows[:, -1] = 0
    return rows * (longest / rows.norm(dim=1).max())


@given(st.integers(0, 999), st.floats(0.01, 3.0), st.booleans())
def test_every_caption_is_of_length_1(seed: int, longest: float, filled: bool) -> None:
    vectors = unit_captions(_rows(seed, longest), filled=filled)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(9))


@given(st.integers(0, 999), st.floats(0.01, 0.999))
def test_filled_captions_score_images_by_what_the_head_says(seed: int, longest: float) -> None:
    rows = _rows(seed, longest)
    images = torch.nn.functional.pad(_rows(seed + 1, 1.0)[:, :-1], (0, 1))
    torch.testing.assert_close(unit_captions(rows, filled=True) @ images.T, rows @ images.T)


def test_a_caption_that_is_too_long_keeps_its_direction() -> None:
    rows = _rows(0, 5.0) * torch.linspace(0.01, 1, 9)[:, None]
    long = rows.norm(dim=1) > 1
    assert long.any()
    expected = unit_captions(rows, filled=False)
    torch.testing.assert_close(unit_captions(rows, filled=True)[long], expected[long])


def test_refitted_heads_are_filled_as_the_model_s_own() -> None:
    rng = np.random.default_rng(0)
    weight = (0.1 * rng.normal(size=(2, DIM, 4))).astype(np.float16)
    weight[:, -1] = 0
    heads = TextHeads(weight, np.zeros((2, DIM), np.float16), filled=True)
    features = rng.normal(size=(3, 4)).astype(np.float32)
    read = heads.read(features)
    assert (read[..., -1] > 0.5).all()
    said = np.einsum("nf,hdf->hnd", features, weight.astype(np.float32))
    np.testing.assert_allclose(read[..., :-1], said[..., :-1], atol=1e-6)
