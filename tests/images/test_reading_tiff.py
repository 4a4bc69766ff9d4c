from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import (
    MICRON,
    cut,
    halved,
    he_pixels,
    mif_pixels,
    write_imagej,
    write_ome,
)

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("tile", [(32, 32), None])
def test_an_ome_he_pyramid(tmp_path: Path, compression: str | None, tile: tuple[int, int]) -> None:
    pixels = he_pixels()
    path = write_ome(
        tmp_path / "he.ome.tif",
        pixels,
        rgb=True,
        levels=3,
        tile=tile,
        compression=compression,
        position=(100.0, 50.0),
    )
    image = open_image(path)
    assert (image.modality, image.name, image.path) == ("he", "he.ome.tif", path)
    assert [level.shape for level in image.levels] == [(96, 128, 3), (48, 64, 3), (24, 32, 3)]
    assert image.level_scales == (1.0, 2.0, 4.0)
    assert (image.pixel_size_um, image.origin_um) == (0.5, (100.0, 50.0))
    assert (image.channel_names, image.markers, image.notes) == ((), (), ())
    assert (image.levels[0].compute() == pixels).all()
    assert (image.read_region(1, 3, 9, 5, 60) == halved(pixels, True)[3:9, 5:60]).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", ">u2"])
def test_an_ome_mif_pyramid(tmp_path: Path, dtype: str) -> None:
    pixels = mif_pixels(3, dtype=dtype)
    order = ">" if dtype.startswith(">") else None
    path = tmp_path / "m.ome.tif"
    if order:
        tifffile.imwrite(path, pixels, byteorder=order, metadata={"axes": "CYX"}, ome=True)
    else:
        write_ome(path, pixels, levels=2, names=["Hoechst", "CD8a", "Autofluorescence"])
    image = open_image(path)
    assert image.modality == "mif"
    assert image.dtype.isnative
    assert (image.levels[0].compute() == pixels).all()
    if not order:
        assert image.channel_names == ("Hoechst", "CD8a", "Autofluorescence")
        assert image.markers == ("DAPI", "CD8", None)
        assert (image.used_markers, image.used_channels) == (("DAPI", "CD8"), (0, 1))
        assert image.notes == ("Not used as markers: Autofluorescence.",)


@pytest.mark.parametrize(("size", "unit"), [(500.0, "nm"), (0.0005, "mm"), (0.5, MICRON)])
def test_units_of_the_pixel_size(tmp_path: Path, size: float, unit: str) -> None:
    path = write_ome(tmp_path / "m.ome.tif", mif_pixels(), size=size, unit=unit)
    assert open_image(path).pixel_size_um == pytest.approx(0.5)


def test_without_a_pixel_size_it_is_none(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "m.ome.tif", mif_pixels(), size=None)
    assert open_image(path).pixel_size_um is None
    assert open_image(path, pixel_size_um=0.3).pixel_size_um == 0.3


@pytest.mark.parametrize(
    ("size", "said"), [((0.5, 0.6), "contradicts itself"), (0.0, "cannot be right"), (500.0, "500")]
)
def test_a_size_that_cannot_be_is_refused_unless_given(
    tmp_path: Path, size: object, said: str
) -> None:
    path = write_ome(tmp_path / "m.ome.tif", mif_pixels(), size=size)
    with pytest.raises(HaikuError, match=rf"{said}.*--pixel-size"):
        open_image(path)
    assert open_image(path, pixel_size_um=0.5).pixel_size_um == 0.5


def test_metadata_and_tags_that_disagree_are_refused(tmp_path: Path) -> None:
    path = write_ome(
        tmp_path / "m.ome.tif", mif_pixels(), resolution=(40000, 40000), resolutionunit=3
    )
    with pytest.raises(HaikuError, match=r"0\.5 um in its metadata and 0\.25 um in its resolution"):
        open_image(path)
    assert open_image(path, pixel_size_um=0.5).pixel_size_um == 0.5


def test_print_resolution_beside_metadata_is_no_contradiction(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "m.ome.tif", mif_pixels(), resolution=(72, 72), resolutionunit=2)
    assert open_image(path).pixel_size_um == 0.5


