"""Regularisers, local terms and adapters against numbers of their published form.

The folder is HAIKU_GOLDEN_OBJECTIVES; sizes, values and hyperparameters are
taken from the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golden_objective_files import golden, loss

from napari_haiku.training.objectives import ContrastiveBatch, build_objective
from napari_haiku.training.objectives.adapter import blended, class_loss
from napari_haiku.training.objectives.barlow import redundancy, standardised
from napari_haiku.training.objectives.contrast import diagonal, log_softmax_nll, unit_rows
from napari_haiku.training.objectives.patch_information import local_terms, pooled
from napari_haiku.training.objectives.pixel_consistency import (
    agreement,
    positive_pairs,
    propagate,
)
from napari_haiku.training.objectives.sepclr import factor_terms
from napari_haiku.training.objectives.uniformity import log_mean_closeness, uniformity

if TYPE_CHECKING:
    from torch import Tensor


def test_uniformity_and_alignment() -> None:
    file = golden("contrastive_gap")
    a, b = file.leaf("a"), file.leaf("b")
    emb = {"he": a, "mif": b}
    left, right = unit_rows(a), unit_rows(b)
    file.value("uniformity", (uniformity(left) + uniformity(right)) / 2)
    file.value("cross_uniformity", log_mean_closeness(left, right))
    clip = {"temperature": file.hyper["temperature"]}
    short = {"cross": 0.0}
    file.value("loss_cua", loss({"pairwise_clip": clip, "uniformity_alignment": short}, emb)[0])
    total, parts = loss({"pairwise_clip": clip, "uniformity_alignment": 1.0}, emb)
    total.backward()
    file.value("clip", parts["pairwise_clip"])
    file.value("alignment", parts["uniformity_alignment alignment"])
    file.value("loss_cuaxu", total)
    file.gradient("grad_cuaxu_a", a)
    file.gradient("grad_cuaxu_b", b)


def test_intra_modal() -> None:
    file = golden("intra_inter_negatives")
    for tau in file.hyper["temperature"]:
        emb = {"he": file.leaf("entity"), "text": file.leaf("mention")}
        options = {
            "temperature": tau,
            "intra_weight": file.hyper["intra_weight"],
            "compatible": True,
        }
        total, _ = loss({"intra_modal": options}, emb)
        total.backward()
        file.value(f"loss_t{str(tau).replace('.', '_')}", total)
        if tau == file.hyper["temperature"][-1]:
            file.gradient("grad_entity", emb["he"])
            file.gradient("grad_mention", emb["text"])


def test_patch_mutual_information() -> None:
    file = golden("tcl_local_mi")
    local, whole = file.leaf("local"), file.leaf("global_")
    options = {"temperature": file.hyper["temp"], "pool": False}
    total, _ = loss({"patch_mutual_information": options}, {"he": whole}, tokens={"he": local})
    total.backward()
    file.value("loss_unmasked", total)
    file.gradient("grad_local", local)
    file.gradient("grad_global", whole)
    masked = local_terms(
        unit_rows(local), unit_rows(whole), 1 / file.hyper["temp"], file["mask"].bool()
    )
    file.value("loss_masked", masked)
    file.value("pool_out", pooled(file["pool_in"]))


def test_barlow() -> None:
    file = golden("noncontrastive_baselines")
    file.value("z1_bn", standardised(file["z1"]))
    z1 = file.leaf("z1_bn")
    scale, weight = file.hyper["scale_loss"], file.hyper["lamb"]
    total = scale * redundancy(z1, file["z2_bn"], weight)
    total.backward()
    file.value("barlip", total)
    file.gradient("grad_barlip_z1", z1)
    options = {"scale": scale, "off_diagonal": weight}
    module, _ = loss({"barlow": options}, {"he": file["z1"], "mif": file["z2"]})
    file.value("barlip", module)


def test_label_smoothing() -> None:
    file = golden("noncontrastive_baselines")
    logits = unit_rows(file["infonce_a"]) @ unit_rows(file["infonce_b"]).T / 0.07
    found = log_softmax_nll(logits, diagonal(len(logits), logits), smoothing=0.1).mean()
    file.value("infonce_label_smooth_0_1", found)


def test_sepclr() -> None:
    file = golden("sepclr")
    leaves = {name: file.leaf(name) for name in ("c1", "c2", "s1", "s2")}
    terms = factor_terms(*leaves.values(), file["y"])
    for ours, theirs in (("common", "common"), ("salient", "salient")):
        file.value(theirs, terms[ours])
    file.value("null_reg", terms["null"])
    file.value("jem", terms["independence"])
    total = (
        terms["common"]
        + file.hyper["salient_term_beta"] * terms["salient"]
        + file.hyper["salient_reg_beta"] * terms["null"]
        + file.hyper["jem_lambda"] * terms["independence"]
    )
    total.backward()
    file.value("loss", total)
    for name, leaf in leaves.items():
        file.gradient(f"grad_{name}", leaf)


def grid_tokens(grid: Tensor) -> Tensor:
    return grid.flatten(2).transpose(1, 2)


def test_pixel_consistency() -> None:
    file = golden("pixpro")
    for radius in file.hyper["pos_ratio"]:
        q = file.leaf("q")
        moving, still = grid_tokens(q), grid_tokens(file["k"])
        near = positive_pairs(
            file["coord_q"], file["coord_k"], moving.shape[1], still.shape[1], radius
        )
        total = agreement(moving, still, near)
        total.backward()
        file.value(f"loss_pos{str(radius).replace('.', '_')}", total)
        if radius == file.hyper["pos_ratio"][0]:
            file.gradient("grad_q", q, dim=1)
    feat = grid_tokens(file["feat"])
    found = propagate(feat, feat, file.hyper["p"])
    file.value("featprop", found.transpose(1, 2).reshape(file["featprop"].shape))


def test_perturbed_text_negatives() -> None:
    file = golden("perturbed_text_negatives")
    options = {"temperature": file.hyper["tau"]}
    out = build_objective({"perturbed_text_negatives": options})(
        ContrastiveBatch({"he": file["image"], "text": file["text"]}, perturbed=file["perturbed"])
    )
    file.value("loss", out.loss)
    watched = out.diagnostics["perturbed_text_negatives flip accuracy he"]
    file.value("flip_accuracy", watched)


def test_mmrlpp() -> None:
    file = golden("mmrlpp")
    total = class_loss(
        file["logits"],
        file["logits_rep"],
        (file["img"], file["img_frozen"]),
        (file["txt"], file["txt_frozen"]),
        file["label"],
        file.hyper["alpha"],
        file.hyper["reg_weight"],
    )
    file.value("loss", total)
    found = blended(file["logits"], file["logits_rep"], file.hyper["alpha"])
    file.value("logits_fused", found)
