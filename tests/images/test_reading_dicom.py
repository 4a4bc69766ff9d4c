from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from image_files import he_pixels
from PIL import Image

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image

pytest.importorskip("wsidicom")
TILE = 64


def write_dicom(path: Path, pixels: np.ndarray, um: float = 0.5, *, lacking: str = "") -> Path:
    """Write a conformant whole slide of one level, its tiles in JPEG."""
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage, generate_uid

    rows, columns = pixels.shape[:2]
    frames = []
    for y in range(0, rows, TILE):
        for x in range(0, columns, TILE):
            stream = BytesIO()
            Image.fromarray(pixels[y : y + TILE, x : x + TILE]).save(
                stream, "JPEG", quality=95, subsampling=0
            )
            frames.append(stream.getvalue())
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["instance"])
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    slide = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    slide.SOPClassUID = meta.MediaStorageSOPClassUID
    slide.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    for name in ("Study", "Series"):
        setattr(slide, f"{name}InstanceUID", generate_uid(entropy_srcs=[name]))
    slide.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    slide.Modality = "SM"
    slide.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    slide.Rows = slide.Columns = TILE
    slide.TotalPixelMatrixRows, slide.TotalPixelMatrixColumns = rows, columns
    slide.TotalPixelMatrixFocalPlanes = 1
    slide.NumberOfOpticalPaths = 1
    slide.NumberOfFrames = len(frames)
    slide.SamplesPerPixel, slide.PhotometricInterpretation = 3, "YBR_FULL_422"
    slide.PlanarConfiguration = slide.PixelRepresentation = 0
    slide.BitsAllocated = slide.BitsStored = 8
    slide.HighBit = 7
    slide.LossyImageCompression = "01"
    slide.LossyImageCompressionRatio = 10
    slide.LossyImageCompressionMethod = "ISO_10918_1"
    slide.ImagedVolumeWidth, slide.ImagedVolumeHeight = columns * um / 1e3, rows * um / 1e3
    slide.ImagedVolumeDepth = 0.001
    slide.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    slide.FocusMethod = "AUTO"
    slide.ExtendedDepthOfField = "NO"
    slide.SpecimenLabelInImage = "NO"
    slide.ContainerIdentifier = "c"
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 0
    slide.TotalPixelMatrixOriginSequence = [origin]
    if lacking != "tiles":
        slide.DimensionOrganizationType = "TILED_FULL"
    measures = Dataset()
    measures.PixelSpacing = [um / 1e3, um / 1e3]
    measures.SliceThickness = 0.001
    shared = Dataset()
    if lacking != "size":
        shared.PixelMeasuresSequence = [measures]
    kind = Dataset()
    kind.FrameType = slide.ImageType
    shared.WholeSlideMicroscopyImageFrameTypeSequence = [kind]
    slide.SharedFunctionalGroupsSequence = [shared]
    path_through = Dataset()
    path_through.OpticalPathIdentifier = "0"
    lit = Dataset()
    lit.CodeValue, lit.CodingSchemeDesignator, lit.CodeMeaning = "111744", "DCM", "Brightfield"
    path_through.IlluminationTypeCodeSequence = [lit]
    slide.OpticalPathSequence = [path_through]
    slide.PixelData = encapsulate(frames)
    slide["PixelData"].is_undefined_length = True
    slide.save_as(path, enforce_file_format=True)
    return path


def test_a_conformant_slide_is_read_with_its_pixel_size(tmp_path: Path) -> None:
    pixels = he_pixels(128, 192)
    path = write_dicom(tmp_path / "s.dcm", pixels)
    image = open_image(path)
    assert (image.modality, image.shape, image.pixel_size_um) == ("he", (128, 192), 0.5)
    seen = image.read_region(0, 60, 70, 90, 110)
    assert np.abs(seen.astype(int) - pixels[60:70, 90:110]).mean() < 6
    assert open_image(tmp_path).fingerprint == image.fingerprint


@pytest.mark.parametrize(
    ("lacking", "said"),
    [("size", "how large its pixels are"), ("tiles", "where its tiles lie")],
)
def test_a_slide_that_cannot_be_placed_is_refused(tmp_path: Path, lacking: str, said: str) -> None:
    path = write_dicom(tmp_path / "s.dcm", he_pixels(128, 128), lacking=lacking)
    with pytest.raises(HaikuError, match=rf"s\.dcm is a DICOM slide that does not say {said}"):
        open_image(path)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_slide_that_was_cut_off_is_one_sentence(tmp_path: Path, share: float) -> None:
    path = write_dicom(tmp_path / "s.dcm", he_pixels(128, 192))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(HaikuError, match=r"s\.dcm"):
        _ = open_image(path).fingerprint


def test_other_dicom_files_are_refused(tmp_path: Path) -> None:
    from pydicom import dcmread

    path = write_dicom(tmp_path / "s.dcm", he_pixels(64, 64))
    header = dcmread(path)
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.save_as(path)
    with pytest.raises(HaikuError, match="no whole slide"):
        open_image(path)


def test_without_the_library_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.dcm").write_bytes(bytes(128) + b"DICM")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(HaikuError, match=r'pip install "napari-haiku\[dicom\]"'):
        open_image(tmp_path / "s.dcm")


@pytest.mark.real_data
def test_the_slide_without_measures_is_refused_with_the_reason(real_data: Path) -> None:
    with pytest.raises(HaikuError, match="how large its pixels are or where its tiles lie") as said:
        open_image(real_data / "wsi" / "small_dicom_TCGA-XK-AAJU.dcm")
    assert "Traceback" not in str(said.value)
