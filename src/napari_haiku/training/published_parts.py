"""The published towers cut in two: what is frozen runs once, the rest is tuned.

Everything before the first tuned layer of a tower gives the same output every
time; it is computed once for each patch and kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.model.published.config import HaikuConfig
    from napari_haiku.model.published.towers import HaikuTowers

# The last layers of H&E and text tower that the authors tuned.
_TUNED_LAYERS = 2
HEADS = ("he_head", "mif_head", "text_head")
PUBLISHED_RATES = {
    "text": 5e-6,
    "mif": 1e-5,
    "he": 1e-5,
    "he_head": 1e-4,
    "mif_head": 1e-4,
    "text_head": 1e-4,
}


def published_tune(config: HaikuConfig) -> tuple[str, ...]:
    """Names of what the authors tuned: the mIF tower is frozen, of the others the last layers."""
    last = range(max(0, config.he.layers - _TUNED_LAYERS), config.he.layers)
    names = ["he_head", "mif_head", *(f"he.trunk.blocks.{i}" for i in last), "he.head"]
    if config.text is not None:
        count = config.text.num_hidden_layers
        layers = range(max(0, count - _TUNED_LAYERS), count)
        names += ["text_head", *(f"text.bert.encoder.layer.{i}" for i in layers)]
    return tuple(names)


def published_rates(config: HaikuConfig) -> dict[str, float]:
    """Learning rates of the authors."""
    absent = () if config.text is not None else ("text", "text_head")
    return {name: rate for name, rate in PUBLISHED_RATES.items() if name not in absent}


class CutTower:
    """One tower, cut before its first tuned layer.

    Parameters
    ----------
    towers : HaikuTowers
        With what is tuned asking for a gradient.
    modality : {"he", "mif", "text"}

    Attributes
    ----------
    layer : int or None
        First layer that is tuned; None where the whole tower is frozen, so that
        its output is kept.

    Raises
    ------
    HaikuError
        Something is tuned that lies before the layers: its output would have to
        be computed anew at every step, from images that are not kept.
    """

    def __init__(self, towers: HaikuTowers, modality: str) -> None:
        self.modality = modality
        self.tower: nn.Module = towers.get_submodule(modality)
        self.head: nn.Module = towers.get_submodule(f"{modality}_head")
        tuned = [name for name, p in self.tower.named_parameters() if p.requires_grad]
        self.layer = self._first_layer(tuned)

    def _first_layer(self, tuned: Sequence[str]) -> int | None:
        if not tuned:
            return None
        pattern = {"he": r"trunk\.blocks\.(\d+)\.", "text": r"bert\.encoder\.layer\.(\d+)\."}
        after = {"he": ("trunk.norm.", "head."), "text": ()}
        first = len(self._layers()) if self.modality in pattern else 0
        for name in tuned:
            found = re.match(pattern.get(self.modality, r"(?!)"), name)
            if found:
                first = min(first, int(found[1]))
            elif not name.startswith(after.get(self.modality) or ("\0",)):
                raise HaikuError(
                    f"'{self.modality}.{name}' lies before the layers whose outputs are kept and "
                    "cannot be tuned here: name layers of the H&E or text tower, or heads."
                )
        return first

    def _layers(self) -> list[nn.Module]:
        name = "trunk.blocks" if self.modality == "he" else "bert.encoder.layer"
        layers = self.tower.get_submodule(name)
        assert isinstance(layers, nn.ModuleList | nn.Sequential)  # noqa: S101  for the type checker
        return list(layers)

    @torch.no_grad()
    def before_he(self, images: Tensor) -> Tensor:
        """Return what prepared images are before the first tuned layer, or the tower's output."""
        if self.layer is None:
            out: Tensor = self.tower(images)
            return out
        trunk: Any = self.tower.get_submodule("trunk")
        x: Tensor = trunk.patch_embed(images)
        x = torch.cat([trunk.cls_token.expand(len(x), -1, -1), x], 1)
        if trunk.pos_embed is not None:
            x = x + trunk.pos_embed
        for block in self._layers()[: self.layer]:
            x = block(x)
        return x

    @torch.no_grad()
    def before_mif(self, tiles: list[Tensor], markers: list[list[str]]) -> Tensor:
        """Output of the mIF tower, shape (n, width)."""
        out: Tensor = self.tower.embed(tiles, markers)  # type: ignore[operator]
        return out

    @torch.no_grad()
    def before_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return what captions are before the first tuned layer, or the tower's output."""
        if self.layer is None:
            out: Tensor = self.tower(ids, mask)
            return out
        bert = self.tower.get_submodule("bert")
        x: Tensor = bert.embeddings(input_ids=ids)  # type: ignore[operator]
        for layer in self._layers()[: self.layer]:
            x = _through(layer, x, mask)
        return x

    def after(self, kept: Tensor, mask: Tensor | None = None) -> Tensor:
        """From what was kept to the head's output, shape (n, dim), not normalised."""
        return self.head(self._rest(kept, mask))  # type: ignore[no-any-return]

    def _rest(self, kept: Tensor, mask: Tensor | None) -> Tensor:
        if self.layer is None:
            return kept
        x = kept
        if self.modality == "he":
            for block in self._layers()[self.layer :]:
                x = block(x)
            normed = self.tower.get_submodule("trunk.norm")(x)
            return nn.functional.normalize(self.tower.get_submodule("head")(normed[:, 0]), dim=-1)
        assert mask is not None  # noqa: S101  captions come with one
        for layer in self._layers()[self.layer :]:
            x = _through(layer, x, mask)
        weights = mask[..., None].to(x.dtype)
        return nn.functional.normalize(
            (x * weights).sum(1) / weights.sum(1).clamp(min=1e-9), dim=-1
        )


def _through(layer: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    out = layer(x, _additive(mask, x))
    # Earlier versions of transformers return a tuple.
    rows: Tensor = out[0] if isinstance(out, tuple) else out
    return rows


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    """Mask of attended tokens as what is added to attention scores."""
    away = torch.finfo(like.dtype).min
    return ((1 - mask[:, None, None].to(like.dtype)) * away).to(like.dtype)
