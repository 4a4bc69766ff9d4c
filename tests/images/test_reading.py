from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import he_pixels, mif_pixels, write_marker_folder, write_ome
from PIL import Image

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image


@pytest.mark.parametrize("suffix", ["png", "PNG", "jpg", "jpeg"])
def test_pictures_are_he_without_a_pixel_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(he_pixels()).save(path, dpi=(25400, 25400), quality=100)
    image = open_image(path)
    assert (image.modality, image.shape, image.pixel_size_um) == ("he", (96, 128), None)
    assert np.abs(image.levels[0].compute().astype(int) - he_pixels()).mean() < 3
    assert open_image(path, pixel_size_um=0.5).extent_um == (0, 0, 64, 48)


def test_alpha_of_a_png_is_left_out(tmp_path: Path) -> None:
    alpha = np.dstack([he_pixels(), np.full((96, 128), 7, np.uint8)])
    Image.fromarray(alpha).save(tmp_path / "p.png")
    image = open_image(tmp_path / "p.png")
    assert (image.levels[0].compute() == he_pixels()).all()
    assert image.notes == ("The alpha channel is left out.",)


def test_a_palette_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(he_pixels()).quantize(16).save(tmp_path / "p.png")
    assert open_image(tmp_path / "p.png").levels[0].shape == (96, 128, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_picture_is_one_unnamed_channel(tmp_path: Path, dtype: type) -> None:
    grey = mif_pixels(1, dtype=dtype)[0]
    Image.fromarray(grey).save(tmp_path / "p.png")
    image = open_image(tmp_path / "p.png", markers=["DAPI"])
    assert (image.modality, image.markers, image.dtype) == ("mif", ("DAPI",), np.dtype(dtype))
    assert (image.levels[0].compute()[0] == grey).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_picture_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(
        path
    )
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(HaikuError, match=r"p\.png is damaged"):
        open_image(path)


def test_a_picture_too_large_to_decode_at_once_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_haiku.images.reading_picture.LARGEST_PIXELS", 1000)
    Image.fromarray(he_pixels()).save(tmp_path / "p.png")
    with pytest.raises(HaikuError, match="save it as a tiled pyramid"):
        open_image(tmp_path / "p.png")


def test_a_picture_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(he_pixels()).save(tmp_path / "p.png")
    image = open_image(tmp_path / "p.png")
    (tmp_path / "p.png").unlink()
    assert image.read_region(0, 0, 4, 0, 4).shape == (4, 4, 3)


def test_a_folder_of_markers(tmp_path: Path) -> None:
    folder = write_marker_folder(tmp_path / "region", ["SMA", "CD8a", "Hoechst"])
    tifffile.imwrite(folder / "HandE.tif", np.zeros((40, 50, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(folder / "tissue_mask.tif", np.zeros((4, 5), np.uint8))
    (folder / "readme.txt").write_text("x")
    image = open_image(folder)
    assert image.channel_names == ("CD8a", "Hoechst", "SMA")
    assert image.markers == ("CD8", "DAPI", "aSMA")
    assert image.levels[0].shape == (3, 40, 50)
    assert image.levels[0][:, 0, 0].compute().tolist() == [2, 3, 1]
    assert image.notes == ("Left aside, being no markers: HandE.tif, tissue_mask.tif.",)


def test_a_folder_of_pyramids_with_a_size(tmp_path: Path) -> None:
    folder = tmp_path / "region"
    folder.mkdir()
    for name in ("CD3", "CD8"):
        write_ome(folder / f"{name}.ome.tif", mif_pixels(1), levels=2, position=(5.0, 6.0))
    image = open_image(folder)
    assert image.markers == ("CD3e", "CD8")
    assert [level.shape for level in image.levels] == [(2, 96, 128), (2, 48, 64)]
    assert (image.pixel_size_um, image.origin_um) == (0.5, (5.0, 6.0))


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (np.zeros((41, 50), np.uint8), r"B\.tif is 50 x 41 pixels but A\.tif is 50 x 40"),
        (np.zeros((40, 50), np.uint16), "stores uint16 but A.tif uint8"),
        (np.zeros((2, 40, 50), np.uint8), "not a single channel"),
    ],
)
def test_markers_of_a_folder_must_agree(tmp_path: Path, odd: np.ndarray, said: str) -> None:
    folder = write_marker_folder(tmp_path / "region", ["A"])
    tifffile.imwrite(folder / "B.tif", odd, photometric="minisblack")
    with pytest.raises(HaikuError, match=said):
        open_image(folder)


def test_pixel_sizes_of_a_folder_must_agree(tmp_path: Path) -> None:
    folder = tmp_path / "region"
    folder.mkdir()
    write_ome(folder / "CD3.ome.tif", mif_pixels(1), size=0.5)
    write_ome(folder / "CD8.ome.tif", mif_pixels(1), size=0.6)
    with pytest.raises(HaikuError, match=r"0\.5 um and 0\.6 um.*--pixel-size"):
        open_image(folder)
    assert open_image(folder, pixel_size_um=0.5).pixel_size_um == 0.5


def test_other_paths_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.tif").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "scan.dcm").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "scan").write_bytes(bytes(128) + b"DICM")
    for name, said in {
        "gone.tif": "does not exist",
        "empty": "is a folder but no image",
        "empty.tif": "is empty",
        "notes.txt": "is not an image that can be read: give OME-TIFF",
        "scan.dcm": "is a DICOM file but no whole slide",
        "scan": "is a DICOM file but no whole slide",
    }.items():
        with pytest.raises(HaikuError, match=f"{name} {said}"):
            open_image(tmp_path / name)


@pytest.mark.parametrize(
    ("rgb", "modality", "said"),
    [(True, "mif", "cannot be the mIF"), (False, "he", "cannot be the H&E")],
)
def test_the_wrong_modality_is_refused(tmp_path: Path, rgb: bool, modality: str, said: str) -> None:
    path = write_ome(tmp_path / "x.ome.tif", he_pixels() if rgb else mif_pixels(2), rgb=rgb)
    with pytest.raises(HaikuError, match=said):
        open_image(path, modality=modality)


def test_a_vendors_format_without_openslide_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.mrxs").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(HaikuError, match=r'pip install "napari-haiku\[wsi\]"'):
        open_image(tmp_path / "s.mrxs")


def test_a_vendors_format_that_openslide_cannot_read_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openslide")
    (tmp_path / "s.mrxs").write_bytes(b"x")
    with pytest.raises(HaikuError, match="cannot be read by OpenSlide"):
        open_image(tmp_path / "s.mrxs")


def test_opening_reads_nothing_of_an_he_and_its_fingerprint_few_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_haiku.images import tiff_levels

    pixels = np.tile(he_pixels(128, 128), (20, 20, 1))
    path = write_ome(tmp_path / "x.ome.tif", pixels, rgb=True, levels=2, tile=(512, 512))
    seen = []
    original = tiff_levels.TiffLevel.__getitem__

    def counted(self: object, key: tuple[slice, ...]) -> np.ndarray:
        seen.append(self.shape)
        return original(self, key)

    monkeypatch.setattr(tiff_levels.TiffLevel, "__getitem__", counted)
    image = open_image(path).with_pixel_size(0.4)
    assert seen == []
    assert len(image.fingerprint) == 64
    assert seen.count((2560, 2560, 3)) == 9
