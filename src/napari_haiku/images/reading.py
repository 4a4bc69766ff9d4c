"""Open an image from disk, whatever supported kind it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.images.assembling import RawImage, assemble
from napari_haiku.images.marker_names import read_marker_names
from napari_haiku.images.reading_dicom import DICOM_SUFFIXES, dicom_files, read_dicom
from napari_haiku.images.reading_folder import holds_marker_tiffs, read_folder
from napari_haiku.images.reading_imc import is_imc_text, read_imc_text, read_mcd
from napari_haiku.images.reading_openslide import OPENSLIDE_SUFFIXES, read_with_openslide
from napari_haiku.images.reading_picture import PICTURE_SUFFIXES, read_picture
from napari_haiku.images.reading_tiff import read_tiff
from napari_haiku.images.reading_zarr import is_zarr, read_ome_zarr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.images.slide_image import Modality, SlideImage

TIFF_SUFFIXES = frozenset({".tif", ".tiff", ".svs", ".qptiff", ".btf", ".tf2", ".tf8", ".ndpi"})
SUPPORTED = (
    "OME-TIFF, TIFF, SVS, QPTIFF, NDPI, OME-Zarr, DICOM, MCD, PNG, JPEG, or a folder with one "
    "single-channel TIFF per marker"
)
UNREADABLE = {".vsi": "Olympus VSI", ".czi": "Zeiss CZI", ".lif": "Leica LIF", ".nd2": "Nikon ND2"}


def open_image(
    path: Path | str,
    *,
    modality: Modality | None = None,
    pixel_size_um: float | None = None,
    markers: Sequence[str] | Path | str | None = None,
) -> SlideImage:
    """Open an image lazily.

    Parameters
    ----------
    path : Path
        Any format of ``docs/reference/formats.md``: OME-TIFF, TIFF, SVS, QPTIFF,
        NDPI, OME-Zarr 0.4 or 0.5, DICOM, MRXS, SCN, BIF, IMC text or MCD, PNG,
        JPEG, or a folder with one single-channel TIFF per marker.
    modality : {"he", "mif"}, optional
        What the image shows; told from colour when left out.
    pixel_size_um : float, optional
        Side of a pixel in um, instead of what the file says.
    markers : sequence of str or Path, optional
        One name per channel, or a file with them, instead of the file's names.

    Raises
    ------
    HaikuError
        The path is no image that can be read, or contradicts itself.
    """
    path = Path(path)
    if not path.exists():
        raise HaikuError(f"{path.name} does not exist: check the path.")
    names = read_marker_names(Path(markers)) if isinstance(markers, str | Path) else markers
    raw = _read(path, says_size=pixel_size_um is None)
    return assemble(raw, modality=modality, pixel_size_um=pixel_size_um, markers=names)


def _read(path: Path, *, says_size: bool) -> RawImage:
    if path.is_dir():
        if is_zarr(path):
            return read_ome_zarr(path, says_size=says_size)
        if holds_marker_tiffs(path):
            return read_folder(path, says_size=says_size)
        if dicom_files(path):
            return read_dicom(path, says_size=says_size)
        raise HaikuError(f"{path.name} is a folder but no image: give {SUPPORTED}.")
    suffix = path.suffix.casefold()
    start = _first_bytes(path)
    if not start:
        raise HaikuError(f"{path.name} is empty: copy or export it again.")
    if suffix in UNREADABLE:
        raise HaikuError(
            f"{path.name} is a {UNREADABLE[suffix]} file, which no library kept for Python reads "
            "without Java: convert it to OME-TIFF or OME-Zarr, for example with bioformats2raw."
        )
    if suffix in DICOM_SUFFIXES or start[128:132] == b"DICM":
        return read_dicom(path, says_size=says_size)
    if suffix == ".mcd":
        return read_mcd(path, says_size=says_size)
    if is_imc_text(start):
        return read_imc_text(path)
    if suffix in OPENSLIDE_SUFFIXES:
        return read_with_openslide(path, says_size=says_size)
    if suffix in PICTURE_SUFFIXES:
        return read_picture(path)
    if suffix in TIFF_SUFFIXES or start[:2] in (b"II", b"MM"):
        return read_tiff(path, says_size=says_size)
    raise HaikuError(f"{path.name} is not an image that can be read: give {SUPPORTED}.")


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(132)
    except OSError as error:
        raise HaikuError(
            f"{path.name} cannot be read ({error.strerror}): check the file and its access."
        ) from error
