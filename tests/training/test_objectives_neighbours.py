"""Graded targets from expression."""

from __future__ import annotations

import pytest
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives import ContrastiveBatch, build_objective


def _batch(expression: torch.Tensor, he: torch.Tensor, mif: torch.Tensor) -> ContrastiveBatch:
    return ContrastiveBatch({"he": he, "mif": mif}, expression=expression)


def _loss(batch: ContrastiveBatch, **options: object) -> float:
    return float(build_objective({"expression_neighbours": {"weight": 1.0, **options}})(batch).loss)


def test_far_apart_expression_is_plain_contrast() -> None:
    torch.manual_seed(0)
    he, mif = torch.randn(2, 6, 4)
    far = torch.arange(6.0)[:, None] * 100
    graded = _loss(_batch(far, he, mif), temperature=0.1)
    plain = build_objective({"pairwise_clip": {"temperature": 0.1}})(
        ContrastiveBatch({"he": he, "mif": mif})
    )
    assert graded == pytest.approx(float(plain.loss), rel=1e-5)


def test_patches_of_equal_expression_are_answers_of_each_other() -> None:
    he = torch.eye(4)
    swapped = he[[1, 0, 3, 2]]
    alike = torch.tensor([[0.0], [0.0], [9.0], [9.0]])
    assert _loss(_batch(alike, he, swapped)) == pytest.approx(_loss(_batch(alike, he, he)))
    apart = torch.tensor([[0.0], [3.0], [9.0], [12.0]])
    assert _loss(_batch(apart, he, swapped)) > _loss(_batch(apart, he, he)) + 1


def test_markers_not_measured_in_both_do_not_count() -> None:
    torch.manual_seed(0)
    he, mif = torch.randn(2, 3, 4)
    z = torch.tensor([[0.0, 5.0], [0.0, torch.nan], [1.0, 5.0]])
    same = torch.tensor([[0.0, 5.0], [0.0, 77.0], [1.0, 5.0]])
    masked = ContrastiveBatch(
        {"he": he, "mif": mif},
        expression=same,
        expression_mask=torch.tensor([[True, True], [True, False], [True, True]]),
    )
    assert _loss(_batch(z, he, mif)) == pytest.approx(_loss(masked))


def test_nothing_shared_leaves_each_patch_to_itself() -> None:
    torch.manual_seed(0)
    he = torch.randn(3, 4, requires_grad=True)
    z = torch.full((3, 2), torch.nan)
    out = build_objective({"expression_neighbours": 1.0})(_batch(z, he, torch.randn(3, 4)))
    out.loss.backward()
    assert torch.isfinite(out.loss)
    assert torch.isfinite(he.grad).all()


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(HaikuError, match="above 0"):
        build_objective({"expression_neighbours": {"weight": 1.0, "width": 0.0}})
