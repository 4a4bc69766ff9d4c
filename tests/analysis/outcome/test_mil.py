import numpy as np
import pytest
import torch

from napari_haiku.analysis.outcome.mil import (
    METHODS,
    SETTINGS,
    AttentionMIL,
    PooledRidge,
    average,
    tune,
)
from napari_haiku.analysis.outcome.mil_bags import Bags
from napari_haiku.analysis.outcome.mil_network import AttentionNetwork, AttentionSettings
from napari_haiku.analysis.outcome.mil_targets import ClassTarget, SurvivalTarget
from napari_haiku.analysis.outcome.survival_times import SurvivalTimes
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


def cohort(n: int = 80, seed: int = 0) -> tuple[Bags, SurvivalTarget, ClassTarget]:
    """Draw bags in which the tumour patches of some patients look different."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(4, 9, n)
    latent = rng.normal(size=n)
    rows = rng.normal(size=(sizes.sum(), 6)).astype(np.float32)
    bag = np.repeat(np.arange(n), sizes)
    tumour = rng.random(len(rows)) < 0.5
    rows[tumour, 0] += 4
    rows[tumour, 1] += 1.5 * latent[bag[tumour]]
    death = rng.exponential(1 / np.exp(1.5 * latent))
    last = rng.uniform(0.5, 4, n)
    times = SurvivalTimes.from_arrays(np.ceil(10 * np.minimum(death, last)), death <= last)
    return Bags(rows, sizes), SurvivalTarget(times), ClassTarget((latent > 0).astype(int), 2)


FEW_EPOCHS = AttentionMIL(lengths=(20, 40))


@pytest.mark.parametrize("method", [*METHODS[:3], FEW_EPOCHS], ids=lambda method: method.name)
def test_every_method_finds_what_is_there(method):
    bags, survival, _ = cohort()
    head = run_job(tune(method, bags, survival))
    unseen, outcome, _ = cohort(seed=1)
    # Chance is 0.5; the true latent itself reaches 0.76 here.
    assert outcome.quality(head.head.scores(unseen)) > 0.62
    assert 0.6 < head.quality < 1


def test_every_method_has_as_many_settings():
    assert {len(method.settings) for method in METHODS} == {SETTINGS}


def test_nothing_is_found_where_nothing_is():
    bags, survival, _ = cohort(120)
    rng = np.random.default_rng(3)
    noise = Bags(rng.normal(size=bags.vectors.shape).astype(np.float32), bags.sizes)
    head = run_job(tune(PooledRidge("mean"), noise, survival))
    unseen, outcome, _ = cohort(120, seed=1)
    random = Bags(rng.normal(size=unseen.vectors.shape).astype(np.float32), unseen.sizes)
    assert 0.35 < outcome.quality(head.head.scores(random)) < 0.65


@pytest.mark.parametrize("method", [PooledRidge("mean"), FEW_EPOCHS], ids=lambda m: m.name)
def test_classes_are_told_apart(method):
    bags, _, classes = cohort()
    head = method.fit(bags, classes, 3, 0)
    unseen, _, truth = cohort(seed=2)
    scores = head.scores(unseen)
    assert scores.shape == (len(unseen), 2)
    assert truth.quality(scores) > 0.75


def test_same_seed_same_head_and_no_trace_in_the_global_generator():
    bags, survival, _ = cohort(40)
    before = torch.random.get_rng_state()
    first, second = (FEW_EPOCHS.fit(bags, survival, 0, 7) for _ in range(2))
    np.testing.assert_array_equal(first.scores(bags), second.scores(bags))
    assert torch.equal(before, torch.random.get_rng_state())
    other = FEW_EPOCHS.fit(bags, survival, 0, 8)
    assert not np.array_equal(first.scores(bags), other.scores(bags))


def test_padding_changes_nothing():
    torch.manual_seed(0)
    network = AttentionNetwork(5, 1, AttentionSettings()).eval()
    patches = torch.randn(2, 4, 5)
    filled = torch.tensor([[True] * 4, [True, True, False, False]])
    longer = torch.cat([patches, torch.full((2, 3, 5), 1e3)], dim=1)
    more = torch.cat([filled, torch.zeros(2, 3, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(network(patches, filled), network(longer, more))
    turned = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        network(patches, filled), network(patches[:, turned], filled[:, turned])
    )


def test_held_out_scores_do_not_see_their_own_outcome():
    bags, survival, _ = cohort(60)
    rng = np.random.default_rng(0)
    shuffled = [SurvivalTarget(survival.times.of(rng.permutation(len(bags)))) for _ in range(4)]
    noise = Bags(rng.normal(size=(len(bags.vectors), 40)).astype(np.float32), bags.sizes)
    found = [run_job(tune(PooledRidge("mean"), noise, entry)).quality for entry in shuffled]
    # The best of eight settings is a little lucky, a leak would come near one.
    assert np.mean(found) < 0.65


def test_scores_are_on_the_scale_of_the_training_bags():
    bags, survival, _ = cohort(60)
    heads = [run_job(tune(PooledRidge(name, name), bags, survival)) for name in ("mean", "spread")]
    for head in heads:
        own = head.scores(bags)
        assert np.median(own) == pytest.approx(0, abs=1e-9)
        assert own.std() == pytest.approx(1)
    both = average([head.scores(bags) for head in heads])
    assert both.shape == (60, 1)


def test_too_few_patients_are_refused():
    bags, survival, _ = cohort(3)
    with pytest.raises(HaikuError, match="3 patients are too few"):
        run_job(tune(PooledRidge("mean"), bags, survival))
