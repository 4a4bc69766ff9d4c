"""Parity with numbers of the published code at a tiny random-weight configuration.

The folder comes from HAIKU_GOLDEN (default tests/golden); nothing about one set is built in. The
published sigmoid loss, whose uniformity term has the wrong sign, lives here alone.
"""

from __future__ import annotations

import re
from itertools import combinations
from math import isqrt, log
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from golden_inputs import he_input, mif_tiles, text_input
from golden_set import LOOSE, TIGHT, arrays, close, haiku, numbers, panels, published
from torch.nn import functional

from napari_haiku.model.published import Haiku, key_map
from napari_haiku.model.published.config import HaikuConfig, HeSizes
from napari_haiku.model.published.he_preprocessing import prepare_he
from napari_haiku.model.published.mif_preprocessing import (
    blur,
    crop,
    gaussian_kernel,
    normalise_region,
    prepare_mif,
    region_limits,
    standardise,
    to_uint16,
)
from napari_haiku.training.objectives.pairwise import pairwise_clip

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = {"codex": "mif", "HandE": "he", "text": "text"}
TRACED = [name for name in sorted(panels()) if f"{name}_trace0_sum_l2" in arrays("mif_encoder")]
MASKED = [name for name in sorted(panels()) if f"{name}_mask0" in arrays("mif_encoder")]


@pytest.mark.parametrize("batch", sorted(panels()))
def test_mif_tower(batch: str) -> None:
    data, names = arrays("mif_encoder"), panels()[batch]
    tower, given = haiku().towers.mif, mif_tiles(batch)
    output = tower(given, names)
    for i, panel in enumerate(names):
        close(given[i], data[f"{batch}_grid{i}"])
        close(tower.markers(panel), data[f"{batch}_marker{i}"])
        close(output.tokens[i], data[f"{batch}_tokens{i}"], LOOSE)
        close(output.summaries[i], data[f"{batch}_summary{i}"], LOOSE)
    close(output.embedding, data[f"{batch}_embedding"])
    close(tower.embed(given, names), data[f"{batch}_embedding"])
    alone = [tower.embed([sample], [panel]) for sample, panel in zip(given, names, strict=True)]
    close(torch.cat(alone), data[f"{batch}_embedding_one_by_one"])


@pytest.mark.parametrize("batch", MASKED)
def test_mif_tower_with_masked_tokens(batch: str) -> None:
    data, names = arrays("mif_encoder"), panels()[batch]
    masks = [torch.tensor(data[f"{batch}_mask{i}"]) for i in range(len(names))]
    output = haiku().towers.mif(mif_tiles(batch), names, masks)
    for i in range(len(names)):
        close(output.tokens[i], data[f"{batch}_masked_tokens{i}"], LOOSE)
        close(output.summaries[i], data[f"{batch}_masked_summary{i}"], LOOSE)


@pytest.mark.parametrize("batch", TRACED)
def test_every_mif_block(batch: str) -> None:
    traces = sorted(key for key in arrays("mif_encoder") if key.startswith(f"{batch}_trace"))
    tower, seen = haiku().towers.mif, []
    hooks = [
        block.register_forward_hook(lambda *call: seen.append(call[2].double()))
        for block in tower.blocks
    ]
    tower(mif_tiles(batch), panels()[batch])
    for hook in hooks:
        hook.remove()
    assert len(seen) == len(traces)
    for key in traces:
        block = seen[int(re.findall(r"trace(\d+)", key)[0])]
        total, length = arrays("mif_encoder")[key]
        assert float(block.sum()) == pytest.approx(total, abs=1e-2)
        assert float(block.norm()) == pytest.approx(length, rel=1e-5)


def test_he_tower() -> None:
    data, tower = arrays("he_encoder"), haiku().towers.he
    trunk = tower.trunk
    image = he_input()
    patches = trunk.patch_embed(image)
    embedded = torch.cat([trunk.cls_token.expand(len(image), -1, -1), patches], dim=1)
    close(embedded, data["embed"])
    hidden = embedded + trunk.pos_embed
    layers = sorted(key for key in data if re.fullmatch(r"hidden\d+", key))
    assert len(layers) == haiku().config.he.layers + 1
    for i in range(len(layers)):
        close(hidden, data[f"hidden{i}"])
        if i + 1 < len(layers):
            hidden = trunk.blocks[i](hidden)
    tokens = tower.tokens(image)
    close(tokens, data["tokens"])
    close(tokens[:, 0], data["cls_no_head"])
    close(tower.head(tokens[:, 0]), data["head_no_norm"])
    close(functional.normalize(tokens[:, 0], dim=-1), data["cls_no_head_norm"])
    close(tower(image), data["out"])


