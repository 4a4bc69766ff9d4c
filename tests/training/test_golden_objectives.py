"""Every objective against numbers of its published form.

The folder is HAIKU_GOLDEN_OBJECTIVES; sizes, values and hyperparameters are
taken from the files.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from golden_objective_files import golden, loss

from napari_haiku.training.objectives import ContrastiveBatch, NegativeMask
from napari_haiku.training.objectives.contrast import unit_rows
from napari_haiku.training.objectives.gram import squared_volumes
from napari_haiku.training.objectives.mixup import mix, mixture_targets, soft_both_ways
from napari_haiku.training.objectives.pairwise import one_way
from napari_haiku.training.objectives.pmrl import leading_direction
from napari_haiku.training.objectives.similarity_weighted import similarity_weights
from napari_haiku.training.objectives.symile import every_combination, tuple_terms


def test_pairwise_clip() -> None:
    file = golden("pairwise_clip")
    emb = {name: file.leaf(name) for name in ("mif", "text", "he")}
    plain = {"temperature": file.hyper["temperature"]}
    total, parts = loss({"pairwise_clip": plain}, emb)
    total.backward()
    file.value("loss", total)
    for a, b in combinations(emb, 2):
        file.value(f"loss_{a}_{b}", parts[f"pairwise_clip {a}-{b}"])
    for name, leaf in emb.items():
        file.gradient(f"grad_{name}", leaf)
    weighed = plain | {"region_weight": file.hyper["region_weight"]}
    region, _ = loss({"pairwise_clip": weighed}, emb, group={"region": file["region_ids"]})
    file.value("loss_region_weighted", region)


@pytest.mark.parametrize("topology", ["star", "joint"])
def test_topologies(topology: str) -> None:
    file = golden("anchor_topologies")
    emb = {name: file.leaf(name) for name in ("he", "mif", "text")}
    options = {"topology": topology, "anchor": "text", "temperature": file.hyper["tau"]}
    total, _ = loss({"pairwise_clip": options}, emb)
    total.backward()
    file.value(f"loss_{topology}", total)
    file.gradient(f"grad_he_{topology}", emb["he"])


def test_siglip() -> None:
    file = golden("binary_nce")
    emb = {"he": file["a"], "mif": file["b"]}
    sigmoid = {
        "temperature": 1 / file.hyper["siglip_t"],
        "bias": file.hyper["siglip_b"],
        "learnable": False,
    }
    file.value("siglip", loss({"siglip": sigmoid}, emb)[0])
    plain = {"temperature": file.hyper["tau"], "bias": 0.0, "learnable": False}
    file.value("binary_nce", loss({"siglip": plain}, emb)[0])


def test_symile_with_shuffled_tuples() -> None:
    file = golden("symile")
    leaves = {name: file.leaf(name) for name in "abc"}
    terms = tuple_terms(
        [unit_rows(leaf) for leaf in leaves.values()],
        list(file["perms"]),
        file.hyper["logit_scale"],
        every=False,
    )
    total = torch.stack(terms).mean()
    total.backward()
    file.value("loss_n", total)
    for name, leaf in leaves.items():
        file.gradient(f"grad_n_{name}", leaf)


def test_symile_with_every_tuple() -> None:
    file = golden("symile")
    leaves = {name: file.leaf(name) for name in "abc"}
    options = {
        "negatives": "n_squared",
        "temperature": 1 / file.hyper["logit_scale"],
        "learnable": False,
    }
    total, _ = loss({"symile": options}, leaves)
    total.backward()
    file.value("loss_n_squared", total)
    for name, leaf in leaves.items():
        file.gradient(f"grad_n2_{name}", leaf)
    four = {name: file[name][:4] for name in ("a", "b", "c", "d4")}
    file.value("loss_n_squared_4mod_first4rows", loss({"symile": options}, four)[0])


def test_symile_module_is_the_mean_over_anchors_of_its_terms() -> None:
    file = golden("symile")
    unit = [unit_rows(file[name]) for name in "abc"]
    picks = every_combination(len(unit[0]), 3, unit[0].device)
    terms = tuple_terms(unit, picks, file.hyper["logit_scale"], every=True)
    file.value("loss_n_squared", torch.stack(terms).mean())


def test_gram() -> None:
    file = golden("gram")
    emb = {name: file.leaf(name) for name in ("text", "m1", "m2")}
    options = {
        "temperature": file.hyper["contra_temp_init"],
        "label_smoothing": file.hyper["label_smoothing"],
        "learnable": False,
    }
    total, _ = loss({"gram": options}, emb)
    total.backward()
    file.value("loss3", total)
    for name, leaf in emb.items():
        file.gradient(f"grad_{name}", leaf)


@pytest.mark.parametrize("modalities", [2, 3, 4, 5])
def test_gram_volumes(modalities: int) -> None:
    file = golden("gram")
    text = unit_rows(file["text"].double())
    others = [unit_rows(file[f"m{i}"].double()) for i in range(1, modalities)]
    found = squared_volumes(text, others).sqrt()
    expected = file[f"vol{modalities}"]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=5e-7)


def test_gram_volume_of_opposite_rows() -> None:
    file = golden("gram")
    row = unit_rows(file["text"][:1].double())
    found = squared_volumes(row, [-row]).sqrt()
    np.testing.assert_allclose(found.numpy(), file["antipodal_vol"].numpy(), atol=5e-7)


def test_pmrl() -> None:
    file = golden("pmrl")
    emb = {name: file.leaf(name) for name in "abc"}
    stacked = torch.stack([unit_rows(leaf) for leaf in emb.values()], 1)
    values, direction = leading_direction(stacked)
    file.value("singular_values", values)
    file.value("u1_signfixed", direction, rtol=1e-7)
    options = {"intra_temperature": file.hyper["tau1"], "temperature": file.hyper["tau2"]}
    only_intra, parts = loss({"pmrl": options | {"inter": 0.0}}, emb)
    only_intra.backward()
    file.value("loss_intra", parts["pmrl intra"])
    file.value("loss_inter_signfixed", parts["pmrl inter"])
    for name, leaf in emb.items():
        file.gradient(f"grad_intra_{name}", leaf)
        leaf.grad = None
    total, _ = loss({"pmrl": options}, emb)
    total.backward()
    file.gradient("grad_total_signfixed_a", emb["a"])


@pytest.mark.parametrize("name", ["mv_infonce", "mv_dhel"])
def test_multiview(name: str) -> None:
    file = golden("multiview")
    for tau in file.hyper["tau"]:
        z = file.leaf("z")
        emb = {f"view{i}": part for i, part in enumerate(z.chunk(file.hyper["views"]))}
        total, _ = loss({name: {"temperature": tau}}, emb)
        total.backward()
        file.value(f"{name}_tau{str(tau).replace('.', '_')}", total)
        if tau == file.hyper["tau"][0]:
            file.gradient(f"grad_{name}", z)


def test_cwcl() -> None:
    file = golden("cwcl")
    emb = {"he": file.leaf("anchor"), "text": file.leaf("other")}
    options = {"side": "he", "temperature": file.hyper["tau"]}
    total, _ = loss({"cwcl": options}, emb, frozen={"he": file["frozen"]})
    total.backward()
    file.value("loss_total", total)
    file.gradient("grad_anchor", emb["he"])
    file.gradient("grad_other", emb["text"])
    file.value("weights", similarity_weights(file["frozen"]))
    # Theirs is float32 inside.
    file.value("cellclip_C1", total, rtol=1e-7)
    channels, _ = loss({"cwcl": options}, emb, frozen={"he": file["channel_features"]})
    file.value("cellclip_C4", channels, rtol=1e-7)


def test_multi_positive() -> None:
    file = golden("one_to_k")
    image, text = file.leaf("image"), file.leaf("text")
    captions = text.reshape(len(image), file.hyper["K"], -1)
    options = {"temperature": file.hyper["temp"], "learnable": False}
    total, _ = loss({"multi_positive": options}, {"he": image}, captions=captions)
    total.backward()
    file.value("loss", total)
    file.gradient("grad_image", image)
    file.gradient("grad_text", text)


@pytest.mark.parametrize("masked", [True, False])
def test_captions_of_one_patch(masked: bool) -> None:
    file = golden("multi_turn")
    query, target = file.leaf("query"), file.leaf("target")
    n = len(query)
    patch = torch.arange(n) // file.hyper["turns"]
    batch = ContrastiveBatch({"he": query, "text": target}, group={"patch": patch})
    rules = NegativeMask(siblings=masked)
    weights = rules.log_weights(batch, torch.arange(n), with_text=True)
    if masked:
        assert weights is not None
        assert torch.equal(torch.isneginf(weights), file["mask_is_neginf"])
    total = one_way(
        unit_rows(query),
        unit_rows(target),
        1 / file.hyper["temperature"],
        rules,
        batch,
        torch.arange(n),
        target="text",
        with_text=True,
    )
    total.backward()
    file.value("loss_masked" if masked else "loss_unmasked", total)
    if masked:
        file.gradient("grad_query", query)


@pytest.mark.parametrize(
    ("duplicates", "expected"),
    [("ignore", "loss_plain"), ("mask", "loss_mask"), ("share", "loss_multi_positive")],
)
def test_repeated_captions(duplicates: str, expected: str) -> None:
    file = golden("duplicate_text_guard")
    emb = {"he": file["image"], "text": file["text"]}
    options = {"temperature": file.hyper["tau"], "duplicates": duplicates}
    total, _ = loss({"pairwise_clip": options}, emb, group={"text": file["text_id"]})
    file.value(expected, total)


def test_mixup() -> None:
    file = golden("m3co_mixup")
    share, partner = file["betas"], file["perm"]
    file.value("mixed", mix(file["x"], share, partner))
    mixed, fixed = file.leaf("mixed"), file.leaf("fixed")
    logits = unit_rows(mixed) @ unit_rows(fixed).T / file.hyper["temp"]
    target = mixture_targets(share, partner, as_released=True)
    forward = -(target * logits.log_softmax(1)).sum(1).mean()
    file.value("loss_forward_only", forward)
    total = soft_both_ways(logits, target, target.T)
    total.backward()
    file.value("loss_bidirectional", total)
    file.gradient("grad_mixed", mixed)
    file.gradient("grad_fixed", fixed)
