"""What must hold for every objective, whatever its formula."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives import (
    OBJECTIVES,
    ContrastiveBatch,
    WeightedObjectives,
    build_objective,
)
from napari_haiku.training.objectives.adapter import FrozenProjectionAdapter
from napari_haiku.training.objectives.gram import squared_volumes
from napari_haiku.training.objectives.sepclr import check_site_balance

N, D, M = 6, 8, 3
# Draw at random while they are evaluated.
RANDOM = {"symile", "mixup_contrastive"}
# Which modality is which decides what is compared.
ORDERED = {"mixup_contrastive", "cwcl", "sepclr", "symile"}
# Compare dimensions, not rows, so that the length of a row matters.
NOT_UNIT = {"barlow"}


def made(name: str) -> WeightedObjectives:
    torch.manual_seed(3)
    objective = build_objective({name: 1.0}, dim=D, markers=M, maps=D, levels=M).double().eval()
    for parameter in objective.parameters():
        if parameter.ndim == 2:  # read-outs start at zero and would hide every mistake
            torch.nn.init.normal_(parameter, std=0.3)
    return objective


def batch(n: int = N) -> ContrastiveBatch:
    torch.manual_seed(11)

    def rows(*shape: int) -> Tensor:
        return torch.randn(n, *shape, dtype=torch.float64)

    emb = {name: rows(D) for name in ("he", "mif", "text")}
    return ContrastiveBatch(
        emb,
        group={"class": torch.arange(n) % 2, "text": torch.arange(n) // 2},
        captions=rows(2, D),
        perturbed=rows(D),
        tokens={name: rows(16, D) for name in ("he", "mif")},
        coords={
            name: torch.tensor([[0.0, 0.0, 8.0, 8.0]] * n, dtype=torch.float64)
            for name in ("he", "mif")
        },
        frozen={"he": rows(5)},
        teacher={name: rows(D) for name in emb},
        expression=rows(M),
        place_expression=rows(16, M),
        record=rows(M),
    )


def rearranged(b: ContrastiveBatch, order: Tensor) -> ContrastiveBatch:
    def pick(value: object) -> object:
        if isinstance(value, dict):
            return {name: item[order] for name, item in value.items()}
        return value[order] if isinstance(value, Tensor) else value

    return replace(b, **{name: pick(value) for name, value in vars(b).items()})


def in_precision(b: ContrastiveBatch, dtype: torch.dtype) -> ContrastiveBatch:
    def cast(value: object) -> object:
        if isinstance(value, dict):
            return {name: cast(item) for name, item in value.items()}
        return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value

    return replace(b, **{name: cast(value) for name, value in vars(b).items()})


def value(objective: WeightedObjectives, b: ContrastiveBatch) -> Tensor:
    torch.manual_seed(5)
    return objective(b).loss


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - RANDOM))
def test_order_of_the_rows_does_not_matter(name: str) -> None:
    objective, order = made(name), torch.randperm(N)
    torch.testing.assert_close(
        value(objective, rearranged(batch(), order)), value(objective, batch())
    )


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - ORDERED))
def test_order_of_the_modalities_does_not_matter(name: str) -> None:
    b = batch()
    turned = replace(b, emb=dict(reversed(b.emb.items())))
    torch.testing.assert_close(value(made(name), turned), value(made(name), b))


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - NOT_UNIT))
def test_length_of_the_rows_does_not_matter(name: str) -> None:
    b, objective = batch(), made(name)
    factor = torch.linspace(0.2, 5, N, dtype=torch.float64)[:, None]
    longer = replace(
        b,
        emb={m: v * factor for m, v in b.emb.items()},
        captions=b.captions * 3 if b.captions is not None else None,
        perturbed=b.perturbed * 0.2 if b.perturbed is not None else None,
        teacher={m: v * factor for m, v in b.teacher.items()},
    )
    # A mixture depends on the lengths of its two rows by definition.
    if name == "mixup_contrastive":
        longer = replace(b, emb={m: v * 3 for m, v in b.emb.items()})
    torch.testing.assert_close(value(objective, longer), value(objective, b))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_row_without_any_modality_counts_as_left_out(name: str) -> None:
    objective, b = made(name), batch(N + 1)
    keep = torch.arange(N + 1) != 2
    spoilt = {m: torch.where(keep[:, None], v, torch.nan) for m, v in b.emb.items()}
    marked = replace(b, emb=spoilt, present=dict.fromkeys(b.emb, keep))
    short = rearranged(b, keep.nonzero()[:, 0])
    torch.testing.assert_close(value(objective, marked), value(objective, short))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("modalities", [("he", "mif"), ("he", "mif", "text")])
def test_two_rows_are_enough_and_one_is_nothing(name: str, modalities: tuple[str, ...]) -> None:
    n = 4 if name == "sepclr" else 2  # two of each group
    b = batch(n)
    few = replace(b, emb={m: b.emb[m].requires_grad_() for m in modalities})
    out = made(name)(few)
    assert torch.isfinite(out.loss)
    out.loss.backward()
    one = rearranged(replace(few, emb={m: v.detach() for m, v in few.emb.items()}), torch.arange(1))
    # Some need no second row.
    if name not in {"expression", "place_expression", "record", "mmrlpp", "pixel_consistency"}:
        assert value(made(name), one).item() == 0


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("case", ["collinear", "antipodal", "duplicated", "all equal", "zero"])
def test_degenerate_rows_have_finite_gradients(name: str, dtype: torch.dtype, case: str) -> None:
    b = in_precision(batch(), dtype)
    emb = {m: v.clone() for m, v in b.emb.items()}
    if case == "collinear":
        emb["mif"], emb["text"] = 2 * emb["he"], 0.5 * emb["he"]
    elif case == "antipodal":
        emb["mif"] = -emb["he"]
    elif case == "duplicated":
        emb = {m: v[torch.arange(N) // 2] for m, v in emb.items()}
    elif case == "all equal":
        emb = {m: torch.ones_like(v) for m, v in emb.items()}
    else:
        emb["mif"][0] = 0
    leaves = {m: v.requires_grad_() for m, v in emb.items()}
    loss = made(name).to(dtype)(replace(b, emb=leaves)).loss
    assert torch.isfinite(loss)
    loss.backward()
    for m, leaf in leaves.items():
        assert leaf.grad is None or torch.isfinite(leaf.grad).all(), m


@pytest.mark.parametrize("temperature", [0.001, 0.5])
@pytest.mark.parametrize("name", ["mv_dhel", "mv_infonce", "pairwise_clip", "gram"])
def test_sharp_temperatures_do_not_overflow(name: str, temperature: float) -> None:
    cone = {m: v.float() * 0.01 + 1 for m, v in batch(64).emb.items()}
    objective = build_objective({name: {"temperature": temperature}})
    assert torch.isfinite(objective(ContrastiveBatch(cone)).loss)


def test_gram_volume_is_that_of_the_determinant() -> None:
    unit = {m: torch.nn.functional.normalize(v, dim=1) for m, v in batch().emb.items()}
    found = squared_volumes(unit["text"], [unit["he"], unit["mif"]])
    stacked = torch.stack([unit["text"], unit["he"], unit["mif"]], 1)
    expected = torch.linalg.det(stacked @ stacked.transpose(1, 2))
    torch.testing.assert_close(found.diagonal(), expected)


def test_symile_refuses_too_many_combinations() -> None:
    objective = build_objective({"symile": {"negatives": "n_squared"}})
    with pytest.raises(HaikuError, match="smaller"):
        objective(ContrastiveBatch({m: torch.randn(129, 4) for m in ("he", "mif", "text")}))


def test_groups_that_go_with_the_site_are_refused() -> None:
    assert check_site_balance([0, 1, 0, 1], ["a", "a", "b", "b"]) == 0
    with pytest.raises(HaikuError, match="sites"):
        check_site_balance([0, 0, 1, 1], ["a", "a", "b", "b"])


def test_adapter_starts_as_the_projection_and_leaves_it_alone() -> None:
    projection = torch.nn.Linear(6, 4)
    before = projection.weight.clone()
    adapter = FrozenProjectionAdapter(projection, rank=2)
    features = torch.randn(5, 6)
    torch.testing.assert_close(adapter(features), adapter.starting(features))
    optimiser = torch.optim.SGD([p for p in adapter.parameters() if p.requires_grad], 0.5)
    for _ in range(2):
        adapter(features).square().sum().backward()
        optimiser.step()
    assert torch.equal(adapter.projection.weight, before)
    assert not torch.allclose(adapter(features), adapter.starting(features))
    with pytest.raises(HaikuError, match="from 1 to 4"):
        FrozenProjectionAdapter(torch.nn.Linear(6, 4), rank=5)


def xor_recall(name: str, seed: int) -> float:
    """Share of a found from b and c, where c is a XOR b, bit by bit."""
    torch.manual_seed(seed)
    bits = 1.0 - 2.0 * ((torch.arange(8)[:, None] >> torch.arange(3)) & 1)
    encoders = torch.nn.ModuleList([torch.nn.Linear(3, 8) for _ in range(3)])
    objective = build_objective({name: {"temperature": 0.07, "learnable": True}})
    optimiser = torch.optim.AdamW([*encoders.parameters(), *objective.parameters()], 0.02)
    for _ in range(250):
        a, b = bits[torch.randint(8, (48,))], bits[torch.randint(8, (48,))]
        emb = {str(i): e(x) for i, (e, x) in enumerate(zip(encoders, (a, b, a * b), strict=True))}
        optimiser.zero_grad()
        objective(ContrastiveBatch(emb)).loss.backward()
        optimiser.step()
    with torch.no_grad():
        i, j = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
        a, b = bits[i.flatten()], bits[j.flatten()]
        unit = [
            torch.nn.functional.normalize(e(x), dim=1)
            for e, x in zip(encoders, (bits, b, a * b), strict=True)
        ]
        query = unit[1] * unit[2] if name == "symile" else unit[1] + unit[2]
        return float(((query @ unit[0].T).argmax(1) == i.flatten()).float().mean())


def test_only_symile_finds_what_two_modalities_say_together() -> None:
    assert xor_recall("symile", 0) > 0.9
    assert xor_recall("pairwise_clip", 0) < 0.5
