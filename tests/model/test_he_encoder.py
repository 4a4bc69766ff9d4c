"""H&E encoders of timm and the hub, from local folders with random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from golden_set import OWN, published
from safetensors.torch import save_file

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.model import he_conversion, presets
from napari_haiku.model.he_encoder import HeEncoder, check_config
from napari_haiku.model.loading import load_model
from napari_haiku.model.published.convert import convert
from napari_haiku.model.published.key_map import HE

SMALL = {"img_size": 32, "embed_dim": 24, "depth": 2, "num_heads": 2}


def hub_folder(folder: Path, *, classes: int = 0, pickled: bool = False, **model_args: Any) -> Path:
    arguments = SMALL | model_args
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=classes, **arguments)
    folder.mkdir()
    config = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": classes,
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [3, 32, 32],
            "mean": [0.5, 0.4, 0.3],
            "std": [0.2, 0.2, 0.2],
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    if pickled:
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
    else:
        save_file(network.state_dict(), folder / "model.safetensors")
    return folder


def patches(n: int = 3, side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("pickled", [False, True])
def test_timm_encoder_gives_what_timm_gives(pickled: bool, tmp_path: Path) -> None:
    hub = hub_folder(tmp_path / "hub", classes=5, pickled=pickled)
    result = run_job(convert(hub, tmp_path / "model"))
    assert any("0.5 um" in note for note in result.notes)
    assert result.dropped == 24 * 5 + 5
    model = load_model(tmp_path / "model", device="cpu", precision="fp32")
    assert isinstance(model, HeEncoder)
    ours = model.encode_he(patches(), 0.5)
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=5, **SMALL).eval()
    images = torch.tensor(patches()).permute(0, 3, 1, 2) / 255
    mean = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)
    with torch.no_grad():
        direct = network.forward_features((images - mean) / 0.2)
        theirs = network.forward_head(direct, pre_logits=True)
    theirs = torch.nn.functional.normalize(theirs, dim=1)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_encoder_says_what_it_cannot_do(tmp_path: Path) -> None:
    run_job(convert(hub_folder(tmp_path / "hub"), tmp_path / "model", pixel_size_um=0.25))
    model = load_model(tmp_path / "model", device="cpu")
    assert model.modalities == {"he"}
    assert not model.shared_space
    assert model.patch_um == 8
    with pytest.raises(HaikuError, match="no mIF tower"):
        model.encode_mif(np.zeros((1, 1, 32, 32)), ["CD8"], 0.25)
    with pytest.raises(HaikuError, match="no text tower"):
        model.encode_text(["lung"])


def test_class_token_beside_mean_of_patches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    encoder = {
        "kind": "timm",
        "model": "vit_tiny_patch16_224",
        "arguments": {
            **SMALL,
            "reg_tokens": 2,
            "global_pool": "",
            "act_layer": "silu",
            "mlp_layer": "SwiGLUPacked",
        },
        "pool": "class and mean",
    }
    small = presets.Preset(
        "small", "Small", ("he",), False, "MIT", 1, 32, 0.5, "owner/small", False, encoder
    )
    config = he_conversion._config(None, small, "small", None)  # type: ignore[arg-type]
    network = he_conversion.build_network(config)
    hub = tmp_path / "hub"
    hub.mkdir()
    save_file(network.state_dict(), hub / "model.safetensors")
    monkeypatch.setattr(presets, "PRESETS", (*presets.PRESETS, small))
    run_job(he_conversion.convert_encoder(hub, tmp_path / "model", small, None, None))
    model = load_model(tmp_path / "model", device="cpu")
    assert model.dim == 48
    vectors = model.encode_he(patches(), 0.5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_musk_gives_what_the_he_tower_gives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config, state = published(OWN)
    sizes = {k: config["musk"][k] for k in ("img_size", "patch_size", "dim", "heads", "ffn")}
    sizes |= {"layers": config["musk"]["layers"], "ln_eps": 1e-5}
    monkeypatch.setattr(he_conversion, "musk_sizes", lambda: sizes)
    released = presets.find_preset("musk")
    assert released is not None
    musk = replace(released, patch_px=sizes["img_size"])
    hub = tmp_path / "hub"
    hub.mkdir()
    own = {k.removeprefix(HE): v for k, v in state.items() if k.startswith(HE)}
    save_file(own, hub / "model.safetensors")
    result = run_job(he_conversion.convert_encoder(hub, tmp_path / "model", musk, None, None))
    assert result.dropped > 0
    golden = np.load(OWN / "he_encoder.npz")
    model = load_model(tmp_path / "model", device="cpu")
    assert isinstance(model, HeEncoder)
    with torch.inference_mode():
        out = model._features(torch.tensor(golden["image"]))
    np.testing.assert_allclose(out.numpy(), golden["out"], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "no_such_net"}, "timm knows no model 'no_such_net'"),
        ({"kind": "other"}, "does not describe an H&E encoder"),
        ({"patch_px": -1}, "does not describe an H&E encoder"),
        ({"mean": [1]}, "does not describe an H&E encoder"),
        ({"arguments": {"checkpoint_path": "/etc/passwd"}}, "unknown setting 'checkpoint_path'"),
        ({"arguments": SMALL | {"embed_dim": 10**9}}, "a size is no number"),
        ({"arguments": SMALL | {"num_heads": 5}}, "timm cannot build|do not fit"),
        ({"arguments": SMALL | {"depth": 3}}, "missing"),
        ({"arguments": SMALL | {"embed_dim": 48}}, "of shape"),
    ],
)
def test_bad_encoder_configuration_is_refused(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    run_job(convert(hub_folder(tmp_path / "hub"), tmp_path / "model"))
    file = tmp_path / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(HaikuError, match=reason):
        load_model(tmp_path / "model", device="cpu")


def test_weights_of_another_image_size_than_the_architecture_are_read(tmp_path: Path) -> None:
    """Timm takes the size from `pretrained_cfg` where it is fixed, and so do we."""
    hub = hub_folder(tmp_path / "hub")
    config = json.loads((hub / "config.json").read_text())
    del config["model_args"]["img_size"]
    config["pretrained_cfg"]["fixed_input_size"] = True
    (hub / "config.json").write_text(json.dumps(config))
    run_job(convert(hub, tmp_path / "model"))
    model = load_model(tmp_path / "model", device="cpu")
    assert model.encode_he(patches(), 0.5).shape == (3, 24)


def test_hub_configuration_that_is_not_timms_is_refused(tmp_path: Path) -> None:
    hub = hub_folder(tmp_path / "hub")
    config = json.loads((hub / "config.json").read_text())
    (hub / "config.json").write_text(json.dumps(config | {"pretrained_cfg": 3}))
    with pytest.raises(HaikuError, match="not what timm writes"):
        run_job(convert(hub, tmp_path / "model"))


@pytest.mark.parametrize("name", ["uni", "virchow2", "h-optimus-0", "musk"])
def test_presets_describe_networks_that_timm_can_build(name: str) -> None:
    preset = presets.find_preset(name)
    assert preset is not None
    config = he_conversion._config(None, preset, name, None)  # type: ignore[arg-type]
    with torch.device("meta"):
        network = he_conversion.build_network(check_config(config))
    numbers = sum(parameter.numel() for parameter in network.parameters())
    assert numbers * 4e-6 == pytest.approx(preset.size_mb, rel=0.02)
