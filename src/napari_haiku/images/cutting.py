"""Cut the cores of a microarray into images of their own, with a cohort manifest."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tifffile

from napari_haiku.errors import HaikuError
from napari_haiku.images.microarray import Core, one_patient_each
from napari_haiku.jobs import Job, Progress
from napari_haiku.storage import speaking, write_text

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage

MANIFEST = "cohort.csv"


@dataclass(frozen=True)
class CutRequest:
    """Which cores of which images go where.

    Parameters
    ----------
    he, mif : SlideImage or None
        The array's images; at least one, in one physical frame.
    cores : tuple of Core
        What to cut out.
    output : Path
        Folder for the images and the manifest; must not exist.
    """

    he: SlideImage | None
    mif: SlideImage | None
    cores: tuple[Core, ...]
    output: Path

    def __post_init__(self) -> None:
        if self.he is None and self.mif is None:
            raise HaikuError("There is no image: give an H&E, an mIF or both.")
        if not self.cores:
            raise HaikuError("There are no cores to cut out.")
        if self.output.exists():
            raise HaikuError(f"{self.output.name} exists already: choose another folder.")


@dataclass(frozen=True)
class CutResult:
    """What was cut.

    Parameters
    ----------
    manifest : Path
        The cohort's table.
    cores : int
        Cores written.
    left_out : tuple of str
        Cores that lie outside an image.
    """

    manifest: Path
    cores: int
    left_out: tuple[str, ...]


def cut_cores(request: CutRequest) -> Job[CutResult]:
    """Write each core as OME-TIFF at its place in the frame, and the manifest last.

    Yields
    ------
    Progress
        After every core.

    Returns
    -------
    CutResult
        Where the manifest is.

    Raises
    ------
    HaikuError
        No core lies on the images, or the disk is full.
    """
    images = {"he": request.he, "mif": request.mif}
    with speaking(request.output):
        request.output.mkdir(parents=True)
    fields = list(dict.fromkeys(name for core in request.cores for name, _ in core.record))
    rows: list[list[str]] = []
    left_out: list[str] = []
    yield Progress(0, len(request.cores), "Cutting cores", "cores")
    for done, core in enumerate(one_patient_each(request.cores), 1):
        written = {}
        for modality, image in images.items():
            if image is not None:
                name = f"{_file_name(core.name)}_{modality}.ome.tif"
                written[modality] = name if _write(image, core, request.output / name) else ""
        if all(written.values()):
            record = dict(core.record)
            rows.append(
                [
                    *(core.name, core.patient_id, written.get("he", ""), written.get("mif", "")),
                    *(record.get(field, "") for field in fields),
                ]
            )
        else:
            left_out.append(core.name)
        yield Progress(done, len(request.cores), "Cutting cores", "cores")
    if not rows:
        raise HaikuError("No core lies on the image: check the positions and the pixel size.")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([["slide_id", "patient_id", "he", "mif", *fields], *rows])
    write_text(request.output / MANIFEST, table.getvalue())
    return CutResult(request.output / MANIFEST, len(rows), tuple(left_out))


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name) or "core"


def _write(image: SlideImage, core: Core, path: Path) -> bool:
    size = image.known_pixel_size_um
    x0, y0, x1, y1 = core.box_um
    left, right = (round((x - image.origin_um[0]) / size) for x in (x0, x1))
    top, bottom = (round((y - image.origin_um[1]) / size) for y in (y0, y1))
    pixels = image.read_region(0, top, bottom, left, right)
    if min(pixels.shape) == 0:
        return False
    rgb = image.modality == "he"
    planes = 1 if rgb else len(pixels)
    place = [image.origin_um[i] + max(start, 0) * size for i, start in enumerate((left, top))]
    metadata = {
        "axes": "YXS" if rgb else "CYX",
        "PhysicalSizeX": size,
        "PhysicalSizeY": size,
        "PhysicalSizeXUnit": "\u00b5m",
        "PhysicalSizeYUnit": "\u00b5m",
        "Plane": {
            "PositionX": [place[0]] * planes,
            "PositionY": [place[1]] * planes,
            "PositionXUnit": ["\u00b5m"] * planes,
            "PositionYUnit": ["\u00b5m"] * planes,
        },
    }
    if not rgb:
        metadata["Channel"] = {"Name": list(image.channel_names)}
    temporary = path.with_name(f".{path.name}")
    with speaking(path):
        tifffile.imwrite(
            temporary,
            pixels,
            ome=True,
            tile=(256, 256),
            compression="zlib",
            photometric="rgb" if rgb else "minisblack",
            metadata=metadata,
        )
        os.replace(temporary, path)
    return True
