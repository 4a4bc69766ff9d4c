"""Sizes of a published Haiku model, read and checked from its configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_haiku.errors import HaikuError

LARGEST_WIDTH = 16_384
LARGEST_DEPTH = 256
LARGEST_TABLE = 1_000_000
LONGEST_MARKER_NAME = 64
MOST_MARKERS = 10_000
PIXEL_SIZE_UM = 0.3775
PATCH_PX = 256
TEXT_LENGTH = 200

_MARKER_NAME = re.compile(r"[\w+\-()\[\]:,;#*'&@ ]+")


@dataclass(frozen=True)
class MifSizes:
    """Sizes of the mIF tower; the defaults are the released ones."""

    dim: int = 512
    heads: int = 8
    head_dim: int = 64
    feedforward: int = 1024
    patch_size: int = 16
    pattern: str = "hvhvhvhv"
    rope_max_pos: int = 1200
    rope_temperature: float = 10_000.0
    pos_emb: str = "rope"


@dataclass(frozen=True)
class HeSizes:
    """Sizes of the H&E tower; the defaults are the released ones."""

    img_size: int = 384
    patch_size: int = 16
    dim: int = 1024
    heads: int = 16
    ffn: int = 4096
    layers: int = 24
    ln_eps: float = 1e-5

    @property
    def positions(self) -> int:
        """Tokens of an image: the class token and the patch grid."""
        return 1 + (self.img_size // self.patch_size) ** 2


@dataclass(frozen=True)
class TextSizes:
    """Sizes of the text tower; the defaults are the released ones."""

    vocab_size: int = 30_522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    type_vocab_size: int = 2


@dataclass(frozen=True)
class HaikuConfig:
    """Everything that fixes the shapes of a Haiku model.

    Parameters
    ----------
    mif, he : MifSizes, HeSizes
        Sizes of the two image towers.
    text : TextSizes or None
        Sizes of the text tower; None for a model without one (Haiku-Bi).
    marker_dim : int
        Length of a marker's raw vector.
    projection_dim : int
        Length of an embedding.
    esm_markers, learnable_markers : tuple of str or None
        Marker names the configuration lists; None where it lists none.
    pixel_size_um : float
        Pixel size of the images the model was trained on.
    patch_px : int
        Side of a training patch in those pixels.
    text_length : int
        Most tokens of a caption.
    """

    mif: MifSizes = field(default_factory=MifSizes)
    he: HeSizes = field(default_factory=HeSizes)
    text: TextSizes | None = field(default_factory=TextSizes)
    marker_dim: int = 1152
    projection_dim: int = 1024
    esm_markers: tuple[str, ...] | None = None
    learnable_markers: tuple[str, ...] | None = None
    pixel_size_um: float = PIXEL_SIZE_UM
    patch_px: int = PATCH_PX
    text_length: int = TEXT_LENGTH

    @classmethod
    def from_published(cls, config: Mapping[str, Any]) -> HaikuConfig:
        """Read the published ``config.json``.

        Parameters
        ----------
        config : mapping
            The released keys, plus the optional sections ``bert_config``,
            ``mif`` and ``musk``; an absent section means the released sizes.

        Raises
        ------
        HaikuError
            A value is missing its meaning, is absurd or contradicts another.
        """
        if not isinstance(config, Mapping):
            raise HaikuError("config.json must hold one JSON object: copy the bundle again.")
        if config.get("shared_projection", False):
            raise HaikuError(
                "config.json asks for one shared projection head, which no released model has: "
                "use a model with separate heads."
            )
        mif = _section(MifSizes, config.get("mif"), "mif")
        he = _section(HeSizes, config.get("musk"), "musk")
        uses_text = _flag(config, "use_text", default=True)
        text = _section(TextSizes, config.get("bert_config"), "bert_config") if uses_text else None
        result = cls(
            mif=mif,
            he=he,
            text=text,
            marker_dim=_whole(config.get("embedding_dim", 1152), "embedding_dim", LARGEST_WIDTH),
            projection_dim=_whole(
                config.get("projection_dim", 1024), "projection_dim", LARGEST_WIDTH
            ),
            esm_markers=_names(config.get("esm_marker_names"), "esm_marker_names"),
            learnable_markers=_names(config.get("known_markers"), "known_markers"),
            pixel_size_um=_positive(config.get("pixel_size_um", PIXEL_SIZE_UM), "pixel_size_um"),
            patch_px=_whole(config.get("patch_px", PATCH_PX), "patch_px", LARGEST_WIDTH),
            text_length=_whole(config.get("text_length", TEXT_LENGTH), "text_length", 4096),
        )
        result._check(config)
        return result

    def _check(self, config: Mapping[str, Any]) -> None:
        mif, he, text = self.mif, self.he, self.text
        _agree(config, "marker_model_dim", mif.dim, "the mIF tower's width")
        _agree(config, "codex_dim", mif.dim, "the mIF tower's width")
        _agree(config, "he_dim", he.dim, "the H&E tower's width")
        if text is not None:
            _agree(config, "text_dim", text.hidden_size, "the text tower's width")
            if text.hidden_size % text.num_attention_heads:
                raise _contradiction("bert_config", "hidden_size", "num_attention_heads")
        if not re.fullmatch("[hv]+", mif.pattern) or len(mif.pattern) > LARGEST_DEPTH:
            raise HaikuError(
                "In config.json the mIF pattern may only hold the letters h (within a channel) and "
                "v (across channels): correct it or copy the bundle again."
            )
        if mif.pos_emb != "rope":
            raise HaikuError(
                "In config.json the mIF tower asks for position embeddings other than 'rope', "
                "which no released model has: use a model with rotary positions."
            )
        if mif.heads * mif.head_dim != mif.dim or mif.head_dim % 4:
            raise _contradiction("mif", "dim", "heads and head_dim (a multiple of 4)")
        if he.dim % he.heads:
            raise _contradiction("musk", "dim", "heads")
        if he.img_size % he.patch_size:
            raise _contradiction("musk", "img_size", "patch_size")
        if self.patch_px < mif.patch_size:
            raise _contradiction("the top level", "patch_px", "the mIF tower's patch_size")


def table_name(marker: str) -> str:
    """Name under which the published tables keep a marker (they know no dots)."""
    return marker.replace(".", "_")


def check_marker_name(name: object, where: str) -> str:
    """Return `name` if it can be a marker's name, else refuse.

    Names become file stems and keys, so path separators, control characters
    and a bare ``..`` are not names.

    Raises
    ------
    HaikuError
        The name is no plain name.
    """
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= LONGEST_MARKER_NAME
        or not _MARKER_NAME.fullmatch(name.replace(".", "_"))
        or name.strip(". ") == ""
    ):
        shown = repr(name) if isinstance(name, str) and len(name) < 80 else "an entry"
        raise HaikuError(
            f"{where} holds {shown}, which is no marker name: copy the bundle again from where "
            "it was published."
        )
    return name


def _section(kind: type[Any], given: object, name: str) -> Any:
    if given is None:
        return kind()
    if not isinstance(given, Mapping):
        raise HaikuError(f"In config.json '{name}' must be an object of sizes: copy it again.")
    values: dict[str, Any] = {}
    defaults = kind()
    for key in kind.__dataclass_fields__:
        if key not in given:
            continue
        where, value = f"{name}.{key}", given[key]
        default = getattr(defaults, key)
        if isinstance(default, str):
            if not isinstance(value, str) or len(value) > LARGEST_DEPTH:
                raise HaikuError(f"In config.json '{where}' must be a short word: correct it.")
            values[key] = value
        elif isinstance(default, float):
            values[key] = _positive(value, where)
        else:
            values[key] = _whole(value, where, _limit(key))
    return kind(**values)


def _limit(key: str) -> int:
    if "layers" in key:
        return LARGEST_DEPTH
    return LARGEST_TABLE if key in ("vocab_size", "rope_max_pos") else LARGEST_WIDTH


def _whole(value: object, where: str, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= largest:
        raise HaikuError(
            f"In config.json '{where}' must be a whole number from 1 to {largest}: correct it or "
            "copy the bundle again."
        )
    return value


def _positive(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise HaikuError(f"In config.json '{where}' must be a positive number: correct it.")
    return float(value)


def _flag(config: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise HaikuError(f"In config.json '{key}' must be true or false: correct it.")
    return value


def _names(given: object, where: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or len(given) > MOST_MARKERS:
        raise HaikuError(
            f"In config.json '{where}' must be a list of at most {MOST_MARKERS} marker names: "
            "copy the bundle again."
        )
    names = [check_marker_name(name, f"In config.json '{where}'") for name in given]
    return tuple(dict.fromkeys(table_name(name) for name in names))


def _agree(config: Mapping[str, Any], key: str, size: int, what: str) -> None:
    if key in config and config[key] != size:
        raise HaikuError(
            f"config.json contradicts itself: '{key}' is {config[key]!r:.40} but {what} is {size}; "
            "copy the bundle again."
        )


def _contradiction(section: str, key: str, other: str) -> HaikuError:
    return HaikuError(
        f"config.json contradicts itself in {section}: {key} does not fit {other}; "
        "copy the bundle again."
    )
