from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from image_files import halved, he_pixels, mif_pixels

from napari_haiku.errors import HaikuError
from napari_haiku.images.from_layer import image_from_array, image_from_channels


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr"])
def test_arrays_of_every_kind(kind: str) -> None:
    pixels = mif_pixels(2)
    data: object = pixels
    if kind == "dask":
        data = da.from_array(pixels, chunks=(1, 40, 40))
    if kind == "zarr":
        data = zarr.create_array({}, shape=pixels.shape, chunks=(1, 40, 40), dtype=pixels.dtype)
        data[...] = pixels
    image = image_from_array(
        data, rgb=False, scale_um=(0.5, 0.5), translate=(20.0, 10.0), channel_names=["DAPI", "CD3"]
    )
    assert (image.modality, image.pixel_size_um, image.origin_um) == ("mif", 0.5, (10.0, 20.0))
    assert image.markers == ("DAPI", "CD3e")
    assert (image.levels[0].compute() == pixels).all()


def test_an_rgb_pyramid() -> None:
    pixels = he_pixels()
    image = image_from_array([pixels, halved(pixels, True)], rgb=True, scale_um=0.25, name="slide")
    assert (image.modality, image.name, image.level_scales) == ("he", "slide", (1.0, 2.0))
    assert image.pixel_size_um == 0.25


def test_napari_hands_over_its_own_pyramid() -> None:
    from napari.layers._multiscale_data import MultiScaleData

    pixels = he_pixels()
    data = MultiScaleData([pixels, halved(pixels, True)])
    assert image_from_array(data, rgb=True).level_scales == (1.0, 2.0)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_any_axis_may_hold_the_channels(axis: int) -> None:
    pixels = mif_pixels(4)
    image = image_from_array(np.moveaxis(pixels, 0, axis), rgb=False, channel_axis=axis)
    assert (image.levels[0].compute() == pixels).all()


def test_leading_single_planes_are_taken_away() -> None:
    image = image_from_array(mif_pixels(2)[None, None], rgb=False)
    assert image.levels[0].shape == (2, 96, 128)
    moved = image_from_array(mif_pixels(2)[:, None, None], rgb=False, channel_axis=0)
    assert moved.levels[0].shape == (2, 96, 128)


def test_a_single_plane_is_one_channel() -> None:
    image = image_from_array(mif_pixels(1)[0], rgb=False, channel_names=["Hoechst"])
    assert (image.levels[0].shape, image.markers) == ((1, 96, 128), ("DAPI",))


def test_stacks_are_refused() -> None:
    with pytest.raises(HaikuError, match="5 planes in time or depth: choose a single one"):
        image_from_array(np.zeros((5, 2, 8, 8), np.uint8), rgb=False)


@pytest.mark.parametrize("data", ["text", [object()], [[1, 2], [3, 4]]])
def test_what_is_no_array_is_refused(data: object) -> None:
    with pytest.raises(HaikuError, match="no array of pixels"):
        image_from_array(data, rgb=False)


def test_no_scale_is_no_pixel_size_and_unequal_sides_are_refused() -> None:
    assert image_from_array(mif_pixels(), rgb=False).pixel_size_um is None
    with pytest.raises(HaikuError, match="contradicts itself"):
        image_from_array(mif_pixels(), rgb=False, scale_um=(0.5, 0.6))


def test_layers_of_single_channels_become_one_mif() -> None:
    pixels = mif_pixels(3)
    image = image_from_channels(
        [da.from_array(p) for p in pixels],
        channel_names=["Hoechst", "CD8a", "AF"],
        scale_um=0.5,
        translate=(1.0, 2.0),
    )
    assert image.markers == ("DAPI", "CD8", None)
    assert (image.origin_um, image.pixel_size_um) == ((2.0, 1.0), 0.5)
    assert (image.levels[0].compute() == pixels).all()


def test_pyramids_of_single_channels() -> None:
    pixels = mif_pixels(2)
    image = image_from_channels([[p, p[::2, ::2]] for p in pixels], channel_names=["DAPI", "CD3"])
    assert image.level_scales == (1.0, 2.0)
    assert (image.levels[1].compute() == halved(pixels, False)).all()


def test_types_are_widened_together() -> None:
    layers = [np.ones((9, 9), np.uint8), np.full((9, 9), 999, np.uint16)]
    image = image_from_channels(layers, channel_names=["DAPI", "CD3"])
    assert image.dtype == np.uint16
    assert image.levels[0][:, 0, 0].compute().tolist() == [1, 999]


@pytest.mark.parametrize(
    ("channels", "names", "said"),
    [
        (
            [np.ones((9, 9)), np.ones((9, 8))],
            ["DAPI", "CD3"],
            "CD3 is 8 x 9 pixels but DAPI is 9 x 9",
        ),
        ([np.ones((9, 9))], ["DAPI", "CD3"], "1 channels but 2 names"),
        ([], [], "no channels"),
        ([np.ones((9, 9)), np.ones((9, 9))], ["CD3", "CD3e"], "both CD3e"),
    ],
)
def test_channels_that_do_not_fit_are_refused(channels: list, names: list[str], said: str) -> None:
    with pytest.raises(HaikuError, match=said):
        image_from_channels(channels, channel_names=names)
