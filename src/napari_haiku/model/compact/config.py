"""Sizes of a compact model, as its config.json states them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHITECTURE = "compact"


@dataclass(frozen=True)
class CompactConfig:
    """Everything that fixes the shape of a compact model.

    Parameters
    ----------
    name : str
        Name shown to the user.
    markers : tuple of str
        Canonical names with a marker vector of their own.
    vocabulary_size : int
        Words of the text tower, special ones included.
    patch_px, pixel_size_um
        Patch side in pixels and the pixel size the towers work at.
    cell_px : int
        Side, in those pixels, of the cells that the mIF tower pools first.
    dim : int
        Length of an embedding.
    he_width, mif_width, mif_layers, text_width, text_layers, text_length : int
        Widths and depths of the towers.
    """

    name: str
    markers: tuple[str, ...]
    vocabulary_size: int
    patch_px: int = 96
    pixel_size_um: float = 100 / 96
    cell_px: int = 4
    dim: int = 256
    he_width: int = 32
    mif_width: int = 128
    mif_layers: int = 2
    text_width: int = 128
    text_layers: int = 2
    text_length: int = 160

    def to_json(self) -> dict[str, Any]:
        """Return the content of config.json."""
        return {"architecture": ARCHITECTURE, **asdict(self), "markers": list(self.markers)}

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
        missing = sorted({"name", "markers", "vocabulary_size"} - set(values))
        if foreign or missing:
            what = f"has the unknown key '{foreign[0]}'" if foreign else f"lacks '{missing[0]}'"
            raise HaikuError(f"The model's config.json {what}: copy the model folder again.")
        for key, value in values.items():
            if not _fits(key, value):
                raise HaikuError(
                    f"The model's config.json has an unusable value for '{key}': "
                    "copy the model folder again."
                )
        return cls(**{**values, "markers": tuple(values["markers"])})


def _fits(key: str, value: object) -> bool:
    if key == "name":
        return isinstance(value, str) and bool(value)
    if key == "markers":
        return isinstance(value, list) and all(isinstance(name, str) for name in value)
    if key == "pixel_size_um":
        return isinstance(value, int | float) and 0.05 <= value <= 20
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000
