"""The compact model: loading, saving and encoding."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from tokenizers import Tokenizer

from napari_haiku.errors import HaikuError
from napari_haiku.model.base import TissueModel
from napari_haiku.model.compact.caption_reader import CaptionReader
from napari_haiku.model.compact.config import ARCHITECTURE, CompactConfig
from napari_haiku.model.compact.network import CompactNetwork
from napari_haiku.model.compact.preprocessing import he_input, mif_input
from napari_haiku.model.compact.text_heads import TextHeads
from napari_haiku.model.compact.words import unknown_words
from napari_haiku.model.devices import Device, choose_device
from napari_haiku.storage import write_bytes, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.model.scaling import ChannelScaling

CONFIG, WEIGHTS, TOKENIZER, CARD = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "card.json",
)


class CompactModel(TissueModel):
    """A model of kind "compact"; see :class:`napari_haiku.model.base.TissueModel`."""

    architecture = ARCHITECTURE

    def __init__(
        self,
        network: CompactNetwork,
        tokenizer: Tokenizer,
        card: Mapping[str, Any],
        device: Device,
        fingerprint: str,
        *,
        text_heads: TextHeads | None = None,
    ) -> None:
        config = network.config
        self.network = network.to(device.torch_name).eval()
        self.network.he.to(memory_format=torch.channels_last)
        self.tokenizer = tokenizer
        self.card = card
        self.device = device
        self.fingerprint = fingerprint
        self.name = config.name
        self.dim = config.dim + config.record_dim
        self.reader = CaptionReader(config.text_features)
        self.text_heads = text_heads
        self.n_text_heads = 0 if text_heads is None else len(text_heads)
        self.modalities = frozenset({"he", "mif"} | ({"text"} if config.text_features else set()))
        self.shared_space = True
        self.pixel_size_um = config.pixel_size_um
        self.patch_px = config.patch_px

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> CompactModel:
        """Open a model folder strictly.

        Raises
        ------
        HaikuError
            A file is missing, broken or does not fit the others.
        """
        parts = {}
        for name in (CONFIG, WEIGHTS, TOKENIZER, CARD):
            file = folder / name
            if not file.is_file():
                raise HaikuError(f"The model folder {folder.name} has no {name}: copy it again.")
            parts[name] = file.read_bytes()
        try:
            config = CompactConfig.from_json(json.loads(parts[CONFIG]))
            card = json.loads(parts[CARD])
            tokenizer = Tokenizer.from_str(parts[TOKENIZER].decode("utf-8"))
            tensors = load_tensors(parts[WEIGHTS])
        except HaikuError:
            raise
        except SafetensorError as error:
            raise _broken(folder, WEIGHTS) from error
        except Exception as error:  # tokenizers raises plain Exception for a broken file
            raise _broken(folder, f"{CONFIG}, {CARD} or {TOKENIZER}") from error
        network = CompactNetwork(config)
        _load_strictly(network, tensors, folder.name)
        return cls(
            network,
            tokenizer,
            card,
            choose_device(device),
            fingerprint(parts[CONFIG], tensors),
            text_heads=TextHeads.load(
                folder,
                len(config.text_features),
                network.text.head.out_features,
                filled=config.text_filled,
            ),
        )

    def save(self, folder: Path) -> None:
        """Write the model folder, weights in float16, each file whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {key: value.detach().cpu() for key, value in self.network.state_dict().items()}
        halved = {
            key: (value.half() if value.is_floating_point() else value).contiguous()
            for key, value in state.items()
        }
        write_bytes(folder / WEIGHTS, save_tensors(halved))
        write_text(folder / TOKENIZER, self.tokenizer.to_str(pretty=True) + "\n")
        write_json(folder / CARD, dict(self.card))
        if self.text_heads is not None:
            self.text_heads.save(folder)
        write_json(folder / CONFIG, self.network.config.to_json())

    def read_um(self, modality: str) -> float:
        """Pixel size (um) of what a tower reads: H&E may be read finer."""
        zoom = self.network.config.he_zoom if modality == "he" else 1
        return self.pixel_size_um / zoom

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of `text` that the text tower has never read."""
        return unknown_words(self.tokenizer, text)

    def unknown_markers(self, markers: Sequence[str]) -> tuple[str, ...]:
        """Markers of a panel that the mIF tower has never seen, by name."""
        known = set(self.network.config.markers)
        return tuple(name for name in markers if name not in known)

    def _he_vectors(self, patches: NDArray[np.uint8], pixel_size: float) -> torch.Tensor:
        multiple = 16 * self.network.config.he_zoom
        image = he_input(patches, pixel_size, self.read_um("he"), multiple)
        return self.network.embed_he(image.to(self.device.torch_name))

    def _mif_vectors(
        self,
        patches: NDArray[Any],
        markers: tuple[str, ...],
        pixel_size: float,
        scaling: ChannelScaling | None,
    ) -> torch.Tensor:
        config = self.network.config
        scaling = scaling or self.fit_scaling(np.moveaxis(patches, 1, 0), None)
        cells = mif_input(scaling.apply(patches), pixel_size, config.pixel_size_um, config.cell_px)
        ids = self.network.marker_ids(markers)
        log_range = torch.from_numpy(scaling.log_range).to(ids.device)
        return self.network.embed_mif(cells.to(self.device.torch_name), ids, log_range)

    def _text_vectors(self, captions: list[str]) -> torch.Tensor:
        features = torch.from_numpy(self.reader.read(captions))
        return self.network.embed_text(features.to(self.device.torch_name))

    def _text_head_vectors(self, captions: list[str]) -> NDArray[np.float32]:
        if self.text_heads is None:
            return super()._text_head_vectors(captions)
        return self.text_heads.read(self.reader.read(captions))


def fingerprint(config: bytes, tensors: Mapping[str, torch.Tensor]) -> str:
    """Hash a model's configuration and weights."""
    digest = hashlib.sha256(json.dumps(json.loads(config), sort_keys=True).encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(
            tensors[key].contiguous().view(torch.uint8).numpy().tobytes()
            if tensors[key].ndim
            else str(tensors[key].item()).encode()
        )
    return digest.hexdigest()


def _load_strictly(network: CompactNetwork, tensors: dict[str, torch.Tensor], name: str) -> None:
    wanted = network.state_dict()
    missing = sorted(set(wanted) - set(tensors))
    foreign = sorted(set(tensors) - set(wanted))
    shapes = [key for key in wanted if key in tensors and wanted[key].shape != tensors[key].shape]
    for problem, keys in (
        ("lacks", missing),
        ("does not know", foreign),
        ("has other sizes for", shapes),
    ):
        if keys:
            raise HaikuError(
                f"The weights in {name} do not fit its config.json: the model {problem} "
                f"{', '.join(keys[:3])}; copy the model folder again."
            )
    broken = [
        key
        for key, value in tensors.items()
        if value.is_floating_point() and not value.isfinite().all()
    ]
    if broken:
        raise HaikuError(
            f"The weights in {name} hold values that are no numbers ({broken[0]}): "
            "copy the model folder again."
        )
    network.load_state_dict(tensors)


def _broken(folder: Path, what: str) -> HaikuError:
    return HaikuError(f"{what} in the model folder {folder.name} cannot be read: copy it again.")
