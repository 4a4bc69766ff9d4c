"""napari layers read as slides: which layers are H&E, which belong to one mIF image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.slides.encoding_place import stem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari
    from napari.layers import Image, Layer

    from napari_haiku.images.affine import Affine
    from napari_haiku.images.slide_image import SlideImage

IMAGE = "napari_haiku_image"
_MOST_CHANNELS = 128
_SHAPELESS = ("pixel", "")


@dataclass(frozen=True, eq=False)
class LayerChoice:
    """One image that the user can choose: a layer, or the layers of one mIF image.

    Parameters
    ----------
    label : str
        What the user reads.
    modality : {"he", "mif"}
        What it would be used as.
    layers : tuple of napari layers
        Where it comes from.
    opened : SlideImage or None
        The image behind layers that the plugin made itself.
    """

    label: str
    modality: Literal["he", "mif"]
    layers: tuple[Layer, ...]
    opened: SlideImage | None

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for the same choice at another time."""
        if self.opened is not None:
            return ("opened", id(self.opened))
        return ("layers", *(id(layer) for layer in self.layers))


def find_choices(viewer: napari.Viewer) -> tuple[list[LayerChoice], list[LayerChoice]]:
    """Find the H&E and mIF images among a viewer's layers.

    RGB images are H&E, the largest first. Images with a channel axis in front
    are mIF; so are two or more single-channel images of one size in one place.

    Returns
    -------
    he, mif : list of LayerChoice
        Best first.
    """
    from napari.layers import Image

    he: list[LayerChoice] = []
    mif: list[LayerChoice] = []
    loose: dict[tuple[Any, ...], list[Image]] = {}
    seen: set[int] = set()
    for layer in viewer.layers:
        if type(layer) is not Image or (
            "napari_haiku_slot" in layer.metadata and (IMAGE not in layer.metadata)
        ):
            continue
        opened = layer.metadata.get(IMAGE)
        if opened is not None:
            if id(opened) not in seen:
                seen.add(id(opened))
                target = he if opened.modality == "he" else mif
                group = tuple(x for x in viewer.layers if x.metadata.get(IMAGE) is opened)
                target.append(LayerChoice(stem_of(opened.name), opened.modality, group, opened))
        elif layer.rgb:
            he.append(LayerChoice(layer.name, "he", (layer,), None))
        elif layer.ndim == 3 and 1 < _shape(layer)[0] <= _MOST_CHANNELS:
            mif.append(LayerChoice(layer.name, "mif", (layer,), None))
        elif layer.ndim == 2:
            turned = layer_affine(layer)
            place = (_shape(layer), tuple(layer.scale), tuple(layer.translate), turned)
            loose.setdefault(place, []).append(layer)
    for group_layers in loose.values():
        if len(group_layers) > 1:
            label = f"{len(group_layers)} layers: {group_layers[0].name}, ..."
            mif.append(LayerChoice(label, "mif", tuple(group_layers), None))
        else:
            mif.append(LayerChoice(group_layers[0].name, "mif", tuple(group_layers), None))
    he.sort(key=lambda choice: -_pixels(choice))
    mif.sort(key=lambda choice: -len(choice.layers) if choice.opened is None else -1000)
    return he, mif


def adopt(choice: LayerChoice) -> SlideImage:
    """Read a choice as a slide image; does disk work, so call it in a worker.

    Raises
    ------
    HaikuError
        The layers have pixels that are not square, or are turned and have no units.
    """
    if choice.opened is not None:
        return choice.opened
    from napari_haiku.images.from_layer import image_from_array, image_from_channels

    first = choice.layers[0]
    frame = layer_frame(first)
    if choice.modality == "he":
        image = image_from_array(first.data, rgb=True, name=first.name, modality="he", **frame)
    elif first.ndim == 3:
        image = image_from_array(
            first.data, rgb=False, channel_axis=0, name=first.name, modality="mif", **frame
        )
    else:
        names = [layer.name for layer in choice.layers]
        image = image_from_channels(
            [layer.data for layer in choice.layers], channel_names=names, name=choice.label, **frame
        )
    affine = layer_affine(first)
    if affine is not None:
        if image.pixel_size_um is None:
            raise HaikuError(
                f"The layer {first.name} is turned but has no unit of length: set its units to um."
            )
        from napari_haiku.images.placing import placed

        image = placed(image, affine)
    return image.changed(path=image.path or _source(choice.layers))


