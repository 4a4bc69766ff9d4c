"""Towers that training starts from: those of a compact model that exists already."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_haiku.errors import HaikuError
from napari_haiku.model.compact.model import CompactModel
from napari_haiku.model.loading import load_model
from napari_haiku.model.published.haiku import Haiku

if TYPE_CHECKING:
    from napari_haiku.model.compact.config import CompactConfig
    from napari_haiku.model.compact.network import CompactNetwork

_TABLES = ("mif.marker.weight", "mif.level_mean", "mif.level_spread")
_TEXT = "text."


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
    """Sizes of a model that begins as another: its own, with all markers of the vocabulary."""
    own = model.network.config
    names = dict.fromkeys([*sizes.markers, *own.markers])
    return replace(own, name=sizes.name, markers=tuple(names))


def fill_from(network: CompactNetwork, model: CompactModel) -> None:
    """Give a network the towers of a model; markers it does not know keep their own vectors.

    The text tower is taken over only where both read the same features of a
    caption; else it is fitted anew.
    """
    own = model.network.state_dict()
    state = network.state_dict()
    same_text = model.network.config.text_features == network.config.text_features
    theirs = model.network.config.markers
    with torch.no_grad():
        for name, value in own.items():
            if name in _TABLES:
                rows = network.marker_ids(theirs)
                state[name][rows] = value[model.network.marker_ids(theirs)].to(state[name])
            elif not name.startswith(_TEXT) or same_text:
                state[name].copy_(value)
    network.load_state_dict(state)
