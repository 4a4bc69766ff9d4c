from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_files import he_pixels, mif_pixels, write_ome

from napari_haiku.images.info import describe
from napari_haiku.images.reading import open_image


def test_an_mif_in_plain_values(tmp_path: Path) -> None:
    path = write_ome(
        tmp_path / "m.ome.tif", mif_pixels(3), levels=2, names=["Hoechst", "AF", "HER2"]
    )
    info = describe(open_image(path))
    assert json.loads(json.dumps(info)) == info
    assert {key: info[key] for key in list(info)[:6]} == {
        "modality": "mif",
        "shape": [3, 96, 128],
        "levels": [[3, 96, 128], [3, 48, 64]],
        "pixel_size_um": 0.5,
        "markers": ["DAPI", "HER2"],
        "dtype": "uint16",
    }
    assert info["channels"] == ["Hoechst", "AF", "HER2"]


def test_an_he_has_no_markers(tmp_path: Path) -> None:
    info = describe(open_image(write_ome(tmp_path / "h.ome.tif", he_pixels(), rgb=True, size=None)))
    assert (info["modality"], info["shape"], info["markers"]) == ("he", [96, 128, 3], [])
    assert info["pixel_size_um"] is None
    assert info["origin_um"] == [0.0, 0.0]


ORION = ["DAPI", "CD31", "CD45", "CD68", "CD4", "FoxP3", "CD8", "CD45RO", "CD20", "PDL1", "CD3e"]
ORION = [*ORION, "CD163", "ECad", "PD1", "Ki67", "PanCK", "aSMA"]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "shape", "size", "origin"),
    [
        ("crc01_west_he", [5120, 5120, 3], 1.3, [3993.6, 3993.6]),
        ("crc01_west_mif18", [18, 5120, 5120], 1.3, [3993.6, 3993.6]),
        ("crc01_wholeslide_he_L4", [3585, 4901, 3], 5.2, [0, 0]),
        ("crc01_wholeslide_mif18_L6", [18, 896, 1225], 20.8, [0, 0]),
        ("crc01_x4_y7_he", [1024, 1024, 3], 1.3, [5324.8, 9318.4]),
        ("crc01_x4_y7_mif18", [18, 1024, 1024], 1.3, [5324.8, 9318.4]),
    ],
)
def test_the_orion_images(
    real_data: Path, name: str, shape: list[int], size: float, origin: list[float]
) -> None:
    info = describe(open_image(real_data / "orion_crc01" / f"{name}.ome.tif"))
    assert (info["shape"], info["pixel_size_um"]) == (shape, size)
    assert info["origin_um"] == pytest.approx(origin)
    assert info["markers"] == ([] if shape[-1] == 3 else ORION)


@pytest.mark.real_data
def test_other_real_images(real_data: Path) -> None:
    svs = describe(open_image(real_data / "wsi" / "CMU-1-Small-Region.svs"))
    assert (svs["shape"], svs["pixel_size_um"]) == ([2967, 2220, 3], 0.499)
    mibi = describe(open_image(next((real_data / "mibi_breast_dcis").iterdir())))
    assert (mibi["shape"], mibi["pixel_size_um"]) == ([41, 1024, 1024], None)
    assert {"CD3e", "PanCK", "aSMA", "HLA-DR", "ERa", "COLI", "Nuc"} <= set(mibi["markers"])
    folder = real_data / "cycif_tonsil"
    tonsil = open_image(folder / "cycif-tonsil-cycle1.ome.tif")
    assert not tonsil.channels_named
    assert describe(tonsil)["pixel_size_um"] == 0.65
    assert "9 images of this size" in tonsil.notes[0]
    csm = describe(open_image(next((real_data / "csm_breast_7plex").iterdir())))
    assert csm["markers"] == ["DAPI", "PDL1", "GranzymeB", "PD1", "CK-EPCAM", "CD8", "FoxP3"]
    assert "CK-EPCAM may mean EpCAM or PanCK" in csm["notes"][0]
    png = describe(open_image(real_data / "he_tiles" / "torchstain_source.png"))
    assert (png["shape"], png["pixel_size_um"]) == ([438, 584, 3], None)
    jpg = describe(open_image(real_data / "birl_landmarks" / "Izd2-29-041-w35_HE.jpg"))
    assert (jpg["shape"], jpg["pixel_size_um"]) == ([733, 890, 3], None)


@pytest.mark.real_data
def test_openslide_sees_the_same_pixels(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openslide")
    from napari_haiku.images import reading

    path = real_data / "wsi" / "CMU-1-Small-Region.svs"
    with_tifffile = open_image(path)
    monkeypatch.setattr(reading, "OPENSLIDE_SUFFIXES", frozenset({".svs"}))
    with_openslide = open_image(path)
    assert with_openslide.pixel_size_um == with_tifffile.pixel_size_um == 0.499
    assert with_openslide.shape == with_tifffile.shape
    place = (0, 700, 1300, 500, 1200)
    a, b = (image.read_region(*place).astype(int) for image in (with_tifffile, with_openslide))
    assert abs(a - b).max() <= 4


@pytest.mark.real_data
def test_the_untrustworthy_dicom_is_refused(real_data: Path) -> None:
    from napari_haiku.errors import HaikuError

    with pytest.raises(HaikuError, match="how large its pixels are or where its tiles lie"):
        open_image(real_data / "wsi" / "small_dicom_TCGA-XK-AAJU.dcm")
