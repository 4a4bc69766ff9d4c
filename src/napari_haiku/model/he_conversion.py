"""Converting H&E encoders of the hub: timm models and MUSK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.model.he_encoder import (
    ARCHITECTURE,
    IMAGENET_MEAN,
    IMAGENET_STD,
    build_network,
    check_config,
    check_encoder_weights,
    musk_sizes,
)
from napari_haiku.model.published import key_map
from napari_haiku.model.published.bundle import (
    LARGEST_CONFIG,
    LARGEST_WEIGHTS,
    Bundle,
    read_weights,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.model.presets import Preset
    from napari_haiku.model.published.config import HeSizes
    from napari_haiku.model.published.convert import ConvertResult

# 20x, what most H&E encoders were trained at.
USUAL_PIXEL_SIZE_UM = 0.5
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


def is_encoder(place: Path, preset: Preset | None) -> bool:
    """Whether a folder holds an H&E encoder of the hub rather than a Haiku bundle."""
    if preset is not None and preset.encoder:
        return True
    if not place.is_dir():
        return False
    bundle = Bundle(place)
    if bundle.find("config.json", largest=LARGEST_CONFIG) is None:
        return False
    config = bundle.read_json("config.json")
    return isinstance(config.get("architecture"), str) and "pretrained_cfg" in config


def convert_encoder(
    place: Path,
    target: Path,
    preset: Preset | None,
    repository: str | None,
    pixel_size_um: float | None,
) -> Job[ConvertResult]:
    """Convert a hub folder of a timm model, or of MUSK.

    Raises
    ------
    HaikuError
        The weights do not fit the model.
    """
    from napari_haiku.model.published.convert import ConvertResult, write_model

    bundle = Bundle(place)
    config = _config(bundle, preset, repository or place.name, pixel_size_um)
    state = key_map.plain_state_dict(
        read_weights(bundle.need(*WEIGHT_FILES, largest=LARGEST_WEIGHTS, what="weights"))
    )
    yield Progress(2, 4, "Translating", "steps")
    network = build_network(config)
    weights = _musk(state, network) if config["kind"] == "musk" else _timm(state, network)
    check_encoder_weights(network, weights, config["name"])
    if config["dim"] == 0:
        network.load_state_dict(weights, strict=True, assign=True)
        config["dim"] = _width(network.eval(), config)
    total = sum(tensor.numel() for tensor in state.values())
    kept = sum(tensor.numel() for tensor in weights.values())
    card = {
        "licence": preset.licence if preset else "that of the source: read it before use",
        "credit": repository or place.name,
        "source": repository or place.name,
        "trained_on": "H&E, as its authors describe",
        "training_images": [],
    }
    yield Progress(3, 4, "Writing", "steps")
    write_model(target, config, weights, card, None)
    notes = []
    if preset is None and pixel_size_um is None:
        notes.append(
            f"Nobody says at which pixel size this encoder reads tissue: {USUAL_PIXEL_SIZE_UM} um "
            "was taken."
        )
    yield Progress(4, 4, "Writing", "steps")
    return ConvertResult(target, config["name"], kept, total - kept, (), tuple(notes))


def _config(
    bundle: Bundle, preset: Preset | None, name: str, pixel_size_um: float | None
) -> dict[str, Any]:
    if preset is not None:
        given = dict(preset.encoder)
        base: dict[str, Any] = {
            "name": preset.title,
            "patch_px": preset.patch_px,
            "pixel_size_um": pixel_size_um or preset.pixel_size_um,
        }
        if given["kind"] == "musk":
            base["sizes"] = musk_sizes()
    else:
        given, base = _from_hub(bundle.read_json("config.json"), name)
        base["pixel_size_um"] = pixel_size_um or USUAL_PIXEL_SIZE_UM
    return check_config(
        {
            "architecture": ARCHITECTURE,
            "pool": "model",
            "mean": list(IMAGENET_MEAN),
            "std": list(IMAGENET_STD),
            "dim": 0,
            **base,
            **given,
        }
    )


def _from_hub(hub: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read timm's own configuration of a hub repository."""
    try:
        recipe = dict(hub["pretrained_cfg"])
        size = recipe.get("input_size", (3, 224, 224))
        arguments = {
            key: value
            for key, value in dict(hub.get("model_args", {})).items()
            if key != "num_classes" and value is not None
        }
        if recipe.get("fixed_input_size"):
            # As timm does: weights saved at another size than the architecture's own.
            arguments.setdefault("img_size", int(size[-1]))
        given = {
            "kind": "timm",
            "model": hub["architecture"],
            "arguments": arguments,
            "mean": list(recipe.get("mean", IMAGENET_MEAN)),
            "std": list(recipe.get("std", IMAGENET_STD)),
        }
        return given, {"name": name[-60:], "patch_px": int(size[-1])}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise HaikuError(
            f"config.json of {name[-60:]} is not what timm writes: choose an encoder that timm "
            "can load."
        ) from error


def _timm(state: dict[str, torch.Tensor], network: Any) -> dict[str, torch.Tensor]:
    """Drop the classifier of a model used without one."""
    classifier = (getattr(network, "pretrained_cfg", None) or {}).get("classifier") or "head"
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    wanted = network.state_dict()
    return {
        key: value.float() if value.is_floating_point() else value
        for key, value in state.items()
        if key in wanted or not key.startswith(tuple(f"{head}." for head in heads))
    }


def _musk(state: dict[str, torch.Tensor], network: Any) -> dict[str, torch.Tensor]:
    """Keep MUSK's vision branch under this package's names."""
    sizes: HeSizes = network.sizes
    pieces = tuple(key_map.musk_pieces(sizes.layers, sizes.dim, "", ""))
    prefixed = {key_map.HE + key: value for key, value in state.items()}
    renamed = tuple(
        key_map.Piece(key_map.HE + piece.published, piece.ours, piece.rows, piece.kind)
        for piece in pieces
    )
    return key_map.translate(prefixed, renamed, network)


def _width(network: Any, config: Mapping[str, Any]) -> int:
    side = int(config["patch_px"])
    with torch.inference_mode():
        blank = torch.zeros(1, 3, side, side)
        if config["pool"] == "model":
            return int(network(blank).shape[-1])
        return 2 * int(network.forward_features(blank).shape[-1])
