"""From the published names of weights to this package's, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from napari_haiku.errors import HaikuError
from napari_haiku.model.published.config import HaikuConfig, check_marker_name
from napari_haiku.model.published.towers import HaikuTowers, describe, name_some

MIF = "codex_encoder.encoder."
HE = "he_encoder.encoder."
TEXT = "text_encoder.text_encoder."
MARKERS = MIF + "protein_emb."
# Look-up order of the published model: the first table that has a name wins.
MARKER_TABLES = ("esm_embeddings", "learnable_embeddings", "dynamic_embeddings")
# BEiT-3 starts counting positions at 2; the rows before are never read.
UNUSED_POSITIONS = 2

_UNUSED = re.compile(
    "|".join(
        (
            re.escape(HE) + r"(?:logit_scale|language_head\.weight|beit3\.text_embed\.weight)",
            re.escape(HE) + r"beit3\.vision_embed\.mask_token",
            re.escape(HE) + r"beit3\.encoder\..+\.B\..+",
            re.escape(HE) + r"beit3\.encoder\.layers\.\d+\.ffn\.B\..+",
            re.escape(TEXT) + r"(?:pooler\.dense\.(?:weight|bias)|embeddings\.position_ids)",
            re.escape(MIF) + r"protein_encoder\.(?:weight|bias)",
            re.escape(MIF) + r"encoder\.\d+\..+\.pos_emb\.rope1d\.(?:sin|cos)",
        )
    )
)


@dataclass(frozen=True)
class Piece:
    """One published tensor and the place of its numbers in this package's weights.

    Parameters
    ----------
    published, ours : str
        The two names.
    rows : tuple of int or None
        First and last (exclusive) row it fills; None fills the whole tensor.
    kind : str
        ``"whole"``, ``"row"`` (a vector that is one row of a table) or
        ``"positions"`` (a table whose first two rows are never used).
    """

    published: str
    ours: str
    rows: tuple[int, int] | None = None
    kind: str = "whole"


def is_unused(key: str) -> bool:
    """Whether inference never reads this published weight."""
    return _UNUSED.fullmatch(key) is not None


def plain_state_dict(loaded: object) -> dict[str, torch.Tensor]:
    """Find the flat dictionary of tensors inside a published file or training checkpoint.

    Raises
    ------
    HaikuError
        It is no dictionary of dense tensors.
    """
    if isinstance(loaded, Mapping) and isinstance(loaded.get("model_state_dict"), Mapping):
        loaded = loaded["model_state_dict"]
    if not isinstance(loaded, Mapping) or not loaded:
        raise HaikuError(
            "The weights file holds no dictionary of weights: give the published "
            "haiku_state_dict.pt or a training checkpoint with model_state_dict."
        )
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise HaikuError(
                f"The weights file holds {type(value).__name__} under '{key!s:.100}' where a "
                "tensor is expected: give the published haiku_state_dict.pt."
            )
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            raise HaikuError(
                f"The weight '{key:.100}' is sparse, quantised or complex: "
                "give the published full-precision weights."
            )
    if all(key.startswith("module.") for key in loaded):
        return {key.removeprefix("module."): value for key, value in loaded.items()}
    return dict(loaded)


def marker_pieces(keys: Sequence[str]) -> dict[str, str]:
    """Marker name to the published key of its vector, in table order.

    Raises
    ------
    HaikuError
        A key holds something that is no marker name.
    """
    found: dict[str, str] = {}
    for table in MARKER_TABLES:
        prefix = f"{MARKERS}{table}."
        for key in sorted(k for k in keys if k.startswith(prefix)):
            name = check_marker_name(key.removeprefix(prefix), "The weights file")
            found.setdefault(name, key)
    return found


def published_pieces(
    config: HaikuConfig, towers: HaikuTowers, markers: Mapping[str, str]
) -> tuple[Piece, ...]:
    """Every piece the towers are made of.

    Parameters
    ----------
    config : HaikuConfig
        Sizes.
    towers : HaikuTowers
        Towers of those sizes (they may be empty); they tell the names on our side.
    markers : mapping
        Marker name to published key, in the order of the towers' marker table.
    """
    pieces = [*_mif(config, markers), *_he(config)]
    heads = {"mif_head": "codex_projection", "he_head": "he_projection"}
    if config.text is not None:
        heads["text_head"] = "text_projection"
        pieces += [
            Piece(TEXT + name.removeprefix("text.bert."), name)
            for name in towers.state_dict()
            if name.startswith("text.bert.")
        ]
    for name in towers.state_dict():
        head, _, rest = name.partition(".")
        if head in heads:
            pieces.append(Piece(f"{heads[head]}.{rest}", name))
    return tuple(pieces)


def translate(
    state: Mapping[str, torch.Tensor], pieces: Sequence[Piece], towers: nn.Module
) -> dict[str, torch.Tensor]:
    """Rename, join and drop, strictly.

    Parameters
    ----------
    state : mapping
        Published weights.
    pieces : sequence of Piece
        From :func:`published_pieces`.
    towers : HaikuTowers
        For the expected shapes.

    Returns
    -------
    dict
        This package's weights in float32, counts as they are.

    Raises
    ------
    HaikuError
        A weight is missing, unexpected or mis-shaped; the first few are named.
    """
    check_pieces(state, pieces, towers)
    expected = towers.state_dict()
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in expected}
    for piece in pieces:
        parts[piece.ours].append(_numbers(piece, state[piece.published]))
    return {
        name: given[0] if len(given) == 1 else torch.cat(given)
        for name, given in parts.items()
        if given
    } | {name: torch.zeros(expected[name].shape) for name, given in parts.items() if not given}


def check_pieces(
    state: Mapping[str, torch.Tensor], pieces: Sequence[Piece], towers: nn.Module
) -> None:
    """Compare published names and shapes with the pieces, without reading a number.

    Raises
    ------
    HaikuError
        A weight is missing, unexpected or mis-shaped; the first few are named.
    """
    wanted = {piece.published for piece in pieces}
    shadowed = {key for key in state if key.startswith(MARKERS) and _in_tables(key)}
    missing = [piece.published for piece in pieces if piece.published not in state]
    unexpected = [
        key for key in state if key not in wanted and key not in shadowed and not is_unused(key)
    ]
    if missing or unexpected:
        raise HaikuError(
            f"The weights are not those of the model in config.json: "
            f"{name_some('missing', missing)}{' and ' if missing and unexpected else ''}"
            f"{name_some('unexpected', unexpected)}; give weights and config.json of one bundle."
        )
    expected = towers.state_dict()
    for piece in pieces:
        _check_shape(piece, state[piece.published], expected[piece.ours])


def _in_tables(key: str) -> bool:
    return key.removeprefix(MARKERS).partition(".")[0] in MARKER_TABLES


def _check_shape(piece: Piece, given: torch.Tensor, want: torch.Tensor) -> None:
    shape = list(want.shape)
    if piece.kind == "row":
        shape = shape[1:]
    elif piece.kind == "positions":
        shape = [shape[1] + UNUSED_POSITIONS, shape[2]]
    elif piece.rows is not None:
        shape[0] = piece.rows[1] - piece.rows[0]
    if list(given.shape) != shape or given.is_floating_point() != want.is_floating_point():
        needed = torch.empty(shape, dtype=want.dtype, device="meta")
        raise HaikuError(
            f"The weight '{piece.published}' is {describe(given)} but config.json needs "
            f"{describe(needed)}: give weights and config.json of one bundle."
        )


def _numbers(piece: Piece, given: torch.Tensor) -> torch.Tensor:
    numbers = given.detach()
    if numbers.is_floating_point():
        numbers = numbers.float()
        if not bool(torch.isfinite(numbers.sum())):
            raise HaikuError(
                f"The weight '{piece.published}' holds values that are no finite numbers: "
                "download the bundle again."
            )
    if piece.kind == "row":
        return numbers[None]
    if piece.kind == "positions":
        return numbers[None, UNUSED_POSITIONS:]
    return numbers


def _mif(config: HaikuConfig, markers: Mapping[str, str]) -> Iterator[Piece]:
    yield Piece(MIF + "patch_summary_token", "mif.summary_token")
    yield Piece(MIF + "masked_token", "mif.mask_token")
    for row, key in enumerate(markers.values()):
        yield Piece(key, "mif.markers.vectors", (row, row + 1), "row")
    for leaf in ("weight", "bias"):
        yield Piece(f"{MARKERS}proj.{leaf}", f"mif.markers.proj.{leaf}")
        yield Piece(f"{MIF}patch_encoder.{leaf}", f"mif.pixels.{leaf}")
        for i in range(len(config.mif.pattern)):
            theirs, ours = f"{MIF}encoder.{i}.encoder_layer.", f"mif.blocks.{i}."
            yield from _joined(
                [f"{theirs}multi_head_attention.W_{x}.{leaf}" for x in "qkv"],
                f"{ours}qkv.{leaf}",
                config.mif.dim,
            )
            yield Piece(f"{theirs}multi_head_attention.W_o.{leaf}", f"{ours}out.{leaf}")
            yield Piece(f"{theirs}feedforward.0.{leaf}", f"{ours}expand.{leaf}")
            yield Piece(f"{theirs}feedforward.3.{leaf}", f"{ours}contract.{leaf}")
            yield Piece(f"{theirs}layernorm1.{leaf}", f"{ours}norm1.{leaf}")
            yield Piece(f"{theirs}layernorm2.{leaf}", f"{ours}norm2.{leaf}")


def _he(config: HaikuConfig) -> Iterator[Piece]:
    yield from musk_pieces(config.he.layers, config.he.dim, HE, "he.")


def musk_pieces(layers: int, dim: int, prefix: str, ours: str) -> Iterator[Piece]:
    """Pieces of MUSK's vision branch, under any prefixes.

    Parameters
    ----------
    layers, dim : int
        Depth and width.
    prefix : str
        What precedes ``beit3.`` in the published names.
    ours : str
        What precedes ``trunk.`` on our side.
    """
    embed, encoder, trunk = (
        f"{prefix}beit3.vision_embed.",
        f"{prefix}beit3.encoder.",
        f"{ours}trunk.",
    )
    yield Piece(f"{embed}cls_token", f"{trunk}cls_token")
    yield Piece(f"{encoder}embed_positions.A.weight", f"{trunk}pos_embed", None, "positions")
    yield Piece(f"{prefix}vision_head.weight", f"{ours}head.weight")
    for leaf in ("weight", "bias"):
        yield Piece(f"{embed}proj.{leaf}", f"{trunk}patch_embed.proj.{leaf}")
        yield Piece(f"{encoder}layer_norm.A.{leaf}", f"{trunk}norm.{leaf}")
        for i in range(layers):
            layer, block = f"{encoder}layers.{i}.", f"{trunk}blocks.{i}."
            yield from _joined(
                [f"{layer}self_attn.{x}_proj.A.{leaf}" for x in "qkv"],
                f"{block}attn.qkv.{leaf}",
                dim,
            )
            for theirs, mine in (
                ("self_attn_layer_norm.A", "norm1"),
                ("self_attn.inner_attn_ln.A", "attn.norm"),
                ("self_attn.out_proj.A", "attn.proj"),
                ("final_layer_norm.A", "norm2"),
                ("ffn.A.fc1", "mlp.fc1"),
                ("ffn.A.ffn_layernorm", "mlp.norm"),
                ("ffn.A.fc2", "mlp.fc2"),
            ):
                yield Piece(f"{layer}{theirs}.{leaf}", f"{block}{mine}.{leaf}")


def _joined(published: Sequence[str], ours: str, dim: int) -> Iterator[Piece]:
    for part, key in enumerate(published):
        yield Piece(key, ours, (part * dim, (part + 1) * dim))


def expected_markers(config: HaikuConfig, found: Mapping[str, str]) -> dict[str, Any]:
    """Compare the marker names of config.json with the vectors found.

    Returns
    -------
    dict
        ``missing`` (listed without a vector) and ``unexpected`` (a vector
        that is not listed), each a list of names.
    """
    listed = None
    if config.esm_markers is not None or config.learnable_markers is not None:
        listed = set(config.esm_markers or ()) | set(config.learnable_markers or ())
    if listed is None:
        return {"missing": [], "unexpected": []}
    fixed = {name for name, key in found.items() if "dynamic_embeddings" not in key}
    return {"missing": sorted(listed - set(found)), "unexpected": sorted(fixed - listed)}
