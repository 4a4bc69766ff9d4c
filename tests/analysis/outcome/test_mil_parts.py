import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.analysis.outcome.mil_bags import Bags
from napari_haiku.analysis.outcome.mil_pooling import (
    MeanPooling,
    PrototypePooling,
    SpreadPooling,
    Standardised,
    learn_prototypes,
)
from napari_haiku.analysis.outcome.mil_targets import (
    ClassTarget,
    SurvivalTarget,
    auroc,
    patient_folds,
)
from napari_haiku.analysis.outcome.survival_times import SurvivalTimes
from napari_haiku.errors import HaikuError


def bags(seed: int = 0, n: int = 9, dim: int = 3) -> Bags:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, n)
    return Bags(rng.normal(size=(sizes.sum(), dim)).astype(np.float32), sizes)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_gathering_keeps_every_patch_with_its_patient(seed):
    rng = np.random.default_rng(seed)
    patient = np.r_[np.arange(4), rng.integers(-1, 4, 20)]
    vectors = np.column_stack([patient, rng.normal(size=24)])
    found = Bags.gather(vectors, patient, 4)
    assert (found.vectors[:, 0] == found.bag).all()
    assert len(found.vectors) == (patient >= 0).sum()
    part = found.of(np.array([2, 0]))
    assert set(part.vectors[: part.sizes[0], 0]) == {2}
    assert part.sizes.tolist() == found.sizes[[2, 0]].tolist()


def test_padding_and_thinning():
    some = bags()
    block, filled = some.padded()
    np.testing.assert_array_equal(block[filled], some.vectors)
    assert (block[~filled] == 0).all()
    thin = some.thinned(2, seed=1)
    assert thin.sizes.max() == 2
    assert {tuple(row) for row in thin.vectors} <= {tuple(row) for row in some.vectors}
    assert some.thinned(99) is some


def test_bad_bags_are_refused():
    with pytest.raises(HaikuError, match="1 bags hold no patch"):
        Bags(np.zeros((2, 3), np.float32), np.array([2, 0]))
    with pytest.raises(HaikuError, match="hold 3 patches, but there are 2 vectors"):
        Bags(np.zeros((2, 3), np.float32), np.array([2, 1]))
    with pytest.raises(HaikuError, match="not finite"):
        Bags(np.full((2, 3), np.nan, np.float32), np.array([1, 1]))


@pytest.mark.parametrize("seed", range(3))
def test_pooling_ignores_the_order_of_patches(seed):
    some = bags(seed)
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [start + rng.permutation(n) for start, n in zip(some.starts, some.sizes, strict=True)]
    )
    shuffled = Bags(some.vectors[order], some.sizes)
    for pooling in (MeanPooling(), SpreadPooling(), learn_prototypes(some, 3, seed)):
        np.testing.assert_allclose(pooling(some), pooling(shuffled), atol=1e-6)


def test_pooled_values():
    some = Bags(np.array([[0, 2], [2, 4], [5, 5]], np.float32), np.array([2, 1]))
    np.testing.assert_allclose(MeanPooling()(some), [[1, 3], [5, 5]])
    np.testing.assert_allclose(SpreadPooling()(some)[:, 2:], [[1, 1], [0, 0]])
    pooling = PrototypePooling(np.array([[0, 2], [5, 5]], np.float32))
    assert pooling.nearest(some).tolist() == [0, 0, 1]
    rows = pooling(some)
    np.testing.assert_allclose(np.exp(rows[:, 2:4]), [[2.5 / 3, 0.5 / 3], [0.25, 0.75]])
    np.testing.assert_allclose(rows[0, 4:], [2 / 6, 2 / 6, 0, 0], atol=1e-6)


def test_the_turn_keeps_distances_and_new_rows_fit():
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=(12, 40)), np.ones(12)])
    scaling = Standardised.learn(rows)
    turned = scaling(rows)
    assert turned.shape[1] < 12
    scaled = (rows[:, :40] - rows[:, :40].mean(0)) / rows[:, :40].std(0)
    np.testing.assert_allclose(turned @ turned.T, scaled @ scaled.T, atol=1e-8)
    assert np.isfinite(scaling(rng.normal(size=(3, 41)))).all()


def test_auroc_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    positive, score = rng.random(50) < 0.3, rng.integers(0, 5, 50)
    assert auroc(positive, score) == pytest.approx(roc_auc_score(positive, score))
    assert np.isnan(auroc(np.ones(3, bool), np.arange(3)))


def test_linear_classes_agree_with_weighted_ridge():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(1)
    rows = rng.normal(size=(30, 4))
    labels = np.r_[0, 1, 2, (rng.random(27) < 0.2).astype(int)]
    target = ClassTarget(labels, 3)
    weight = (1 / np.bincount(labels))[labels] / 3
    there = np.eye(3)[labels]
    there = there - np.average(there, axis=0, weights=weight)
    peer = Ridge(alpha=30 * 0.5, fit_intercept=False).fit(rows, there, weight * 30)
    np.testing.assert_allclose(target.linear(rows, [0.5])[0], peer.coef_.T, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(20, 90))
def test_folds_are_balanced(seed, n):
    rng = np.random.default_rng(seed)
    target = ClassTarget((rng.random(n) < 0.3).astype(np.int64), 2)
    folds = patient_folds(target, 5, seed)
    assert np.ptp(np.bincount(folds, minlength=5)) <= 1
    positive = np.bincount(folds[target.labels == 1], minlength=5)
    assert np.ptp(positive) <= 1
    np.testing.assert_array_equal(folds, patient_folds(target, 5, seed))


def test_survival_folds_hold_deaths_alike():
    rng = np.random.default_rng(0)
    times = SurvivalTimes.from_arrays(rng.exponential(size=100), rng.random(100) < 0.3)
    folds = patient_folds(SurvivalTarget(times), 5, 0)
    assert np.ptp(np.bincount(folds[times.event], minlength=5)) <= 2
