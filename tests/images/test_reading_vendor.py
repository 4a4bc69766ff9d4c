"""Vendors' whole-slide formats: files that the tests can write themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import halved, he_pixels, mif_pixels

from napari_haiku.images.reading import open_image

_PER_CM = (20000, 20000)


def write_qptiff(path: Path, pixels: np.ndarray, names: list[str]) -> Path:
    """Write an Akoya QPTIFF: planes, a thumbnail, then the same planes at half size."""
    thumbnail = he_pixels(24, 32)
    with tifffile.TiffWriter(path) as writer:
        options = {
            "software": "PerkinElmer-QPI",
            "photometric": "minisblack",
            "resolution": _PER_CM,
            "resolutionunit": "CENTIMETER",
            "metadata": None,
        }
        for level, planes in enumerate((pixels, halved(pixels, False))):
            for name, plane in zip(names, planes, strict=True):
                kind = "FullResolution" if level == 0 else "ReducedResolution"
                xml = (
                    '<?xml version="1.0" encoding="utf-8"?><PerkinElmer-QPI-ImageDescription>'
                    f"<ImageType>{kind}</ImageType><Name>Opal {name}</Name>"
                    f"<Biomarker>{name}</Biomarker></PerkinElmer-QPI-ImageDescription>"
                )
                writer.write(
                    plane,
                    description=xml,
                    tile=(32, 32),
                    subfiletype=min(level, 1),
                    **options,
                )
            if level == 0:
                xml = (
                    "<PerkinElmer-QPI-ImageDescription><ImageType>Thumbnail</ImageType>"
                    "</PerkinElmer-QPI-ImageDescription>"
                )
                writer.write(
                    thumbnail, description=xml, subfiletype=1, **{**options, "photometric": "rgb"}
                )
    return path


def test_a_qptiff_names_its_markers_and_has_its_levels(tmp_path: Path) -> None:
    pixels = mif_pixels(3, 128, 160)
    image = open_image(write_qptiff(tmp_path / "s.qptiff", pixels, ["DAPI", "CD8", "PanCK"]))
    assert image.channel_names == ("DAPI", "CD8", "PanCK")
    assert image.used_markers == ("DAPI", "CD8", "PanCK")
    assert image.pixel_size_um == pytest.approx(0.5)
    assert [level.shape for level in image.levels] == [(3, 128, 160), (3, 64, 80)]
    assert (image.levels[0].compute() == pixels).all()


def write_scn(path: Path, pixels: np.ndarray) -> Path:
    """Write a Leica SCN: one BigTIFF whose description says which directory is which level."""
    rows, columns = pixels.shape[:2]
    um = 500
    xml = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="c" sizeX="{2 * columns * um}" sizeY="{2 * rows * um}"><image name="i">'
        f'<pixels sizeX="{columns}" sizeY="{rows}">'
        f'<dimension sizeX="{columns}" sizeY="{rows}" r="0" ifd="0"/>'
        f'<dimension sizeX="{columns // 2}" sizeY="{rows // 2}" r="1" ifd="1"/></pixels>'
        f'<view sizeX="{columns * um}" sizeY="{rows * um}" offsetX="0" offsetY="0" spacingZ="0"/>'
        "<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings>"
        "<illuminationSettings><illuminationSource>brightfield</illuminationSource>"
        "</illuminationSettings></scanSettings></image></collection></scn>"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for level, plane in enumerate((pixels, halved(pixels, True))):
            writer.write(
                plane,
                description=xml if level == 0 else None,
                tile=(64, 64),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 95},
                resolution=_PER_CM,
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    return path


def test_an_scn_is_read_through_openslide(tmp_path: Path) -> None:
    pytest.importorskip("openslide")
    pixels = he_pixels(256, 320)
    image = open_image(write_scn(tmp_path / "s.scn", pixels))
    # The scanned area is a part of the slide's; what was not scanned is white.
    assert (image.modality, image.shape) == ("he", (512, 640))
    assert image.pixel_size_um == pytest.approx(0.5)
    assert len(image.levels) == 2
    seen = image.levels[0].compute()
    assert np.abs(seen[:256, :320].astype(int) - pixels).mean() < 3
    assert (seen[256:] == 255).all()


@pytest.mark.real_data
def test_a_real_svs_has_its_pixel_size(real_data: Path) -> None:
    image = open_image(real_data / "wsi" / "CMU-1-Small-Region.svs")
    assert (image.modality, image.shape) == ("he", (2967, 2220))
    assert image.pixel_size_um == pytest.approx(0.499)
