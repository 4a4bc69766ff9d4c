"""Sizes of a compact model, as its config.json states them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHITECTURE = "compact"
LISTS = ("markers", "text_features")
MOST_BLOCKS = 64
# What may be 0, and at most.
_FROM_ZERO = {"record_dim": 10_000, "he_blocks": MOST_BLOCKS}


@dataclass(frozen=True)
class CompactConfig:
    """Everything that fixes the shape of a compact model.

    Parameters
    ----------
    name : str
        Name shown to the user.
    markers : tuple of str
        Canonical names with a marker vector of their own.
    text_features : tuple of str
        What the caption reader looks for; empty in a model without a text tower.
    patch_px, pixel_size_um
        Patch side in pixels and the pixel size the towers work at.
    cell_px : int
        Side, in those pixels, of the cells that the mIF tower pools first.
    dim : int
        Length of what a tower gives; an embedding is longer by `record_dim`.
    he_width, mif_width, mif_layers : int
        Widths and depths of the towers.
    record_dim : int
        Coordinates beside those in which H&E is compared with captions, mIF having none.
    he_zoom : int
        How many times finer than `pixel_size_um` the H&E is read: 1 or 2.
    he_blocks : int
        Residual blocks of the H&E tower; see :class:`~.towers.HETower`.
    text_filled : bool
        Whether the last of the record coordinates fills captions up to length 1;
        see :func:`~.text_length.unit_captions`.
    """

    name: str
    markers: tuple[str, ...]
    text_features: tuple[str, ...] = ()
    patch_px: int = 96
    pixel_size_um: float = 100 / 96
    cell_px: int = 8
    dim: int = 256
    he_width: int = 32
    mif_width: int = 128
    mif_layers: int = 2
    he_zoom: int = 1
    record_dim: int = 0
    he_blocks: int = 0
    text_filled: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the content of config.json."""
        lists = {"markers": list(self.markers), "text_features": list(self.text_features)}
        return {"architecture": ARCHITECTURE, **asdict(self), **lists}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CompactConfig:
        """Read the content of config.json.

        Raises
        ------
        HaikuError
            A key is missing, unknown or of the wrong kind.
        """
        values = {key: value for key, value in content.items() if key != "architecture"}
        known = {field.name: field for field in fields(cls)}
        foreign = sorted(set(values) - set(known))
        missing = sorted({"name", "markers", "text_features"} - set(values))
        if foreign or missing:
            what = f"has the unknown key '{foreign[0]}'" if foreign else f"lacks '{missing[0]}'"
            raise HaikuError(f"The model's config.json {what}: copy the model folder again.")
        for key, value in values.items():
            if not _fits(key, value):
                raise HaikuError(
                    f"The model's config.json has an unusable value for '{key}': "
                    "copy the model folder again."
                )
        if values.get("text_filled") and not values.get("record_dim"):
            raise HaikuError(
                "The model's config.json has 'text_filled' without 'record_dim': "
                "copy the model folder again."
            )
        lists = {key: tuple(values[key]) for key in LISTS}
        return cls(**{**values, **lists})


def _fits(key: str, value: object) -> bool:
    if key == "name":
        return isinstance(value, str) and bool(value)
    if key in LISTS:
        return isinstance(value, list) and all(isinstance(name, str) for name in value)
    if key == "pixel_size_um":
        return isinstance(value, int | float) and 0.05 <= value <= 20
    if key in _FROM_ZERO:
        most = _FROM_ZERO[key]
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    if key == "text_filled":
        return isinstance(value, bool)
    if key == "he_zoom":
        return value in (1, 2)
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000
