"""What all objectives share: rows, masks, temperature, weights, refusals."""

from __future__ import annotations

import math

import pytest
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives import ContrastiveBatch, Temperature, build_objective


def rows(n: int, d: int = 6, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=dtype)


def trio(n: int = 7) -> dict[str, torch.Tensor]:
    return {"he": rows(n, seed=1), "mif": rows(n, seed=2), "text": rows(n, seed=3)}


def test_weights_scale_the_terms() -> None:
    batch = ContrastiveBatch(trio())
    one = build_objective({"pairwise_clip": 1.0})(batch)
    three = build_objective({"pairwise_clip": {"weight": 3.0}})(batch)
    torch.testing.assert_close(three.loss, 3 * one.loss)
    assert set(one.parts) >= {"pairwise_clip he-mif", "pairwise_clip he-text"}


def test_a_missing_row_counts_as_left_out_whatever_it_holds() -> None:
    vectors = trio()
    there = torch.ones(7, dtype=torch.bool)
    there[2] = False
    spoilt = {**vectors, "mif": vectors["mif"].clone()}
    spoilt["mif"][2] = math.nan
    objective = build_objective({"pairwise_clip": 1.0})
    masked = objective(ContrastiveBatch(spoilt, present={"mif": there})).parts
    kept = {name: value[there] for name, value in vectors.items()}
    short = objective(ContrastiveBatch(kept)).parts
    full = objective(ContrastiveBatch(vectors)).parts
    torch.testing.assert_close(masked["pairwise_clip he-mif"], short["pairwise_clip he-mif"])
    torch.testing.assert_close(masked["pairwise_clip he-text"], full["pairwise_clip he-text"])


def test_gradients_of_missing_rows_are_zero_and_finite() -> None:
    vectors = {name: value.requires_grad_() for name, value in trio().items()}
    there = torch.ones(7, dtype=torch.bool)
    there[4] = False
    build_objective({"pairwise_clip": 1.0})(
        ContrastiveBatch(vectors, present={"text": there})
    ).loss.backward()
    assert vectors["text"].grad is not None
    assert not vectors["text"].grad[4].any()
    assert all(torch.isfinite(v.grad).all() for v in vectors.values() if v.grad is not None)


def test_a_batch_too_small_to_compare_has_no_loss_but_a_graph() -> None:
    vectors = {name: value[:1].requires_grad_() for name, value in trio().items()}
    out = build_objective({"pairwise_clip": 1.0})(ContrastiveBatch(vectors))
    assert out.loss.item() == 0
    assert out.diagnostics["pairwise_clip skipped"] == 1
    out.loss.backward()


def test_half_precision_is_raised_under_autocast() -> None:
    vectors = {name: value.bfloat16() for name, value in trio().items()}
    objective = build_objective({"pairwise_clip": 1.0})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(ContrastiveBatch(vectors)).loss
    assert loss.dtype == torch.float32
    plain = objective(ContrastiveBatch({k: v.float() for k, v in vectors.items()})).loss
    torch.testing.assert_close(loss, plain)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("group", ["patient", "region"])
def test_weight_of_negatives_of_one_group(weight: float, group: str) -> None:
    vectors = {name: trio()[name] for name in ("he", "mif")}
    groups = torch.tensor([0, 0, 1, 1, 2, -1, -1])
    objective = build_objective({"pairwise_clip": {f"{group}_weight": weight}})
    loss = objective(ContrastiveBatch(vectors, group={group: groups})).loss
    unit = {k: torch.nn.functional.normalize(v, dim=1) for k, v in vectors.items()}
    similarity = (unit["he"] @ unit["mif"].T / 0.07).exp()
    same = (groups[:, None] == groups[None]) & (groups >= 0) & ~torch.eye(7, dtype=torch.bool)
    weights = torch.where(same, weight, 1.0)
    expected = [
        -(s.diagonal() / (weights * s).sum(1)).log().mean() for s in (similarity, similarity.T)
    ]
    torch.testing.assert_close(loss, (expected[0] + expected[1]) / 2)


