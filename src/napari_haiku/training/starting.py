"""Towers that training starts from: those of a compact model that exists already."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_haiku.errors import HaikuError
from napari_haiku.model.compact.model import CompactModel
from napari_haiku.model.compact.network import TABLES
from napari_haiku.model.loading import load_model
from napari_haiku.model.published.haiku import Haiku

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from napari_haiku.model.compact.config import CompactConfig
    from napari_haiku.model.compact.network import CompactNetwork

_TABLES = tuple(f"mif.{name}" for name in TABLES)
_TEXT = ("text.", "record.")
_CONVOLUTIONS = "he.features."
_POOLED = "he.head.0.weight"


def open_start(name: str, folder: Path) -> CompactModel | Haiku:
    """Open the model that training starts from.

    Parameters
    ----------
    name : str
        A name, or a folder; looked for in `folder` first.
    folder : Path
        What a folder may be relative to.

    Raises
    ------
    HaikuError
        It cannot be opened, or is of a kind that cannot be trained.
    """
    place = folder / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = load_model(place if place.is_dir() else name, device="cpu", precision="fp32")
    if not isinstance(model, CompactModel | Haiku):
        raise HaikuError(
            f"The model {model.name} has an H&E tower alone and cannot be trained here: start from "
            "a compact model, or from one of the published architecture."
        )
    return model


def start_sizes(model: CompactModel, sizes: CompactConfig) -> CompactConfig:
    """Sizes of a model that begins as another: its own, with all markers of the vocabulary.

    It may read its H&E finer than that one did, with more residual blocks.
    """
    own = model.network.config
    names = dict.fromkeys([*sizes.markers, *own.markers])
    zoom = max(own.he_zoom, sizes.he_zoom)
    return replace(
        own,
        name=sizes.name,
        markers=tuple(names),
        he_zoom=zoom,
        he_blocks=max(own.he_blocks, sizes.he_blocks),
        record_dim=sizes.record_dim,
        text_filled=sizes.text_filled,
    )


def fill_from(network: CompactNetwork, model: CompactModel) -> None:
    """Give a network the towers of a model; markers it does not know keep their own vectors.

    The text tower is taken over only where both read the same features of a
    caption; else it is fitted anew. So are the first convolutions of an H&E
    tower that reads finer than the one it starts from.
    """
    own = model.network.state_dict()
    if network.config.he_zoom != model.network.config.he_zoom:
        own = dict(_later_convolutions(own))
    state = network.state_dict()
    was, now = model.network.config, network.config
    same_text = all(
        getattr(was, name) == getattr(now, name)
        for name in ("text_features", "record_dim", "text_filled")
    )
    theirs = model.network.config.markers
    with torch.no_grad():
        for name, value in own.items():
            if name in _TABLES:
                named = [m for m in theirs if name.endswith(".weight") or _knows(model, name, m)]
                rows = network.marker_ids(tuple(named))
                state[name][rows] = value[model.network.marker_ids(tuple(named))].to(state[name])
            elif name == _POOLED and value.shape != state[name].shape:
                # What the new blocks make of the places counts for nothing at first.
                state[name].zero_()
                state[name][:, : value.shape[1]] = value
            elif not name.startswith(_TEXT) or same_text:
                state[name].copy_(value)
    network.load_state_dict(state)


def _knows(model: CompactModel, name: str, marker: str) -> bool:
    """Whether a model was told what is usual of a marker."""
    table = name.removeprefix("mif.").removesuffix("_mean").removesuffix("_spread")
    row = model.network.marker_ids((marker,))
    return bool(getattr(model.network.mif, f"{table}_spread")[row] > 0)


def _later_convolutions(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Parameters under the names they have where one more convolution stands in front."""
    for name, value in state.items():
        if not name.startswith(_CONVOLUTIONS):
            yield name, value
            continue
        number, rest = name.removeprefix(_CONVOLUTIONS).split(".", 1)
        # The first one reads colours, its successor the maps of the one before it.
        if int(number) > 0:
            yield f"{_CONVOLUTIONS}{int(number) + 1}.{rest}", value
