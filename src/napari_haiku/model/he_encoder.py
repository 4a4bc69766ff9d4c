"""H&E encoders without a shared space: any timm vision model, and MUSK.

Config and weights stay in the folder as converted; nothing is fetched here.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from napari_haiku.errors import HaikuError
from napari_haiku.model.base import TissueModel
from napari_haiku.model.devices import Device, choose_device
from napari_haiku.model.published.bundle import LARGEST_WEIGHTS, Bundle, read_safetensors
from napari_haiku.model.published.config import HeSizes
from napari_haiku.model.published.extras import need
from napari_haiku.model.published.fingerprint import fingerprint
from napari_haiku.model.published.he_tower import HeTower
from napari_haiku.model.published.heads import unit_rows
from napari_haiku.model.published.input_checks import keep_eval
from napari_haiku.model.published.precision import Precision, choose_precision
from napari_haiku.model.published.resampling import to_model_patch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.model.scaling import ChannelScaling

ARCHITECTURE = "he-encoder"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POOLS = ("model", "class and mean")
LARGEST_NUMBER = 16_384
# What a configuration may ask of timm; everything else is refused.
_NUMBERS = frozenset(
    [
        "img_size",
        "patch_size",
        "init_values",
        "embed_dim",
        "depth",
        "num_heads",
        "mlp_ratio",
        "reg_tokens",
    ]
)
_FLAGS = frozenset(
    [
        "dynamic_img_size",
        "class_token",
        "no_embed_class",
        "qkv_bias",
        "pre_norm",
        "final_norm",
        "fc_norm",
    ]
)
_WORDS = {
    "mlp_layer": ("SwiGLUPacked",),
    "act_layer": ("silu", "gelu"),
    "global_pool": ("", "token", "avg", "map"),
}


class HeEncoder(TissueModel):
    """An encoder of H&E alone.

    Its vectors can be compared with each other, so it offers similar tissue
    and niches; it has no mIF and no text tower.

    Parameters
    ----------
    network : nn.Module
        Images in, features out.
    config : mapping
        The folder's ``config.json``.
    card : mapping
        Where the model comes from.
    device : Device
        Where to work.
    precision : Precision
        Number format.
    fingerprint_ : str
        Hash of configuration and weights.
    """

    any_patch_size = False

    architecture = ARCHITECTURE

    def __init__(
        self,
        network: nn.Module,
        config: Mapping[str, Any],
        card: Mapping[str, Any],
        device: Device,
        precision: Precision,
        fingerprint_: str,
    ) -> None:
        self.network = network.to(device.torch_name).eval().requires_grad_(False)
        self.card = card
        self.device = precision.shown_with(device)
        self.precision = precision
        self.fingerprint = fingerprint_
        self.name = str(config["name"])
        self.modalities = frozenset({"he"})
        self.shared_space = False
        self.pixel_size_um = float(config["pixel_size_um"])
        self.patch_px = int(config["patch_px"])
        self._pool = str(config["pool"])
        self._mean = torch.tensor(config["mean"]).view(3, 1, 1)
        self._std = torch.tensor(config["std"]).view(3, 1, 1)
        self.dim = int(config["dim"])

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", precision: str = "auto") -> HeEncoder:
        """Open a converted encoder strictly.

        Raises
        ------
        HaikuError
            A file is missing, broken or does not fit the others.
        """
        bundle = Bundle(folder)
        config = check_config(bundle.read_json("config.json"))
        weights = read_safetensors(
            bundle.need("model.safetensors", largest=LARGEST_WEIGHTS, what="weights")
        )
        network = build_network(config)
        check_encoder_weights(network, weights, config["name"])
        network.load_state_dict(weights, strict=True, assign=True)
        chosen = choose_device(device)
        return cls(
            network,
            config,
            bundle.read_json("card.json"),
            chosen,
            choose_precision(precision, chosen.torch_name),
            fingerprint(config, weights),
        )

    def _he_vectors(self, patches: NDArray[np.uint8], pixel_size: float) -> torch.Tensor:
        keep_eval(self.network)
        images = torch.from_numpy(np.array(patches)).to(self.device.torch_name)
        # Bytes are resampled ten times faster than floats, and are what the file held.
        images = to_model_patch(
            images.permute(0, 3, 1, 2),
            pixel_size,
            self.pixel_size_um,
            self.patch_px,
            what="H&E",
        )
        with self.precision.context(self.device.torch_name):
            return unit_rows(self._features(self._normalised(images)))

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        """Bytes to (value / 255 - mean) / std, in two passes over the pixels."""
        gain = (1 / (255 * self._std)).to(images.device)
        offset = (self._mean / self._std).to(images.device)
        # Planes first while they are bytes: a quarter of the memory to move.
        return images.contiguous().float().mul_(gain).sub_(offset)

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        if self._pool == "model":
            features: torch.Tensor = self.network(images)
            return features
        tokens = self.network.forward_features(images)  # type: ignore[operator]
        prefix = int(self.network.num_prefix_tokens)  # type: ignore[arg-type]
        return torch.cat([tokens[:, 0], tokens[:, prefix:].mean(1)], dim=-1)

    def _mif_vectors(
        self,
        patches: NDArray[Any],
        markers: tuple[str, ...],
        pixel_size: float,
        scaling: ChannelScaling | None,
    ) -> torch.Tensor:
        raise self._only_he("mIF")

    def _text_vectors(self, captions: list[str]) -> torch.Tensor:
        raise self._only_he("text")

    def _only_he(self, what: str) -> HaikuError:
        return HaikuError(f"The model {self.name} has no {what} tower: choose another model.")


def build_network(config: Mapping[str, Any]) -> nn.Module:
    """Build an encoder without weights yet.

    Raises
    ------
    HaikuError
        timm is missing, does not know the model or rejects its sizes.
    """
    if config["kind"] == "musk":
        with torch.device("meta"):
            return HeTower(HeSizes(**config["sizes"]))
    timm = need("timm", f"The model {config['name']}")
    arguments = dict(config["arguments"])
    if arguments.get("mlp_layer") == "SwiGLUPacked":
        arguments["mlp_layer"] = timm.layers.SwiGLUPacked
    if "act_layer" in arguments:
        arguments["act_layer"] = {"silu": nn.SiLU, "gelu": nn.GELU}[arguments["act_layer"]]
    if not timm.is_model(config["model"]):
        raise HaikuError(
            f"The installed timm knows no model '{config['model']:.60}': update timm or choose "
            "another encoder."
        )
    try:
        network: nn.Module = timm.create_model(
            config["model"], pretrained=False, num_classes=0, **arguments
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise HaikuError(
            f"timm cannot build '{config['model']:.60}' with the sizes in config.json: "
            "convert the encoder again."
        ) from error
    return network


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a converted encoder's configuration.

    Raises
    ------
    HaikuError
        A value is missing, of the wrong kind or absurd.
    """
    try:
        checked = {
            "architecture": ARCHITECTURE,
            "format": 1,
            "name": _word(config["name"]),
            "kind": _choice(config["kind"], ("timm", "musk")),
            "pool": _choice(config["pool"], POOLS),
            "mean": _three(config["mean"]),
            "std": _three(config["std"]),
            "patch_px": _count(config["patch_px"]),
            "pixel_size_um": _positive(config["pixel_size_um"]),
            "dim": _count(config["dim"]),
        }
        if checked["kind"] == "musk":
            sizes = dict(config["sizes"])
            checked["sizes"] = {
                key: _positive(sizes[key]) if key == "ln_eps" else _count(sizes[key])
                for key in musk_sizes()
            }
        else:
            checked["model"] = _word(config["model"])
            checked["arguments"] = {
                str(key): _argument(str(key), value)
                for key, value in dict(config["arguments"]).items()
            }
    except (KeyError, TypeError, ValueError) as error:
        raise HaikuError(
            "config.json does not describe an H&E encoder that napari-haiku knows "
            f"({str(error)[:80]}): convert the encoder again."
        ) from error
    return checked


