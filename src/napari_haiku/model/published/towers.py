"""The three towers and their heads as one module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_haiku.errors import HaikuError
from napari_haiku.model.published.he_tower import HeTower
from napari_haiku.model.published.heads import ProjectionHead, unit_rows
from napari_haiku.model.published.mif_tower import MifTower
from napari_haiku.model.published.text_tower import TextTower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.model.published.config import HaikuConfig


class HaikuTowers(nn.Module):
    """Towers and heads; tensors in, head outputs (not normalised) out.

    Parameters
    ----------
    config : HaikuConfig
        Sizes.
    marker_names : sequence of str
        Markers with a vector of their own.
    """

    def __init__(self, config: HaikuConfig, marker_names: Sequence[str]) -> None:
        super().__init__()
        self.mif = MifTower(config.mif, marker_names, config.marker_dim)
        self.mif_head = ProjectionHead(config.mif.dim, config.projection_dim)
        self.he = HeTower(config.he)
        self.he_head = ProjectionHead(config.he.dim, config.projection_dim)
        if config.text is not None:
            self.text = TextTower(config.text)
            self.text_head = ProjectionHead(config.text.hidden_size, config.projection_dim)

    def project_mif(
        self, tiles: Sequence[torch.Tensor], markers: Sequence[Sequence[str]]
    ) -> torch.Tensor:
        """Project mIF tiles; shape (n, dim). Follows gradients when they are asked for."""
        if torch.is_grad_enabled() and any(p.requires_grad for p in self.mif.parameters()):
            features = self.mif(tiles, markers).embedding
        else:
            features = self.mif.embed(tiles, markers)
        projected: torch.Tensor = self.mif_head(features)
        return projected

    def project_he(self, images: torch.Tensor) -> torch.Tensor:
        """Project prepared H&E images (n, 3, size, size); shape (n, dim)."""
        projected: torch.Tensor = self.he_head(self.he(images))
        return projected

    def project_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Project token ids with their attention mask; shape (n, dim)."""
        projected: torch.Tensor = self.text_head(self.text(ids, mask))
        return projected

    def embed_mif(
        self, tiles: Sequence[torch.Tensor], markers: Sequence[Sequence[str]]
    ) -> torch.Tensor:
        """Embed mIF tiles as unit vectors, shape (n, dim)."""
        return unit_rows(self.project_mif(tiles, markers))

    def embed_he(self, images: torch.Tensor) -> torch.Tensor:
        """Embed prepared H&E images as unit vectors, shape (n, dim)."""
        return unit_rows(self.project_he(images))

    def embed_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed token ids as unit vectors, shape (n, dim)."""
        return unit_rows(self.project_text(ids, mask))


def empty_towers(config: HaikuConfig, marker_names: Sequence[str]) -> HaikuTowers:
    """Towers whose weights take no memory yet; fill them with :func:`fill_towers`."""
    with torch.device("meta"):
        return HaikuTowers(config, marker_names)


def fill_towers(towers: HaikuTowers, weights: dict[str, torch.Tensor]) -> HaikuTowers:
    """Put weights into empty towers, strictly, and set them to eval without gradients.

    Raises
    ------
    HaikuError
        A weight is missing, unexpected, mis-shaped or not finite; the first few
        are named.
    """
    check_weights(towers, weights)
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.sum())):
            raise HaikuError(
                f"The weight '{name}' holds values that are no finite numbers: "
                "convert the bundle again."
            )
    towers.load_state_dict(weights, strict=True, assign=True)
    _fill_positions(towers)
    towers.requires_grad_(False).eval()
    return towers


def check_weights(towers: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Compare names, shapes and kinds of weights with the towers, without loading them.

    Raises
    ------
    HaikuError
        They differ; the first few are named.
    """
    expected = towers.state_dict()
    missing = [name for name in expected if name not in weights]
    unexpected = [name for name in weights if name not in expected]
    if missing or unexpected:
        raise HaikuError(
            f"The weights do not fit the configuration: {name_some('missing', missing)}"
            f"{' and ' if missing and unexpected else ''}"
            f"{name_some('unexpected', unexpected)}; convert the bundle again."
        )
    for name, tensor in weights.items():
        want = expected[name]
        if tensor.shape != want.shape or tensor.is_floating_point() != want.is_floating_point():
            raise HaikuError(
                f"The weight '{name}' is {describe(tensor)} but the configuration needs "
                f"{describe(want)}: config.json and weights are of different models."
            )


def name_some(adjective: str, names: Sequence[str]) -> str:
    """Phrase such as "3 missing ('a', 'b', ...)"; empty for no names."""
    if not names:
        return ""
    shown = ", ".join(f"'{name[:100]}'" for name in list(names)[:3])
    return f"{len(names)} {adjective} ({shown}{', ...' if len(names) > 3 else ''})"


def describe(tensor: torch.Tensor) -> str:
    """Phrase such as "float32 of shape 3 x 4"."""
    shape = " x ".join(str(size) for size in tensor.shape) or "one number"
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {shape}"


def _fill_positions(towers: HaikuTowers) -> None:
    """Give BERT's two index tables, which no checkpoint holds, their values."""
    for name, buffer in list(towers.named_buffers()):
        if not buffer.is_meta:
            continue
        parent = towers.get_submodule(name.rpartition(".")[0])
        leaf = name.rpartition(".")[2]
        if leaf == "position_ids":
            parent.register_buffer(
                leaf, torch.arange(buffer.shape[-1]).expand(buffer.shape), persistent=False
            )
        elif leaf == "token_type_ids":
            parent.register_buffer(
                leaf, torch.zeros(buffer.shape, dtype=torch.long), persistent=False
            )
        else:
            raise HaikuError(
                f"This version of timm or transformers keeps a table '{name}' that napari-haiku "
                "does not know: install the versions that the extra 'published' asks for."
            )
