"""A slide as the command line names it: images, record, ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.clinical import Record, patient_of, read_record
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage

_SUFFIXES = re.compile(
    r"(\.ome)?\.(tiff?|zarr|svs|ndpi|mrxs|scn|png|jpe?g|qptiff|bif)$", re.IGNORECASE
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
) -> Slide:
    """Open the images and the record of one slide.

    Raises
    ------
    HaikuError
        A file cannot be read, or the two images are of one kind.
    """
    first = open_named(image, pixel_size_um=pixel_size_um, markers=None)
    he = first if first.modality == "he" else None
    if mif is not None and he is None:
        raise HaikuError(
            f"{image.name} is an mIF image and --mif gives another: give the H&E image first and "
            "the mIF image with --mif."
        )
    names = read_marker_names(markers)
    if mif is None and he is None:
        second: SlideImage | None = first if names is None else first.with_markers(names)
    elif mif is None:
        if names is not None:
            raise HaikuError(
                f"{image.name} is an H&E image and has no channels for --markers to name: give the "
                "mIF image with --mif."
            )
        second = None
    else:
        second = open_named(mif, modality="mif", pixel_size_um=pixel_size_um, markers=names)
    record = record_of(metadata, patient, edits)
    return Slide(
        he=he,
        mif=second,
        record=record,
        slide_id=slide_id or name_of(image),
        patient_id=patient or patient_of(record) or "",
    )


def open_named(
    path: Path,
    *,
    modality: str | None = None,
    pixel_size_um: float | None = None,
    markers: Sequence[str] | None = None,
) -> SlideImage:
    """Open an image; a pixel size given by hand holds where the file does not say."""
    from napari_haiku.images.reading import open_image

    return open_image(path, modality=modality, pixel_size_um=pixel_size_um, markers=markers)


def read_marker_names(path: Path | None) -> tuple[str, ...] | None:
    """Read one marker name a line; empty lines count as channels without a name.

    Raises
    ------
    HaikuError
        The file is absent, unreadable or empty.
    """
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HaikuError(
            f"{path.name} cannot be read as a list of markers: give a UTF-8 text file with one "
            "marker name a line."
        ) from error
    names = tuple(line.strip() for line in lines)
    if not any(names):
        raise HaikuError(f"{path.name} names no marker: write one marker name a line.")
    return names


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