def layer_affine(layer: Layer) -> Affine | None:
    """Tell what a layer's own affine, turn and shear do, beyond its scale and translation.

    Returns
    -------
    Affine or None
        From where scale and translation alone would put it to where it lies, um;
        None where that is the same place.
    """
    from napari_haiku.images.affine import affine_from_napari

    start = np.zeros(layer.ndim)
    corner = np.asarray(layer.data_to_world(start), float)[-2:]
    steps = np.eye(layer.ndim)[-2:]
    # Columns: where one pixel down, and one across, leads.
    linear = np.column_stack(
        [np.asarray(layer.data_to_world(step), float)[-2:] - corner for step in steps]
    )
    scale = np.asarray(layer.scale, float)[-2:]
    translate = np.asarray(layer.translate, float)[-2:]
    if np.allclose(linear, np.diag(scale)) and np.allclose(corner, translate):
        return None
    beyond = linear / scale
    shift = (corner - beyond @ translate) * (_um_per_unit(layer) or 1.0)
    matrix = np.vstack([np.column_stack([beyond, shift]), [0, 0, 1]])
    return affine_from_napari(matrix, f"The transform of the layer {layer.name}")


def _source(layers: Sequence[Layer]) -> Path | None:
    """Give the one file that all layers were read from."""
    paths = {layer.source.path for layer in layers}
    path = paths.pop() if len(paths) == 1 else None
    return Path(path) if path and Path(path).exists() else None


def layer_frame(layer: Layer) -> dict[str, Any]:
    """Physical placement of a layer by its scale and translation; see :func:`layer_affine`.

    Returns
    -------
    dict
        ``scale_um`` (None without units) and ``translate``, the (y, x) of the
        top-left corner of pixel (0, 0); napari itself places that pixel's centre.

    Raises
    ------
    HaikuError
        Its pixels are not square.
    """
    scale = np.asarray(layer.scale, float)[-2:]
    if not np.isclose(scale[0], scale[1], rtol=1e-3):
        raise HaikuError(
            f"The pixels of the layer {layer.name} are {scale[1]:.4g} wide and {scale[0]:.4g} "
            "high: only square pixels can be read."
        )
    factor = _um_per_unit(layer)
    translate = np.asarray(layer.translate, float)[-2:]
    if factor is None:
        return {"scale_um": None, "translate": (0.0, 0.0)}
    corner = (translate - scale / 2) * factor
    return {
        "scale_um": float(scale[0] * factor),
        "translate": (float(corner[0]), float(corner[1])),
    }


def place_layers(layers: Sequence[Layer], image: SlideImage) -> None:
    """Put layers that the user opened into the physical frame of the image read from them."""
    from napari_haiku.viewer.layers.placement import image_placement

    if image.affine_um is not None:
        # Their own transform has put them there already.
        return
    placement = image_placement(image)
    for layer in layers:
        extra = layer.ndim - 2
        layer.scale = (1.0,) * extra + placement["scale"]
        layer.translate = (0.0,) * extra + placement["translate"]
        layer.units = ("pixel",) * extra + placement["units"]


def _um_per_unit(layer: Layer) -> float | None:
    unit = layer.units[-1]
    if str(unit) in _SHAPELESS:
        return None
    try:
        return float((1 * unit).to("um").magnitude)
    except Exception as error:
        raise HaikuError(
            f"The layer {layer.name} is measured in {unit}, which is no length: set its units."
        ) from error


def _shape(layer: Image) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(n) for n in data.shape)


def _pixels(choice: LayerChoice) -> int:
    shape = _shape(choice.layers[0])
    return shape[0] * shape[1]