def test_text_tower() -> None:
    data, tower = arrays("text_encoder"), haiku().towers.text
    ids, mask = text_input()
    close(tower.last_hidden(ids, mask), data["last_hidden"])
    close(tower.mean_pooled(ids, mask), data["mean_pooled"])
    close(tower(ids, mask), data["out"])


def projected(model: Haiku) -> dict[str, torch.Tensor]:
    towers, data = model.towers, arrays("haiku_eval")
    rows = len(data["proj_codex"])
    # The README names batch a; the names are sorted so that the file's order does not matter.
    batch = next(name for name in sorted(panels()) if len(panels()[name]) == rows)
    return {
        "codex": towers.project_mif(mif_tiles(batch), panels()[batch]),
        "text": towers.project_text(*text_input()),
        "HandE": towers.project_he(he_input()),
    }


def test_heads_unit_vectors_and_similarities() -> None:
    data, ours = arrays("haiku_eval"), projected(haiku())
    unit = {name: functional.normalize(rows, dim=1) for name, rows in ours.items()}
    single = {"codex": "codex", "HandE": "he", "text": "text"}
    for name, rows in ours.items():
        close(rows, data[f"proj_{name}"])
        close(rows, data[f"single_{single[name]}"])
        close(unit[name], data[f"retrieval_{name}"])
    for key in (key for key in data if key.startswith("sim_")):
        _, a, b = key.split("_")
        close(unit[a] @ unit[b].T, data[key])
    close(haiku().towers.embed_he(he_input()), data["retrieval_HandE"])
    close(haiku().towers.embed_text(*text_input()), data["retrieval_text"])


def test_losses_of_the_whole_model() -> None:
    ours, given = projected(haiku()), numbers()
    same(pairwise(ours)[0], given["haiku_eval_clip"])
    same(sigmoid(ours)[0], given["haiku_eval_siglip"])
    for key, value in given.items():
        if match := re.fullmatch(r"haiku_eval_clip_region_(\d+)_w(\d)(\d)", key):
            regions = torch.tensor([int(digit) for digit in match[1]])
            weight = float(f"{match[2]}.{match[3]}")
            same(pairwise(ours, regions=regions, weight=weight)[0], value)


def test_one_training_step() -> None:
    data = arrays("train_step")
    config, state = published()
    model = Haiku.from_published(config, state, device="cpu")
    towers = model.towers.requires_grad_(True)
    for head in (towers.mif_head, towers.he_head, towers.text_head):
        head.train()
    ours = projected(model)
    for name, rows in ours.items():
        close(rows, data[f"proj_{name}"], LOOSE)
    loss, _ = pairwise(ours)
    same(loss, float(data["loss"]), LOOSE)
    same(loss, numbers()["train_step_loss"], LOOSE)
    assert str(loss.dtype) == numbers()["train_step_dtype"]
    loss.backward()
    sizes = HaikuConfig.from_published(config)
    found = key_map.marker_pieces(list(state))
    places = {p.published: p for p in key_map.published_pieces(sizes, towers, found)}
    weights = dict(towers.named_parameters())
    checked = 0
    for key in (key for key in data if key.startswith("grad:")):
        place = places[key.removeprefix("grad:")]
        gradient = weights[place.ours].grad
        if place.rows is not None:
            gradient = gradient[slice(*place.rows)]
        if place.kind == "positions":
            close(gradient[0], data[key][key_map.UNUSED_POSITIONS :], LOOSE)
        else:
            close(gradient.reshape(data[key].shape), data[key], LOOSE)
        checked += 1
    for key in (key for key in data if key.startswith("after:")):
        projection, _, leaf = key.removeprefix("after:").partition(".")
        head = {"codex": "mif", "he": "he", "text": "text"}[projection.removesuffix("_projection")]
        close(getattr(towers, f"{head}_head")[3].get_buffer(leaf), data[key], LOOSE)
        checked += 1
    assert checked == sum(key.startswith(("grad:", "after:")) for key in data) > 0
    for name in numbers()["no_grad_params"]:
        place = places.get(name)
        if place is None:
            assert key_map.is_unused(name) or "dynamic_embeddings" in name
            continue
        gradient = weights[place.ours].grad
        part = gradient if gradient is None or place.rows is None else gradient[slice(*place.rows)]
        assert part is None or not part.any(), name


