"""A slide as the layer data tuples that napari's readers and samples return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.viewer.layers.layer_slots import SLOT
from napari_haiku.viewer.layers.placement import image_placement
from napari_haiku.viewer.slides.adopt import IMAGE
from napari_haiku.viewer.slides.encoding_place import stem_of
from napari_haiku.viewer.slides.slide_layers import HE, channel_colormap, shown_channels

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.viewer.slides.reading import Opened

LayerData = tuple[Any, dict[str, Any], str]


def layer_data(opened: Opened) -> list[LayerData]:
    """Describe the layers of a slide, bottom first; mIF is hidden over an H&E."""
    found: list[LayerData] = []
    if opened.he is not None:
        found.append(
            _described(opened.he, opened.he.levels, f"H&E {stem_of(opened.he.name)}", HE, rgb=True)
        )
    if opened.mif is not None:
        for marker, channel in reversed(shown_channels(opened.mif).items()):
            found.append(
                _described(
                    opened.mif,
                    tuple(level[channel] for level in opened.mif.levels),
                    f"mIF {marker}",
                    f"mif {marker}",
                    rgb=False,
                    colormap=channel_colormap(opened.mif, channel),
                    blending="additive",
                    contrast_limits=opened.limits[marker],
                    visible=opened.he is None,
                )
            )
    return found


def _described(
    image: SlideImage, levels: tuple[Any, ...], name: str, slot: str, **options: Any
) -> LayerData:
    # Without a pixel size the layer has no units yet; the Encode dock asks for it.
    placement = {} if image.pixel_size_um is None else image_placement(image)
    several = len(levels) > 1
    return (
        list(levels) if several else levels[0],
        {
            "name": name,
            "multiscale": several,
            "metadata": {IMAGE: image, SLOT: slot},
            **placement,
            **options,
        },
        "image",
    )
