"""The published Haiku model: patches, captions and records in, unit vectors out."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.markers import resolve_marker
from napari_haiku.model.base import TissueModel, Vectors
from napari_haiku.model.devices import Device, choose_device
from napari_haiku.model.published import key_map
from napari_haiku.model.published.bundle import LARGEST_WEIGHTS, Bundle, read_safetensors
from napari_haiku.model.published.config import HaikuConfig, check_marker_name
from napari_haiku.model.published.fingerprint import fingerprint
from napari_haiku.model.published.he_preprocessing import prepare_he
from napari_haiku.model.published.input_checks import check_intensities, check_panels, keep_eval
from napari_haiku.model.published.mif_preprocessing import prepare_mif
from napari_haiku.model.published.precision import Precision, choose_precision
from napari_haiku.model.published.region_scaling import fit_region_scaling, quantise
from napari_haiku.model.published.resampling import to_model_patch
from napari_haiku.model.published.tokenizing import read_tokenizer, token_ids, unknown_words
from napari_haiku.model.published.towers import HaikuTowers, empty_towers, fill_towers
from napari_haiku.model.scaling import ChannelScaling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

CONFIG, WEIGHTS, TOKENIZER, CARD = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "card.json",
)
# Channel images worked on at a time; more only costs memory.
CHANNELS_AT_ONCE = {"cpu": 128, "cuda": 4096, "mps": 512}


class Haiku(TissueModel):
    """Three towers over H&E, mIF and captions; see :class:`TissueModel`.

    mIF patches that are uint8 and come without a scaling are taken as already
    normalised over their region, as the published patches are; all others are
    normalised by the published rule.

    Parameters
    ----------
    towers : HaikuTowers
        Towers with weights, in eval mode.
    config : HaikuConfig
        Sizes and preprocessing.
    tokenizer : Tokenizer or None
        Without one, text cannot be encoded.
    card : mapping
        Where the model comes from.
    device : Device
        Where to work.
    precision : Precision
        Number format.
    fingerprint : str
        Hash of configuration and weights.
    name : str
        Shown to the user.
    """

    any_patch_size = False

    architecture = "haiku"
    # What config.json of the model folder says; a tuned model is written with it.
    stored: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        towers: HaikuTowers,
        config: HaikuConfig,
        tokenizer: Tokenizer | None,
        card: Mapping[str, Any],
        device: Device,
        precision: Precision,
        fingerprint: str,
        name: str,
    ) -> None:
        self.towers = towers.to(device.torch_name).eval()
        self.config = config
        self.tokenizer = tokenizer
        self.card = card
        self.device = precision.shown_with(device)
        self.precision = precision
        self.fingerprint = fingerprint
        self.name = name
        self.dim = config.projection_dim
        self.modalities = frozenset({"he", "mif"} | ({"text"} if config.text else set()))
        self.shared_space = True
        self.pixel_size_um = config.pixel_size_um
        self.patch_px = config.patch_px

    @classmethod
    def from_published(
        cls,
        config: Mapping[str, Any],
        state_dict: Mapping[str, Any],
        *,
        tokenizer: Tokenizer | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> Haiku:
        """Build a model of any size from the published form.

        Parameters
        ----------
        config : mapping
            The published ``config.json``; the sections ``bert_config``, ``mif``
            and ``musk`` are optional and mean the released sizes when absent.
        state_dict : mapping
            Published weights, or a training checkpoint holding them under
            ``model_state_dict``.
        tokenizer : Tokenizer, optional
            For captions.
        device, precision : str
            Where and how to work.

        Raises
        ------
        HaikuError
            Weights and configuration do not belong together; the first few
            missing, unexpected or mis-shaped weights are named.
        """
        sizes, markers, weights = published_weights(config, state_dict)
        return cls._assembled(
            stored_config(config, markers), sizes, weights, tokenizer, {}, device, precision
        )

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", precision: str = "auto") -> Haiku:
        """Open a converted model folder strictly.

        Raises
        ------
        HaikuError
            A file is missing, broken or does not fit the others.
        """
        bundle = Bundle(folder)
        config = bundle.read_json(CONFIG)
        sizes, _ = read_stored_config(config)
        weights = read_safetensors(bundle.need(WEIGHTS, largest=LARGEST_WEIGHTS, what="weights"))
        tokenizer = read_tokenizer(bundle, sizes.text.vocab_size) if sizes.text else None
        card = bundle.read_json(CARD)
        return cls._assembled(config, sizes, weights, tokenizer, card, device, precision)

    @classmethod
    def _assembled(
        cls,
        config: dict[str, Any],
        sizes: HaikuConfig,
        weights: dict[str, torch.Tensor],
        tokenizer: Tokenizer | None,
        card: Mapping[str, Any],
        device: str,
        precision: str,
    ) -> Haiku:
        _, markers = read_stored_config(config)
        towers = fill_towers(empty_towers(sizes, markers), weights)
        chosen = choose_device(device)
        model = cls(
            towers,
            sizes,
            tokenizer,
            card,
            chosen,
            choose_precision(precision, chosen.torch_name),
            fingerprint(config, weights),
            str(config["name"]),
        )
        model.stored = config
        return model

    @property
    def marker_names(self) -> tuple[str, ...]:
        """Markers with a vector of their own."""
        return self.towers.mif.markers.names

    def unknown_markers(self, markers: Sequence[str]) -> tuple[str, ...]:
        """Markers of a panel the model has never seen; each is read as a zero vector."""
        return tuple(m for m in markers if not self.towers.mif.markers.knows(self._spelt(m)))

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of `text` that the text tower can only read as unknown."""
        return unknown_words(self.tokenizer, text) if self.tokenizer is not None else ()

    def fit_scaling(self, overview: NDArray[Any], mask: NDArray[np.bool_] | None) -> ChannelScaling:
        """Intensity limits of each channel by the published region rule.

        The rule reads a histogram, so a coarse level of the slide serves.
        """
        return fit_region_scaling(overview, mask)

    def encode_mif(
        self,
        patches: NDArray[Any],
        markers: Sequence[str],
        pixel_size: float,
        *,
        scaling: ChannelScaling | None = None,
        batch_size: int = 64,
    ) -> Vectors:
        """Encode mIF patches of one panel; see :meth:`TissueModel.encode_mif`."""
        patches = np.asarray(patches)
        check_intensities(patches, markers)
        if patches.dtype == np.uint8 and scaling is None and patches.ndim == 4:
            # Published patches are normalised over their region already: keep every grey level.
            scaling = ChannelScaling((0.0,) * patches.shape[1], (255.0,) * patches.shape[1])
        return super().encode_mif(
            patches, markers, pixel_size, scaling=scaling, batch_size=batch_size
        )

    def encode_mif_panels(
        self,
        patches: Sequence[NDArray[Any]],
        panels: Sequence[Sequence[str]],
        pixel_size: float,
        *,
        scalings: Sequence[ChannelScaling] | None = None,
    ) -> Vectors:
        """Encode patches of different panels in one batch.

        Parameters
        ----------
        patches : sequence of ndarray, each (c, h, w)
            Stored intensities, or region-normalised uint8.
        panels : sequence of sequences of str
            Marker names of each patch.
        pixel_size : float
            Pixel size in um.
        scalings : sequence of ChannelScaling, optional
            Intensity limits of each patch's slide.

        Returns
        -------
        ndarray of float32, shape (n, dim)
            Unit rows.

        Raises
        ------
        HaikuError
            Patches, panels and channels differ in number.
        """
        self._need("mif")
        check_panels(patches, panels, pixel_size, scalings)
        if not len(patches):
            return np.empty((0, self.dim), np.float32)
        keep_eval(self.towers)
        with torch.inference_mode():
            ready = []
            for number, patch in enumerate(patches):
                array = np.asarray(patch)
                scaling = None if scalings is None else scalings[number]
                if scaling is None and array.dtype != np.uint8:
                    scaling = self.fit_scaling(array, None)
                ready.append(self._mif_tiles(array[None], pixel_size, scaling)[0])
            names = [[self._spelt(m) for m in panel] for panel in panels]
            with self.precision.context(self.device.torch_name):
                vectors = self.towers.embed_mif(ready, names)
        return vectors.float().cpu().numpy()

    def _he_vectors(self, patches: NDArray[np.uint8], pixel_size: float) -> torch.Tensor:
        keep_eval(self.towers)
        images = torch.from_numpy(np.array(patches)).to(self.device.torch_name)
        images = to_model_patch(
            images.permute(0, 3, 1, 2).float(),
            pixel_size,
            self.pixel_size_um,
            self.patch_px,
            what="H&E",
        )
        ready = prepare_he(images.permute(0, 2, 3, 1), self.config.he.img_size)
        with self.precision.context(self.device.torch_name):
            return self.towers.embed_he(ready)

    def _mif_vectors(
        self,
        patches: NDArray[Any],
        markers: tuple[str, ...],
        pixel_size: float,
        scaling: ChannelScaling | None,
    ) -> torch.Tensor:
        keep_eval(self.towers)
        names = [self._spelt(marker) for marker in markers]
        limit = CHANNELS_AT_ONCE.get(self.device.torch_name.split(":")[0], 128)
        step = max(1, limit // (len(names) + 1))
        parts = []
        for start in range(0, len(patches), step):
            tiles = self._mif_tiles(patches[start : start + step], pixel_size, scaling)
            with self.precision.context(self.device.torch_name):
                parts.append(self.towers.embed_mif(list(tiles), [names] * len(tiles)))
        return torch.cat(parts)

    def _mif_tiles(
        self, patches: NDArray[Any], pixel_size: float, scaling: ChannelScaling | None
    ) -> torch.Tensor:
        numbers = torch.from_numpy(np.array(patches, dtype=np.float32)).to(self.device.torch_name)
        images = to_model_patch(numbers, pixel_size, self.pixel_size_um, self.patch_px, what="mIF")
        if scaling is not None:
            images = quantise(images, scaling)
        return prepare_mif(images, self.config.mif.patch_size)

    def _text_vectors(self, captions: list[str]) -> torch.Tensor:
        if self.tokenizer is None or self.config.text is None:
            raise HaikuError(
                f"The model {self.name} was built without a tokenizer and cannot read captions: "
                "load it from a folder with tokenizer.json."
            )
        keep_eval(self.towers)
        length = min(self.config.text_length, self.config.text.max_position_embeddings)
        ids, mask = token_ids(self.tokenizer, captions, length)
        with self.precision.context(self.device.torch_name):
            return self.towers.embed_text(
                ids.to(self.device.torch_name), mask.to(self.device.torch_name)
            )

    def _spelt(self, marker: str) -> str:
        """Spell a marker as the table does: as given, else by its canonical name."""
        if self.towers.mif.markers.knows(marker):
            return marker
        return resolve_marker(marker).canonical or marker


def published_weights(
    config: Mapping[str, Any], state_dict: Mapping[str, Any]
) -> tuple[HaikuConfig, tuple[str, ...], dict[str, torch.Tensor]]:
    """Check and translate the published form.

    Returns
    -------
    sizes : HaikuConfig
        What `config` describes.
    markers : tuple of str
        Rows of the marker table.
    weights : dict
        This package's weights.

    Raises
    ------
    HaikuError
        Weights and configuration do not belong together.
    """
    sizes = HaikuConfig.from_published(config)
    state = key_map.plain_state_dict(state_dict)
    found = key_map.marker_pieces(list(state))
    differences = key_map.expected_markers(sizes, found)
    for kind, names in differences.items():
        if names:
            raise HaikuError(
                f"The marker vectors are not those config.json lists ({len(names)} {kind}: "
                f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}): "
                "give weights and config.json of one bundle."
            )
    towers = empty_towers(sizes, tuple(found))
    pieces = key_map.published_pieces(sizes, towers, found)
    return sizes, tuple(found), key_map.translate(state, pieces, towers)


def stored_config(published: Mapping[str, Any], markers: Sequence[str]) -> dict[str, Any]:
    """``config.json`` of a converted model."""
    default = "Haiku" if published.get("use_text", True) else "Haiku-Bi"
    return {
        "architecture": Haiku.architecture,
        "format": 1,
        "name": str(published.get("model_name", default))[:60],
        "published": dict(published),
        "markers": list(markers),
    }


def read_stored_config(config: Mapping[str, Any]) -> tuple[HaikuConfig, tuple[str, ...]]:
    """Sizes and marker rows of a converted model's ``config.json``.

    Raises
    ------
    HaikuError
        It is not of this form.
    """
    markers = config.get("markers")
    if config.get("format") != 1 or not isinstance(markers, list) or "name" not in config:
        raise HaikuError(
            "config.json is not of the form that napari-haiku convert writes: "
            "convert the bundle again."
        )
    names = tuple(check_marker_name(name, "config.json") for name in markers)
    return HaikuConfig.from_published(config.get("published", {})), names
