"""The read-out of the record learns what H&E shows of it, and only from what is known."""

from __future__ import annotations

import math

import pytest
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives import ContrastiveBatch, build_objective
from napari_haiku.training.objectives.record import RecordReadOut


def _batch(vectors: torch.Tensor, truth: torch.Tensor) -> ContrastiveBatch:
    return ContrastiveBatch({"he": vectors}, record=truth)


def test_read_out_learns_the_record() -> None:
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(200, 8))
    truth = vectors @ torch.randn(8, 3)
    objective = build_objective({"record": 1.0}, dim=8, levels=3)
    optimiser = torch.optim.Adam(objective.parameters(), 0.05)
    first = objective(_batch(vectors, truth)).loss.item()
    assert first == pytest.approx(float(truth.square().mean()), rel=1e-5)
    for _ in range(300):
        optimiser.zero_grad()
        loss = objective(_batch(vectors, truth)).loss
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01 * first


def test_what_is_not_known_does_not_matter_and_columns_count_alike() -> None:
    torch.manual_seed(1)
    vectors, truth = torch.randn(6, 4), torch.randn(6, 3)
    truth[1:, 0] = math.nan
    truth[:2, 1] = math.nan
    truth[:, 2] = math.nan
    objective = build_objective({"record": 1.0}, dim=4, levels=3)
    vectors.requires_grad_()
    out = objective(_batch(vectors, truth))
    wanted = (truth[0, 0].square() + truth[2:, 1].square().mean()) / 2
    assert out.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    out.loss.backward()
    assert objective.terms["record"].read_out.weight.grad[2].eq(0).all()


def test_a_patch_without_he_teaches_nothing() -> None:
    objective = build_objective({"record": 1.0}, dim=4, levels=2)
    absent = ContrastiveBatch(
        {"he": torch.randn(3, 4)},
        present={"he": torch.tensor([False, False, False])},
        record=torch.randn(3, 2),
    )
    nothing = _batch(torch.randn(3, 4), torch.full((3, 2), math.nan))
    mif = ContrastiveBatch({"mif": torch.randn(3, 4)}, record=torch.randn(3, 2))
    for given in (absent, nothing, mif):
        out = objective(given)
        assert out.loss.item() == 0
        assert "record" not in out.parts


def test_patches_of_one_patient_are_one_answer() -> None:
    torch.manual_seed(2)
    vectors, truth = torch.randn(6, 4), torch.randn(6, 2)
    patient = torch.tensor([5, 5, 5, 5, 2, -1])
    truth[:4] = truth[0]
    objective = build_objective({"record": 1.0}, dim=4, levels=2)
    torch.nn.init.normal_(objective.terms["record"].read_out.weight)
    given = ContrastiveBatch({"he": vectors}, record=truth, group={"patient": patient})
    unit = torch.nn.functional.normalize(vectors) * 2
    guess = objective.terms["record"].read_out(unit)
    told = torch.stack([guess[:4].mean(0), guess[4], guess[5]])
    error = (told - truth[[0, 4, 5]]).square().mean()
    assert objective(given).loss.item() == pytest.approx(error.item() * 3 / 6, rel=1e-5)


@pytest.mark.parametrize(("dim", "levels"), [(0, 3), (3, 0)])
def test_sizes_must_be_told(dim: int, levels: int) -> None:
    with pytest.raises(HaikuError, match="number of"):
        RecordReadOut(dim, levels)
