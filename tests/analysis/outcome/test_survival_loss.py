import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.analysis.outcome.survival import RiskSets
from napari_haiku.analysis.outcome.survival_loss import CoxLoss
from napari_haiku.analysis.outcome.survival_times import SurvivalTimes


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 25))
def test_loss_is_efrons_likelihood(seed, n):
    rng = np.random.default_rng(seed)
    times = SurvivalTimes.from_arrays(rng.integers(1, 6, n), np.r_[True, rng.random(n - 1) < 0.6])
    eta = rng.normal(scale=3, size=n)
    loss = CoxLoss(times)(torch.from_numpy(eta))
    expected = -RiskSets(times).log_likelihood(eta) / times.n_events
    assert float(loss) == pytest.approx(expected, abs=1e-9)


def test_gradient_is_that_of_differences():
    rng = np.random.default_rng(1)
    times = SurvivalTimes.from_arrays(rng.integers(1, 5, 12), rng.random(12) < 0.7)
    eta = torch.from_numpy(rng.normal(size=12)).requires_grad_()
    assert torch.autograd.gradcheck(CoxLoss(times), (eta,))


def test_large_hazards_stay_finite():
    times = SurvivalTimes.from_arrays([1, 1, 2, 3], [1, 1, 1, 0])
    eta = torch.tensor([80.0, -80.0, 0.0, 60.0], requires_grad=True)
    loss = CoxLoss(times)(eta)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(eta.grad).all()


def test_ranking_right_costs_less():
    times = SurvivalTimes.from_arrays([1, 2, 3, 4], [1, 1, 1, 1])
    loss = CoxLoss(times)
    right = loss(torch.tensor([3.0, 2.0, 1.0, 0.0]))
    assert right < loss(torch.zeros(4)) < loss(torch.tensor([0.0, 1.0, 2.0, 3.0]))
