"""A slide as the command line names it: images, record, ids."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.clinical import Record, patient_of, read_record
from napari_haiku.errors import HaikuError
from napari_haiku.images.affine import read_affine
from napari_haiku.images.marker_names import read_marker_names
from napari_haiku.images.placing import placed
from napari_haiku.images.reading import open_image

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage

_SUFFIXES = re.compile(
    r"(\.ome)?\.(tiff?|zarr|svs|ndpi|mrxs|scn|png|jpe?g|qptiff|bif|dcm|mcd)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Slide:
    """What one ``encode`` is about.

    Parameters
    ----------
    he, mif : SlideImage or None
        The images; at least one.
    record : dict of str to str
        The clinical record.
    slide_id, patient_id : str
        Names; the patient is "" when unknown.
    """

    he: SlideImage | None
    mif: SlideImage | None
    record: Record
    slide_id: str
    patient_id: str


def open_slide(
    image: Path,
    mif: Path | None,
    *,
    pixel_size_um: float | None,
    markers: Path | None,
    metadata: Path | None,
    patient: str | None,
    edits: Record,
    slide_id: str | None,
    affine: Path | None = None,
) -> Slide:
    """Open the images and the record of one slide; `affine` lays the mIF onto the H&E.

    Raises
    ------
    HaikuError
        A file cannot be read, or the two images are of one kind.
    """
    opened = open_image(image, pixel_size_um=pixel_size_um)
    if opened.modality == "mif" and mif is not None:
        raise HaikuError(
            f"{image.name} is an mIF image and --mif gives another: give the H&E image first and "
            "the mIF image with --mif."
        )
    if opened.modality == "mif":
        he, second = None, _named(opened, markers)
    elif mif is not None:
        he, second = opened, _named(_open_mif(mif, pixel_size_um), markers)
    elif markers is not None:
        raise HaikuError(
            f"{image.name} is an H&E image and has no channels for --markers to name: give the "
            "mIF image with --mif."
        )
    else:
        he, second = opened, None
    if affine is not None:
        if he is None or second is None:
            raise HaikuError(
                f"{affine.name} lays an mIF onto its H&E: give both images, the mIF with --mif."
            )
        second = placed(second, read_affine(affine))
    record = record_of(metadata, patient, edits)
    return Slide(
        he=he,
        mif=second,
        record=record,
        slide_id=slide_id or name_of(image),
        patient_id=patient or patient_of(record) or "",
    )


def _named(mif: SlideImage, markers: Path | None) -> SlideImage:
    return mif if markers is None else mif.with_markers(read_marker_names(markers))


def _open_mif(path: Path, pixel_size_um: float | None) -> SlideImage:
    """Open the mIF beside an H&E; the size given by hand serves where its file does not say."""
    try:
        opened = open_image(path, modality="mif")
    except HaikuError:
        if pixel_size_um is None:
            raise
        return open_image(path, modality="mif", pixel_size_um=pixel_size_um)
    if opened.pixel_size_um is None and pixel_size_um is not None:
        return opened.with_pixel_size(pixel_size_um)
    return opened


def record_of(metadata: Path | None, patient: str | None, edits: Record) -> Record:
    """Read the clinical record and set the fields given with ``--set``."""
    record = read_record(metadata, patient) if metadata is not None else {}
    spelling = {field.casefold(): field for field in record}
    for field, value in edits.items():
        record[spelling.get(field.casefold(), field)] = value
    return record


def name_of(path: Path) -> str:
    """File name without its image suffixes: ``a.ome.tif`` gives ``a``."""
    return _SUFFIXES.sub("", path.name) or path.name
