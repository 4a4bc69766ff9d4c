"""Opening images in a worker and putting them into the viewer and the workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.viewer.slides.adopt import IMAGE, LayerChoice, adopt, place_layers
from napari_haiku.viewer.slides.slide_layers import Limits, display_limits, show_he, show_mif

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari

    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.viewer.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Opened:
    """Images ready to be shown.

    Parameters
    ----------
    he, mif : SlideImage or None
        The images.
    limits : mapping
        Contrast limits of the markers shown at first.
    """

    he: SlideImage | None
    mif: SlideImage | None
    limits: Mapping[str, Limits]

    @classmethod
    def of(cls, he: SlideImage | None, mif: SlideImage | None) -> Opened:
        """Add the contrast limits; reads the coarsest level, so call it in a worker."""
        for image in (he, mif):
            if image is not None:
                # Reads pixels when first asked for, and the docks ask on the main thread.
                _ = image.fingerprint
        return cls(he, mif, {} if mif is None else display_limits(mif))


def open_choices(he: LayerChoice | None, mif: LayerChoice | None) -> Opened:
    """Read the layers chosen as slide images; call it in a worker."""
    return Opened.of(
        None if he is None else adopt(he),
        None if mif is None else adopt(mif),
    )


def open_files(paths: list[Path], sizes_um: Mapping[str, float] | None = None) -> Opened:
    """Open one or two image files as a slide; call it in a worker.

    Parameters
    ----------
    paths : list of Path
        The files.
    sizes_um : mapping, optional
        Pixel size of files that contradict themselves, by file name.

    Raises
    ------
    HaikuError
        A file cannot be read, or two files show the same kind of image.
    """
    from napari_haiku.errors import HaikuError
    from napari_haiku.images.reading import open_image

    images: dict[str, SlideImage] = {}
    for path in paths:
        image = open_image(path, pixel_size_um=(sizes_um or {}).get(path.name))
        if image.modality in images:
            words = "H&E" if image.modality == "he" else "mIF"
            raise HaikuError(
                f"{path.name} and {images[image.modality].name} are both {words} images: open one "
                "slide at a time."
            )
        images[image.modality] = image
    return Opened.of(images.get("he"), images.get("mif"))


def put_slide(
    viewer: napari.Viewer,
    workspace: Workspace,
    opened: Opened,
    he_choice: LayerChoice | None = None,
    mif_choice: LayerChoice | None = None,
) -> None:
    """Show a slide and put it into the workspace; call it on the main thread.

    Layers that the user opened are moved into the physical frame instead of
    being shown twice.
    """
    pairs = ((opened.he, he_choice), (opened.mif, mif_choice))
    for image, choice in pairs:
        if image is None:
            continue
        layers = () if choice is None else choice.layers
        there = [layer for layer in layers if layer in viewer.layers]
        for layer in there:
            layer.metadata[IMAGE] = image
        if image.pixel_size_um is None:
            continue
        if there:
            place_layers(there, image)
        elif image is opened.he:
            show_he(viewer, image)
        else:
            show_mif(viewer, image, opened.limits, visible=opened.he is None)
    if opened.he is not workspace.he or opened.mif is not workspace.mif:
        workspace.open_slide(opened.he, opened.mif)
    overlay = viewer.canvas.overlays["scale_bar"]
    overlay.visible = True
