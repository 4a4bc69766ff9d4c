"""The pairwise objective against numbers of the published one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_haiku.training.objectives.pairwise import pairwise_clip

GOLDEN = Path(
    os.environ.get(
        "HAIKU_GOLDEN_OBJECTIVES", Path(__file__).resolve().parents[1] / "golden_objectives"
    )
)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "pairwise_clip.npz") as file:
        return {name: file[name] for name in file.files}


def test_loss_and_gradients_match_the_published_objective(golden: dict[str, np.ndarray]) -> None:
    vectors = {m: torch.tensor(golden[m], requires_grad=True) for m in ("mif", "text", "he")}
    loss, parts = pairwise_clip(vectors, torch.tensor(1 / 0.07, dtype=torch.float64))
    loss.backward()
    np.testing.assert_allclose(loss.item(), golden["loss"], rtol=1e-9)
    for pair in ("mif-text", "mif-he", "text-he"):
        np.testing.assert_allclose(
            parts[pair].item(), golden[f"loss_{pair.replace('-', '_')}"], rtol=1e-9
        )
    for name, rows in vectors.items():
        assert rows.grad is not None
        np.testing.assert_allclose(rows.grad.numpy(), golden[f"grad_{name}"], rtol=1e-7, atol=1e-12)


def test_length_of_the_rows_does_not_matter() -> None:
    a, b = torch.randn(5, 4), torch.randn(5, 4)
    scale = torch.tensor(10.0)
    one, _ = pairwise_clip({"he": a, "mif": b}, scale)
    two, _ = pairwise_clip({"he": 3 * a, "mif": 0.1 * b}, scale)
    torch.testing.assert_close(one, two)


def test_order_of_the_rows_does_not_matter() -> None:
    a, b = torch.randn(6, 4), torch.randn(6, 4)
    order = torch.randperm(6)
    scale = torch.tensor(10.0)
    one, _ = pairwise_clip({"he": a, "mif": b}, scale)
    two, _ = pairwise_clip({"he": a[order], "mif": b[order]}, scale)
    torch.testing.assert_close(one, two)


def test_matching_rows_are_rewarded() -> None:
    rows = torch.eye(4)
    scale = torch.tensor(20.0)
    right, _ = pairwise_clip({"he": rows, "mif": rows}, scale)
    wrong, _ = pairwise_clip({"he": rows, "mif": rows.roll(1, 0)}, scale)
    assert right < 0.01
    assert wrong > 5


@pytest.mark.parametrize(
    "vectors",
    [
        {"he": torch.ones(3, 2)},
        {"he": torch.ones(1, 2), "mif": torch.ones(1, 2)},
        {"he": torch.ones(3, 2), "mif": torch.ones(2, 2)},
    ],
)
def test_too_little_to_compare_is_refused(vectors: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="two"):
        pairwise_clip(vectors, torch.tensor(10.0))