def musk_sizes() -> dict[str, Any]:
    """Sizes of the released MUSK vision branch."""
    return asdict(HeSizes())


def check_encoder_weights(
    network: nn.Module, weights: Mapping[str, torch.Tensor], name: str
) -> None:
    """Compare names, shapes and values of weights with an encoder.

    Raises
    ------
    HaikuError
        They do not fit, or hold values that are no finite numbers.
    """
    from napari_haiku.model.published.towers import check_weights

    check_weights(network, dict(weights))
    for key, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float().sum())):
            raise HaikuError(
                f"The weight '{key}' of {name} holds values that are no finite numbers: "
                "download the encoder again."
            )


def _argument(key: str, value: object) -> object:
    if key in _NUMBERS:
        return _positive(value) if isinstance(value, float) else _count(value)
    if key in _FLAGS and isinstance(value, bool):
        return value
    if key in _WORDS:
        return _choice(value, _WORDS[key])
    raise ValueError(f"unknown setting '{key[:40]}'")


def _word(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 120:
        raise TypeError("a name is missing")
    return value


def _choice(value: object, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"'{value!s:.40}' is none of {', '.join(allowed)}")
    return str(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(f"a size is no number from 0 to {LARGEST_NUMBER}")
    return value


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise ValueError("a number is not positive")
    return float(value)


def _three(value: object) -> list[float]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError("colour constants are no three numbers")
    return [_positive(number) for number in value]