def test_captions_of_one_patch_are_no_negatives_of_each_other() -> None:
    vectors = {name: trio()[name] for name in ("he", "text")}
    patch = torch.tensor([0, 0, 0, 1, 1, 2, 3])
    objective = build_objective({"pairwise_clip": 1.0})
    near = {"he": vectors["he"], "text": vectors["text"].clone()}
    near["text"][1] = vectors["he"][0]  # a sibling that beats the row's own caption
    with_siblings = objective(ContrastiveBatch(near, group={"patch": patch})).loss
    without = objective(ContrastiveBatch(near)).loss
    assert with_siblings < without


def test_queue_adds_negatives_but_no_positives() -> None:
    vectors = trio()
    queue = {"mif": rows(5, seed=9).requires_grad_()}
    objective = build_objective({"pairwise_clip": 1.0})
    plain = objective(ContrastiveBatch(vectors)).parts
    queued = objective(ContrastiveBatch(vectors, queue=queue)).parts
    assert queued["pairwise_clip he-mif"] > plain["pairwise_clip he-mif"]
    torch.testing.assert_close(queued["pairwise_clip he-text"], plain["pairwise_clip he-text"])
    same = ContrastiveBatch(
        vectors,
        queue=queue,
        group={"patient": torch.zeros(7, dtype=torch.long)},
        queue_group={"patient": torch.zeros(5, dtype=torch.long)},
    )
    masked = build_objective({"pairwise_clip": {"patient_weight": 0.0}})(same).loss
    assert masked.item() == pytest.approx(0.0, abs=1e-9)  # every negative is the own patient's


def test_temperature_comes_back_from_beyond_its_limits() -> None:
    temperature = Temperature(0.07, learnable=True, lowest=0.01, highest=0.5)
    assert temperature.log_scale is not None
    temperature.log_scale.data.fill_(50.0)
    scale = temperature()
    assert isinstance(scale, torch.Tensor)
    assert scale.item() == pytest.approx(100, rel=1e-5)
    scale.backward()
    assert temperature.log_scale.grad is not None
    assert temperature.log_scale.grad.item() > 0


def test_label_smoothing_of_masked_columns_stays_finite() -> None:
    groups = {"patient": torch.tensor([0, 0, 1, 1, 2, 2, 3])}
    options = {"label_smoothing": 0.1, "patient_weight": 0.0}
    loss = build_objective({"pairwise_clip": options})(ContrastiveBatch(trio(), group=groups)).loss
    assert torch.isfinite(loss)


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ({}, "No objective"),
        ({"pairwise_klip": 1.0}, "pairwise_clip"),
        ({"pairwise_clip": 0.0}, "above 0"),
        ({"pairwise_clip": math.nan}, "above 0"),
        ({"pairwise_clip": True}, "above 0"),
        ({"pairwise_clip": {"topologie": "star"}}, "topology"),
        ({"pairwise_clip": {"topology": "ring"}}, "star"),
        ({"pairwise_clip": {"temperature": 7.0}}, "temperature"),
        ({"pairwise_clip": {"patient_weight": -1.0}}, "patient_weight"),
        ({"pairwise_clip": {"duplicates": "drop"}}, "share"),
        ({"pairwise_clip": {"label_smoothing": 1.0}}, "label_smoothing"),
        ({"pairwise_clip": {"temperature": "warm"}}, "pairwise_clip"),
        ({"expression": 1.0}, "number of markers"),
    ],
)
def test_refusals(recipe: dict[str, object], says: str) -> None:
    with pytest.raises(HaikuError, match=says):
        build_objective(recipe)  # type: ignore[arg-type]


def test_what_a_batch_lacks_is_named() -> None:
    objective = build_objective({"expression": 1.0}, dim=6, markers=3)
    assert objective.everything_needed == {"expression"}
    with pytest.raises(HaikuError, match="marker means"):
        objective(ContrastiveBatch(trio()))
