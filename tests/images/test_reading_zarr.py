from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from image_files import he_pixels, mif_pixels, rewrite_json, write_ngff

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image

VERSIONS = ["0.4", "0.5"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_mif_with_names_size_and_place(tmp_path: Path, version: str) -> None:
    pixels = mif_pixels(3)
    path = write_ngff(
        tmp_path / "m.ome.zarr",
        pixels,
        version=version,
        levels=3,
        labels=["Hoechst", "CD8a", "blank"],
        translation=(100.0, 20.0),
    )
    image = open_image(path)
    assert (image.modality, image.name) == ("mif", "m.ome.zarr")
    assert [level.shape for level in image.levels] == [(3, 96, 128), (3, 48, 64), (3, 24, 32)]
    assert image.level_scales == (1.0, 2.0, 4.0)
    assert (image.pixel_size_um, image.origin_um) == (0.5, (100.0, 20.0))
    assert image.markers == ("DAPI", "CD8", None)
    assert (image.levels[0].compute() == pixels).all()
    assert (image.levels[1].compute() == pixels[:, ::2, ::2]).all()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("labels", [None, ["R", "G", "B"], ["0", "1", "2"]])
def test_an_he_stored_as_channels(tmp_path: Path, version: str, labels: list[str] | None) -> None:
    planes = np.moveaxis(he_pixels(), -1, 0)
    image = open_image(write_ngff(tmp_path / "he.zarr", planes, version=version, labels=labels))
    assert (image.modality, image.levels[1].shape) == ("he", (48, 64, 3))
    assert (image.levels[0].compute() == he_pixels()).all()


def test_a_named_triple_is_no_he(tmp_path: Path) -> None:
    planes = np.moveaxis(he_pixels(), -1, 0)
    path = write_ngff(tmp_path / "m.zarr", planes, labels=["DAPI", "CD3", "CD8"])
    assert open_image(path).modality == "mif"


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [
        (500.0, "nanometer", 0.5),
        (0.0005, "millimeter", 0.5),
        (0.5, None, None),
        (1.0, "pixel", None),
    ],
)
def test_units(tmp_path: Path, size: float, unit: str | None, expected: float | None) -> None:
    image = open_image(write_ngff(tmp_path / "m.zarr", mif_pixels(2), size=size, unit=unit))
    if expected is None:
        assert image.pixel_size_um is None
    else:
        assert image.pixel_size_um == pytest.approx(expected)


def test_a_scale_without_unit_is_noted(tmp_path: Path) -> None:
    image = open_image(write_ngff(tmp_path / "m.zarr", mif_pixels(2), size=0.5, unit=None))
    assert "no unit of length" in image.notes[0]


def test_unequal_sides_are_refused_unless_given(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "m.zarr", mif_pixels(2), size=(0.5, 0.7))
    with pytest.raises(HaikuError, match=r"contradicts itself.*--pixel-size"):
        open_image(path)
    assert open_image(path, pixel_size_um=0.5).pixel_size_um == 0.5


def test_a_transformation_of_the_whole_image_counts_too(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "m.zarr", mif_pixels(2), version="0.4", translation=(10.0, 20.0))

    def doubled(content: dict) -> None:
        content["multiscales"][0]["coordinateTransformations"] = [
            {"type": "scale", "scale": [1, 2, 2]},
            {"type": "translation", "translation": [0, 1, 3]},
        ]

    rewrite_json(path / ".zattrs", doubled)
    image = open_image(path)
    assert (image.pixel_size_um, image.origin_um) == (1.0, (23.0, 41.0))


@pytest.mark.parametrize(
    ("axes", "shape"), [("tczyx", (1, 2, 1, 32, 40)), ("yx", (32, 40)), ("zyx", (1, 32, 40))]
)
def test_single_planes_of_more_axes(tmp_path: Path, axes: str, shape: tuple[int, ...]) -> None:
    pixels = np.ones(shape, np.uint8)
    image = open_image(write_ngff(tmp_path / "m.zarr", pixels, axes=axes))
    assert image.levels[0].shape == ((2, 32, 40) if "c" in axes else (1, 32, 40))


def test_channels_last_are_moved(tmp_path: Path) -> None:
    pixels = np.moveaxis(mif_pixels(2), 0, -1)
    image = open_image(write_ngff(tmp_path / "m.zarr", pixels, axes="yxc"))
    assert (image.levels[0].compute() == mif_pixels(2)).all()


@pytest.mark.parametrize(("axes", "said"), [("zyx", "3 focal planes"), ("tyx", "3 time points")])
def test_stacks_are_refused(tmp_path: Path, axes: str, said: str) -> None:
    with pytest.raises(HaikuError, match=said):
        open_image(write_ngff(tmp_path / "m.zarr", mif_pixels(3), axes=axes))


def test_a_series_opens_its_first_image(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write_ngff(tmp_path / "s.zarr" / "0", mif_pixels(2), version="0.4")
    image = open_image(tmp_path / "s.zarr")
    assert image.levels[0].shape == (2, 96, 128)
    assert "series of images" in image.notes[0]


def test_a_zarr_that_is_no_image_is_refused(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "g.zarr", mode="w")
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 4), dtype="u1")
    for name in ("g.zarr", "a.zarr"):
        with pytest.raises(HaikuError, match=f"{name} is a zarr folder but no OME-Zarr image"):
            open_image(tmp_path / name)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["multiscales"][0].update(datasets=[]),
        lambda c: c["multiscales"][0]["datasets"][0].update(path="gone"),
        lambda c: c["multiscales"][0].update(axes=[{"name": "x"}]),
        lambda c: c["multiscales"][0]["datasets"][0].update(
            coordinateTransformations=[{"type": "scale", "scale": [1]}]
        ),
        lambda c: c.update(multiscales="x"),
    ],
)
def test_broken_metadata_is_refused(tmp_path: Path, change: object) -> None:
    path = write_ngff(tmp_path / "m.zarr", mif_pixels(2), version="0.4")
    rewrite_json(path / ".zattrs", change)
    with pytest.raises(HaikuError, match=r"m\.zarr"):
        open_image(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_damaged_block_is_named(tmp_path: Path, version: str) -> None:
    path = write_ngff(tmp_path / "m.zarr", mif_pixels(2), version=version, labels=["DAPI", "CD3"])
    files = [file for file in (path / "0").rglob("*") if file.is_file()]
    blocks = [file for file in files if file.name not in (".zarray", ".zattrs", "zarr.json")]
    assert blocks
    for block in blocks:
        block.write_bytes(b"\x00\x01broken")
    with pytest.raises(HaikuError, match=r"m\.zarr is damaged"):
        open_image(path).levels[0].compute()


def test_metadata_cut_off_is_refused(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "m.zarr", mif_pixels(2))
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text[: len(text) // 2])
    with pytest.raises(HaikuError, match=r"m\.zarr"):
        open_image(path)


def test_an_encoding_is_told_apart_from_an_image(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.haiku.zarr")
    group.attrs["format"] = "napari-haiku encoding"
    with pytest.raises(HaikuError, match="what encoding a slide left and no image"):
        open_image(tmp_path / "a.haiku.zarr")
