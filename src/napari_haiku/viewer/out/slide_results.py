"""What a viewer's workspace knows of its slide, side by side, for files and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.export.patch_data import PatchData, Predictions
from napari_haiku.export.qupath_frame import QuPathFrame, openslide_bounds, qupath_frame
from napari_haiku.images.reading_openslide import OPENSLIDE_SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.viewer.workspace import Workspace


def slide_results(workspace: Workspace) -> PatchData:
    """Put the encoding of the slide in view together with its predictions and niches.

    Results that belong to other patches (of a whole atlas, say) are left out.

    Raises
    ------
    HaikuError
        The slide is not encoded.
    """
    encoding = workspace.encoding
    if encoding is None or not encoding.complete:
        raise HaikuError("This slide is not encoded yet: encode it first.")
    found, grouped = workspace.biomarkers, workspace.niches
    niches, notes = None, {}
    if grouped is not None and len(grouped.labels) == 1:
        own = grouped.of()
        if len(own.labels) == encoding.n_patches:
            request = grouped.request
            niches = own
            notes = {
                "clusters": request.clusters,
                "modality": request.modality,
                "seed": request.seed,
                "smooth": request.smooth,
            }
    predictions = None
    if found is not None and (not len(found.rows) or found.rows.max() < encoding.n_patches):
        predictions = Predictions.of_result(found, encoding.n_patches)
    return PatchData(encoding, predictions, niches, notes)


def image_file(workspace: Workspace) -> Path | None:
    """Where the image lies that QuPath would open: the H&E, else the mIF."""
    image = workspace.he or workspace.mif
    return None if image is None else image.path


def frame_in_view(workspace: Workspace) -> QuPathFrame | None:
    """Pixels of the slide in view as QuPath counts them; None without a slide.

    Raises
    ------
    HaikuError
        There is a slide, but its pixels cannot be told.
    """
    if workspace.encoding is not None:
        return qupath_frame(workspace.encoding, image=image_file(workspace))
    image = workspace.he or workspace.mif
    if image is None or image.pixel_size_um is None or image.affine_um is not None:
        return None
    bounds = (0, 0)
    if image.path is not None and image.path.suffix.casefold() in OPENSLIDE_SUFFIXES:
        bounds = openslide_bounds(image.path)
    return QuPathFrame(image.pixel_size_um, image.origin_um, bounds)
