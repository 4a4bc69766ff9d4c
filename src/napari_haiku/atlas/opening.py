"""Open the images of a manifest's slide, with what their files do not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.images.affine import Affine
from napari_haiku.images.placing import placed
from napari_haiku.images.reading import open_image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_haiku.atlas.manifest import ManifestSlide
    from napari_haiku.encoding.request import EncodeOptions


@dataclass(frozen=True)
class Opening:
    """What is told of all images of a cohort at once.

    Parameters
    ----------
    pixel_size_um : float, optional
        Pixel size for files that do not say.
    affine : Affine, optional
        Lays the mIF of every slide onto its H&E, in um.
    tissue_threshold : float, optional
        Where tissue begins, instead of the threshold found on each image.
    """

    pixel_size_um: float | None = None
    affine: Affine | None = None
    tissue_threshold: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, as ``atlas.json`` remembers it for repairs."""
        told = {
            "affine": None if self.affine is None else self.affine.to_list(),
            "tissue_threshold": self.tissue_threshold,
        }
        known = {name: value for name, value in told.items() if value is not None}
        return {"pixel_size_um": self.pixel_size_um, **known}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Opening:
        """Read it back; an atlas that remembers nothing told nothing."""
        matrix = content.get("affine")
        return cls(
            content.get("pixel_size_um"),
            None if matrix is None else Affine.of(matrix),
            content.get("tissue_threshold"),
        )


def request_of(
    slide: ManifestSlide, output: Path, options: EncodeOptions, opening: Opening
) -> EncodeRequest:
    """Open the images of a manifest's slide and say how they are encoded."""
    he = mif = None
    size = opening.pixel_size_um
    if slide.he is not None:
        he = open_image(slide.he, modality="he", pixel_size_um=size)
    if slide.mif is not None:
        mif = open_image(slide.mif, modality="mif", pixel_size_um=size, markers=slide.markers)
        if he is not None and opening.affine is not None:
            mif = placed(mif, opening.affine)
    return EncodeRequest(
        he=he,
        mif=mif,
        output=output,
        slide_id=slide.slide_id,
        patient_id=slide.patient_id,
        record=slide.record,
        patch_um=options.patch_um,
        stride_um=options.stride_um,
        min_tissue=options.min_tissue,
        batch_size=options.batch_size,
        tissue_threshold=opening.tissue_threshold,
    )