def test_mif_preprocessing() -> None:
    data = arrays("mif_transform")
    patch = isqrt(data["grid"].shape[-1])
    raw = torch.tensor(data["raw"])
    close(standardise(raw), data["standardized"])
    close(blur(standardise(raw)), data["standardized_then_blurred"])
    close(standardise(torch.tensor(data["with_nan_input"])), data["with_nan_standardized"])
    close(gaussian_kernel(len(data["kernel"])), data["kernel"])
    close(crop(blur(standardise(raw)), patch), data["cropped"])
    close(prepare_mif(raw[None], patch)[0], data["grid"])
    for key in data:
        if match := re.fullmatch(r"blur_k(\d+)_s(\d+)", key):
            close(blur(raw.float(), int(match[1]), float(match[2])), data[key], LOOSE)


def test_region_normalisation() -> None:
    data = arrays("mif_normalize")
    tissue = data["tissue"].astype(bool)
    masks = {"": tissue, "_allfg": np.ones_like(tissue), "_allbg": np.zeros_like(tissue)}
    checked = 0
    for key in data:
        match = re.fullmatch(r"(.+?)(_allfg|_allbg|)_(plain|fast|mt)", key)
        if match:
            ours = normalise_region(data[match[1]], masks[match[2]])
            np.testing.assert_array_equal(ours, data[key])
            checked += 1
        elif key.endswith("_uint16"):
            np.testing.assert_array_equal(to_uint16(data[key.removesuffix("_uint16")]), data[key])
            checked += 1
        elif key.endswith("_limits_lo_up_min_max"):
            for channel, limits in zip(data[key.partition("_")[0]], data[key], strict=True):
                ours = region_limits(to_uint16(channel), tissue)
                assert [ours.lower, ours.upper, ours.low, ours.high] == limits.tolist()
            checked += 1
    inputs = [key for key in data if f"{key}_uint16" in data]
    assert checked == len(data) - len(inputs) - 1


def test_he_preprocessing() -> None:
    data = arrays("he_transform")
    cases = [key.removesuffix("_uint8_hwc") for key in data if key.endswith("_uint8_hwc")]
    assert cases
    for case in cases:
        every = data[f"{case}_out_every7"]
        # Every seventh pixel leaves a few sizes open: the released one, or one of whole tokens.
        shortest = 7 * (every.shape[-1] - 1) + 1
        possible = range(shortest, shortest + 7)
        sizes = haiku().config.he
        whole = (size for size in possible if size % sizes.patch_size == 0)
        known = (size for size in (HeSizes().img_size, sizes.img_size) if size in possible)
        size = next(known, None) or next(whole)
        out = prepare_he(torch.tensor(data[f"{case}_uint8_hwc"])[None], size)[0]
        close(out[:, ::7, ::7], every)
        corner, last = data[f"{case}_corner16"], data[f"{case}_last16"]
        close(out[:, : corner.shape[1], : corner.shape[2]], corner)
        close(out[:, -last.shape[1] :, -last.shape[2] :], last)
        ours = [out.mean(), out.std(correction=0), out.min(), out.max()]
        np.testing.assert_allclose([float(v) for v in ours], data[f"{case}_stats"], atol=TIGHT)


Parts = dict[str, torch.Tensor]


def same(loss: torch.Tensor, value: float, tolerance: float = TIGHT) -> None:
    assert float(loss.detach()) == pytest.approx(value, rel=tolerance, abs=tolerance)


def pairwise(
    vectors: Mapping[str, torch.Tensor],
    *,
    temperature: float = 0.07,
    log_scale: torch.Tensor | None = None,
    regions: torch.Tensor | None = None,
    weight: float = 0.5,
) -> tuple[torch.Tensor, Parts]:
    """The published pairwise loss: float64, negatives of one's own region weighted."""
    if log_scale is None:
        log_scale = torch.tensor([log(1 / temperature)], dtype=torch.float64)
    tau = (1 / log_scale.exp()).clamp(min=1e-3)
    unit = {name: functional.normalize(rows, dim=1) for name, rows in vectors.items()}
    parts: Parts = {}
    for a, b in combinations(unit, 2):
        logits = (unit[a] @ unit[b].T) / tau
        parts[f"{a}_{b}"] = sum(_directed(x, regions, weight) for x in (logits, logits.T)) / 2
    return torch.stack(list(parts.values())).mean(), parts


def _directed(logits: torch.Tensor, regions: torch.Tensor | None, weight: float) -> torch.Tensor:
    if regions is None:
        return functional.cross_entropy(logits, torch.arange(len(logits)))
    same = (regions[:, None] == regions[None, :]).fill_diagonal_(False)
    denominator = (torch.where(same, weight, 1.0) * logits.exp()).sum(1)
    return -(logits.diagonal() - denominator.log()).mean()


