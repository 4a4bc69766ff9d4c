"""What every exported file says of itself: how it was made, and nothing of who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku import __version__
from napari_haiku.clinical import public_record
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from napari_haiku.export.patch_data import PatchData

KEY = "napari_haiku"


def provenance(data: PatchData) -> dict[str, Any]:
    """Tell how a slide's numbers were made, in what JSON can hold.

    Images are named by their fingerprint: file names often hold accession
    numbers. Slide and patient ids stay out.

    Parameters
    ----------
    data : PatchData
        What is exported.
    """
    encoding = data.encoding
    said: dict[str, Any] = {
        "made_by": f"napari-haiku {__version__}",
        "model": {"name": encoding.model_name, "fingerprint": encoding.model_fingerprint},
        "images": {
            modality: {
                key: image[key]
                for key in ("fingerprint", "pixel_size_um", "origin_um")
                if key in image
            }
            for modality, image in encoding.images.items()
        },
        "patches": {
            "number": len(data),
            "side_um": encoding.grid.patch_um,
            "step_um": encoding.grid.stride_um,
        },
        "record": public_record(encoding.record),
        "units": {
            "measured": "mean stored intensity of the patch",
            "predicted": "units of the atlas",
            "positions": "um, x right and y down; centres of patches",
        },
        "notice": RESEARCH_USE,
    }
    if data.predictions is not None:
        said["predictions"] = dict(data.predictions.notes)
    if data.niches is not None:
        names = {str(niche): name for niche, name in sorted(data.niches.names.items())}
        said["niches"] = {**dict(data.niche_notes), "names": names}
    return said