def test_plain_tiff_sizes_come_from_plausible_tags_only(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    for resolution, unit, size in (
        ((20000, 20000), 3, 0.5),
        ((72, 72), 2, None),
        ((300, 300), 2, None),
        ((20000, 20000), 1, None),
        ((0, 0), 3, None),
    ):
        tifffile.imwrite(
            path, he_pixels(), photometric="rgb", resolution=resolution, resolutionunit=unit
        )
        assert open_image(path).pixel_size_um == size


def test_contradicting_tags_of_a_plain_tiff(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    tifffile.imwrite(
        path, he_pixels(), photometric="rgb", resolution=(20000, 30000), resolutionunit=3
    )
    with pytest.raises(HaikuError, match="contradicts itself"):
        open_image(path)


def test_imagej_channels_and_unit(tmp_path: Path) -> None:
    path = write_imagej(
        tmp_path / "ij.tif",
        mif_pixels(2),
        resolution=(2.0, 2.0),
        metadata={"unit": "micron", "Labels": ["DAPI", "CD3"]},
    )
    image = open_image(path)
    assert image.pixel_size_um == 0.5
    assert image.markers == ("DAPI", "CD3e")


def test_imagej_pixels_are_no_length(tmp_path: Path) -> None:
    path = write_imagej(
        tmp_path / "ij.tif", mif_pixels(2), resolution=(2.0, 2.0), metadata={"unit": "pixel"}
    )
    assert open_image(path).pixel_size_um is None


def test_akoya_files_name_their_biomarkers(tmp_path: Path) -> None:
    path = tmp_path / "scan.qptiff"
    with tifffile.TiffWriter(path) as writer:
        for name, dye in (("DAPI", "DAPI"), ("CD8", "Opal 520"), ("", "Opal 690")):
            writer.write(
                mif_pixels(1, dtype=np.uint8)[0],
                software="PerkinElmer-QPI",
                description="<PerkinElmer-QPI-ImageDescription><ImageType>FullResolution</ImageType>"
                f"<Name>{dye}</Name><Biomarker>{name}</Biomarker></PerkinElmer-QPI-ImageDescription>",
                resolution=(20000, 20000),
                resolutionunit=3,
                metadata=None,
            )
    image = open_image(path)
    assert image.channel_names == ("DAPI", "CD8", "Opal 690")
    assert image.pixel_size_um == 0.5


def test_channels_without_names_are_numbered_and_noted(tmp_path: Path) -> None:
    image = open_image(write_ome(tmp_path / "m.ome.tif", mif_pixels(2)))
    assert image.channel_names == image.markers == ("Channel 1", "Channel 2")
    assert not image.channels_named
    assert image.notes == (
        "The 2 mIF channels have no names: give a markers file with one name per line.",
    )


def test_a_channel_without_a_name_among_named_ones(tmp_path: Path) -> None:
    image = open_image(write_ome(tmp_path / "m.ome.tif", mif_pixels(2), names=["DAPI", ""]))
    assert image.markers == ("DAPI", "Channel 2")


def test_names_can_be_given(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "m.ome.tif", mif_pixels(2), names=["a", "b"])
    (tmp_path / "markers.txt").write_text("DAPI\nCD4\n")
    assert open_image(path, markers=["Hoechst", "CD20"]).markers == ("DAPI", "CD20")
    assert open_image(path, markers=tmp_path / "markers.txt").markers == ("DAPI", "CD4")
    with pytest.raises(HaikuError, match="2 channels but 3 marker names"):
        open_image(path, markers=["a", "b", "c"])


def test_one_marker_twice_is_refused_until_named_apart(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "m.ome.tif", mif_pixels(2), names=["CD3", "CD3e"])
    with pytest.raises(HaikuError, match=r"Channels 1 \(CD3\) and 2 \(CD3e\)"):
        open_image(path)
    assert open_image(path, markers=["CD3", "blank"]).used_markers == ("CD3e",)


def test_dark_and_missing_channels_are_left_out_with_a_note(tmp_path: Path) -> None:
    pixels = mif_pixels(4, dtype=np.float32)
    pixels[1] = 0
    pixels[2] = np.nan
    pixels[3, 10:20, 10:20] = np.nan
    path = write_ome(tmp_path / "m.ome.tif", pixels, names=["DAPI", "CD20", "CD4", "CD8"], levels=2)
    image = open_image(path)
    assert image.markers == ("DAPI", None, None, "CD8")
    assert image.empty_channels == (1, 2)
    assert image.notes == (
        "CD20 is zero everywhere; left out.",
        "CD4 is NaN everywhere; left out.",
        "CD8 contains NaN; patches that touch them count as not measured.",
    )


def test_signal_that_a_coarse_level_misses_keeps_its_channel(tmp_path: Path) -> None:
    pixels = mif_pixels(2)
    pixels[1] = 0
    pixels[1, 33, 77] = 9
    path = write_ome(tmp_path / "m.ome.tif", pixels, names=["DAPI", "CD20"], levels=3)
    assert open_image(path).used_markers == ("DAPI", "CD20")


def test_three_planes_named_red_green_blue_are_an_he(tmp_path: Path) -> None:
    planes = np.moveaxis(he_pixels(), -1, 0)
    path = write_ome(tmp_path / "he.ome.tif", planes, names=["Red", "Green", "Blue"], levels=2)
    image = open_image(path)
    assert image.modality == "he"
    assert (image.levels[0].compute() == he_pixels()).all()


def test_three_bright_unnamed_planes_are_an_he_unless_told_otherwise(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "x.ome.tif", np.moveaxis(he_pixels(), -1, 0))
    assert open_image(path).modality == "he"
    assert open_image(path, modality="mif").shape == (96, 128)
    assert open_image(path, modality="mif").modality == "mif"
    dark = write_ome(tmp_path / "y.ome.tif", (np.moveaxis(he_pixels(), -1, 0) // 8))
    assert open_image(dark).modality == "mif"
    assert open_image(dark, modality="he").modality == "he"


def test_planar_rgb_is_an_he(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    tifffile.imwrite(
        path, np.moveaxis(he_pixels(), -1, 0), photometric="rgb", planarconfig="separate"
    )
    image = open_image(path)
    assert image.modality == "he"
    assert (image.levels[0].compute() == he_pixels()).all()


def test_alpha_is_left_out_and_16_bit_colour_scaled(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    alpha = np.dstack([he_pixels(), np.full((96, 128), 255, np.uint8)])
    tifffile.imwrite(path, alpha, photometric="rgb", extrasamples=["unassalpha"])
    image = open_image(path)
    assert (image.levels[0].compute() == he_pixels()).all()
    assert image.notes == ("The alpha channel is left out.",)
    tifffile.imwrite(path, he_pixels().astype(np.uint16) * 257, photometric="rgb")
    image = open_image(path)
    assert (image.levels[0].compute() == he_pixels()).all()
    assert image.notes == ("The 16-bit colours are scaled to 8 bits.",)


def test_float_colour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    tifffile.imwrite(path, he_pixels().astype(np.float32), photometric="rgb")
    with pytest.raises(HaikuError, match="stores colours as float32"):
        open_image(path)


@pytest.mark.parametrize("dtype", [np.complex64, bool])
def test_values_that_are_no_intensities_are_refused(tmp_path: Path, dtype: type) -> None:
    path = tmp_path / "p.tif"
    tifffile.imwrite(path, mif_pixels(2).astype(dtype), photometric="minisblack")
    with pytest.raises(HaikuError, match="no intensities"):
        open_image(path)


@pytest.mark.parametrize(("axes", "what"), [("ZCYX", "focal planes"), ("TCYX", "time points")])
def test_stacks_and_films_are_refused(tmp_path: Path, axes: str, what: str) -> None:
    path = tmp_path / "z.ome.tif"
    tifffile.imwrite(path, np.ones((5, 2, 32, 32), np.uint8), metadata={"axes": axes}, ome=True)
    with pytest.raises(HaikuError, match=f"has 5 {what}"):
        open_image(path)


def test_a_single_focal_plane_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "z.ome.tif"
    tifffile.imwrite(path, np.ones((1, 2, 32, 32), np.uint8), metadata={"axes": "ZCYX"}, ome=True)
    assert open_image(path).levels[0].shape == (2, 32, 32)


def test_the_largest_image_of_a_file_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "s.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8), photometric="rgb", metadata={"Name": "label"})
        writer.write(
            he_pixels(), photometric="rgb", metadata={"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
        )
    image = open_image(path)
    assert (image.shape, image.pixel_size_um, image.notes) == ((96, 128), 0.25, ())


def test_several_fields_of_one_size_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "s.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for _ in range(3):
            writer.write(mif_pixels(2), photometric="minisblack", metadata={"axes": "CYX"})
    assert "holds 3 images of this size; the first one is used" in open_image(path).notes[0]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["pyramid", "strips", "plain"])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float, kind: str) -> None:
    path = tmp_path / "c.ome.tif"
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (256, 256, 3), dtype=np.uint8)
    if kind == "pyramid":
        write_ome(path, noise, rgb=True, levels=3, compression="zlib")
    elif kind == "strips":
        write_ome(path, np.moveaxis(noise, -1, 0), tile=None, names=["a", "b", "c"])
    else:
        tifffile.imwrite(path, noise, photometric="rgb", metadata=None)
    cut(path, share)
    with pytest.raises(HaikuError, match=r"c\.ome\.tif (ends before|is damaged|refers to planes)"):
        open_image(path)


def test_a_damaged_tile_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "d.ome.tif", he_pixels(512, 512), rgb=True, compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        start, size = page.dataoffsets[100], page.databytecounts[100]
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(size)
    path.write_bytes(content)
    with pytest.raises(HaikuError, match=r"d\.ome\.tif is damaged"):
        open_image(path).levels[0].compute()


@pytest.mark.parametrize(
    "content", [b"II*\x00garbage", b"MM\x00*" + bytes(40), b"II" + b"\xff" * 99]
)
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "g.tif"
    path.write_bytes(content)
    with pytest.raises(HaikuError, match=r"g\.tif (is damaged|holds no image)"):
        open_image(path)


def test_a_set_with_an_absent_part_is_refused(tmp_path: Path) -> None:
    whole = write_ome(tmp_path / "a.ome.tif", mif_pixels(2), names=["DAPI", "CD3"])
    content = whole.read_bytes()
    path = tmp_path / "b.ome.tif"
    with tifffile.TiffFile(whole) as tiff:
        xml = tiff.ome_metadata
    split = xml.replace(
        '<TiffData IFD="0" PlaneCount="2"/>',
        '<TiffData IFD="0" FirstC="0" PlaneCount="1"/><TiffData IFD="0" FirstC="1" PlaneCount="1">'
        '<UUID FileName="gone.ome.tif">urn:uuid:0f</UUID></TiffData>',
    )
    assert split != xml
    with tifffile.TiffWriter(path) as writer:
        writer.write(mif_pixels(1)[0], description=split.encode(), metadata=None)
    assert content
    with pytest.raises(HaikuError, match="refers to planes that are not there"):
        open_image(path)


def test_a_file_is_closed_when_its_image_is_dropped(tmp_path: Path) -> None:
    import gc
    import os

    path = write_ome(tmp_path / "m.ome.tif", mif_pixels(2), levels=2)
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("open files cannot be listed on this system")

    def held() -> int:
        links = (os.readlink(f) for f in folder.iterdir() if f.exists())
        return sum(link == str(path) for link in links)

    image = open_image(path)
    image.levels[0].compute()
    assert held() > 0
    del image
    gc.collect()
    assert held() == 0


def test_an_image_on_disk_travels_to_another_process(tmp_path: Path) -> None:
    import pickle

    image = open_image(write_ome(tmp_path / "m.ome.tif", mif_pixels(2), levels=2))
    again = pickle.loads(pickle.dumps(image))  # noqa: S301
    assert (again.levels[1].compute() == image.levels[1].compute()).all()