def sigmoid(
    vectors: Mapping[str, torch.Tensor], *, temperature: float = 0.07, **settings: float
) -> tuple[torch.Tensor, Parts]:
    """The published sigmoid loss; its uniformity pulls together, as published."""
    s = {"margin": 0, "positive": 2, "a2j": 1, "cent": 1, "var": 0.05, "uni": 0.05, "a2a": 0.1}
    s |= settings
    unit = {name: functional.normalize(rows, dim=1) for name, rows in vectors.items()}

    def agree(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        eye = torch.eye(len(x))
        return functional.binary_cross_entropy_with_logits(
            x @ y.T / temperature + s["margin"] * eye, eye, pos_weight=torch.tensor(s["positive"])
        )

    parts = {
        f"{a}_{b}": (agree(unit[a], unit[b]) + agree(unit[b], unit[a])) / 2
        for a, b in combinations(unit, 2)
    }
    pairs = torch.stack(list(parts.values())).mean()
    centre = functional.normalize(torch.stack(list(unit.values())).mean(0), dim=1)
    central = torch.stack([agree(rows, centre) for rows in unit.values()]).mean()
    distance = torch.stack([(rows - centre).norm(dim=1) for rows in unit.values()])
    spread = functional.relu(distance - 0.2).square().mean()
    apart = (centre[:, None] - centre[None, :]).square().sum(-1)
    uniformity = (2 * apart[~torch.eye(len(centre), dtype=torch.bool)]).exp().mean().log()
    total = (s["a2j"] + s["a2a"]) * pairs + s["cent"] * central
    return total + s["var"] * spread + s["uni"] * uniformity, parts


_NONE = {"a2j": 0, "cent": 0, "var": 0, "uni": 0, "a2a": 0}
# The parameters of each case, as the README of the golden folder gives them.
CASES: dict[str, dict[str, Any]] = {
    "clip": {},
    "clip_t02": {"temperature": 0.2},
    "clip_region_w05": {"weight": 0.5},
    "clip_region_w10": {"weight": 1.0},
    "clip_tiny_temperature_clamped": {"temperature": 1e-4},
    "siglip": {},
    "siglip_margin": {"margin": 0.3},
    "siglip_noa2a": {"a2a": 0, "positive": 1, "temperature": 0.1},
    **{f"siglip_{part}_only": _NONE | {part: 1} for part in ("a2j", "cent", "var", "uni")},
}


def settings_of(case: str) -> dict[str, Any]:
    """Look a case up, or read its name: _t05 is a temperature of 0.5, _w03 a weight of 0.3."""
    if case in CASES:
        return dict(CASES[case])
    settings = {}
    for letter, number in re.findall(r"_([tw])(\d{2})(?=_|$)", case):
        settings["temperature" if letter == "t" else "weight"] = int(number) / 10
    assert settings, f"nobody says what the case {case} means"
    return settings


@pytest.mark.parametrize(
    "case", sorted(key.removesuffix("_total") for key in arrays("losses") if "_total" in key)
)
def test_losses(case: str) -> None:
    data, settings = arrays("losses"), settings_of(case)
    vectors = {
        key.removeprefix("emb_"): torch.tensor(data[key], requires_grad=True)
        for key in data
        if key.startswith("emb_")
    }
    if "region" in case:
        settings["regions"] = torch.tensor(data["region_ids"])
    loss, parts = (pairwise if case.startswith("clip") else sigmoid)(vectors, **settings)
    loss.backward()
    tolerance = LOOSE if "tiny_temperature" in case else TIGHT
    same(loss, float(data[f"{case}_total"]), tolerance)
    same(loss, numbers()[case]["value"], tolerance)
    assert str(loss.dtype) == numbers()[case]["dtype"]
    for name, part in parts.items():
        close(part.reshape(()), data[f"{case}_pair_{name}"], tolerance)
    for name, rows in vectors.items():
        close(rows.grad, data[f"{case}_grad_{name}"], tolerance)


def test_learnable_temperature() -> None:
    given = numbers()["learnable_temperature"]
    log_scale = torch.tensor([given["log_temp"]], dtype=torch.float64, requires_grad=True)
    data = arrays("losses")
    vectors = {k.removeprefix("emb_"): torch.tensor(data[k]) for k in data if k.startswith("emb_")}
    pairwise(vectors, log_scale=log_scale)[0].backward()
    assert str(log_scale.dtype) == given["dtype"]
    assert float(log_scale.grad) == pytest.approx(given["grad"], rel=TIGHT)


def test_offered_objective_is_the_published_one() -> None:
    data = arrays("losses")
    vectors = {OURS[k.removeprefix("emb_")]: torch.tensor(data[k]) for k in data if "emb_" in k}
    loss, _ = pairwise_clip(vectors, torch.tensor(1 / 0.07))
    assert float(loss) == pytest.approx(float(data["clip_total"]), rel=TIGHT)
