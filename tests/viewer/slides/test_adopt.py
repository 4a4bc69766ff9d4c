from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.layers._source import layer_source
from slides_in_memory import he_image, mif_image

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.slides.adopt import (
    LayerChoice,
    adopt,
    find_choices,
    layer_frame,
    place_layers,
)
from napari_haiku.viewer.slides.slide_layers import display_limits, show_he, show_mif

UM = {"units": ("um", "um"), "scale": (0.5, 0.5)}


@pytest.fixture
def viewer():
    return ViewerModel()


def rgb(side=64, **options):
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    return Image(pixels, rgb=True, **options)


def grey(name, side=64, **options):
    pixels = np.random.default_rng(len(name)).integers(0, 255, (side, side), np.uint8)
    return Image(pixels, name=name, contrast_limits=(0, 255), **options)


def test_the_largest_rgb_layer_comes_first(viewer):
    viewer.add_layer(rgb(32, name="label"))
    viewer.add_layer(rgb(96, name="slide"))
    he, mif = find_choices(viewer)
    assert [choice.label for choice in he] == ["slide", "label"]
    assert mif == []


def test_layers_of_one_size_in_one_place_are_one_mif(viewer):
    for name in ("DAPI", "CD8", "PanCK"):
        viewer.add_layer(grey(name))
    viewer.add_layer(grey("overview", side=16))
    _, mif = find_choices(viewer)
    assert [len(choice.layers) for choice in mif] == [3, 1]


def test_labels_points_and_our_own_maps_are_no_slides(viewer):
    viewer.add_labels(np.ones((8, 8), int))
    viewer.add_points([[1, 1]])
    viewer.add_layer(grey("Similarity", metadata={"napari_haiku_slot": "similarity"}))
    assert find_choices(viewer) == ([], [])


def test_what_the_plugin_opened_is_one_choice_with_its_image(viewer):
    he, mif = he_image(), mif_image()
    show_he(viewer, he)
    show_mif(viewer, mif, display_limits(mif))
    (found_he,), (found_mif,) = find_choices(viewer)
    assert found_he.opened is he
    assert found_mif.opened is mif
    assert len(found_mif.layers) == 3
    assert adopt(found_mif) is mif


def test_an_rgb_layer_becomes_an_he_image_where_it_lies(viewer):
    viewer.add_layer(rgb(name="slide", translate=(10.25, 20.25), **UM))
    image = adopt(find_choices(viewer)[0][0])
    assert image.modality == "he"
    assert image.pixel_size_um == 0.5
    assert image.origin_um == (20.0, 10.0)
    assert image.shape == (64, 64)
    np.testing.assert_array_equal(image.levels[0].compute(), viewer.layers[0].data)


def test_a_layer_without_units_has_no_pixel_size(viewer):
    viewer.add_layer(rgb(name="slide", scale=(2, 2)))
    assert adopt(find_choices(viewer)[0][0]).pixel_size_um is None


@pytest.mark.parametrize(("unit", "um"), [("nm", 0.0005), ("mm", 500.0), ("um", 0.5)])
def test_units_are_turned_into_um(unit, um):
    frame = layer_frame(grey("a", units=(unit, unit), scale=(0.5, 0.5)))
    assert frame["scale_um"] == pytest.approx(um)


def test_single_channel_layers_become_one_mif_named_after_them(viewer):
    for name in ("Hoechst", "CD8a"):
        viewer.add_layer(grey(name, **UM))
    image = adopt(find_choices(viewer)[1][0])
    assert image.channel_names == ("Hoechst", "CD8a")
    assert image.used_markers == ("DAPI", "CD8")
    np.testing.assert_array_equal(image.levels[0][1].compute(), viewer.layers[1].data)


def test_pyramids_of_channels_keep_their_levels(viewer):
    for name in ("DAPI", "CD8"):
        pixels = np.random.default_rng(0).integers(0, 99, (512, 512), np.uint16)
        viewer.add_image(
            [da.from_array(pixels), da.from_array(pixels[::2, ::2])],
            name=name,
            multiscale=True,
            contrast_limits=(0, 99),
            **UM,
        )
    image = adopt(find_choices(viewer)[1][0])
    assert [level.shape for level in image.levels][:2] == [(2, 512, 512), (2, 256, 256)]


def test_a_channel_axis_in_front_is_an_mif_without_names(viewer):
    viewer.add_image(
        np.ones((5, 32, 32), np.uint16),
        name="stack",
        contrast_limits=(0, 1),
        units=("pixel", "um", "um"),
        scale=(1, 2, 2),
    )
    image = adopt(find_choices(viewer)[1][0])
    assert image.levels[0].shape == (5, 32, 32)
    assert image.pixel_size_um == 2.0
    assert not image.channels_named


def test_the_file_behind_a_layer_is_remembered(viewer, tmp_path):
    path = tmp_path / "slide.tif"
    path.write_bytes(b"")
    with layer_source(path=str(path)):
        viewer.add_layer(rgb(name="slide"))
    choice = find_choices(viewer)[0][0]
    assert adopt(choice).path == path
    path.unlink()
    assert adopt(choice).path is None


def test_an_affine_of_the_layer_is_kept(viewer):
    matrix = np.array([[0.0, 1.0, 7.0], [-1.0, 0.0, 300.0], [0, 0, 1]])
    pixels = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    layer = viewer.add_image(
        pixels, name="DAPI", scale=(2, 2), translate=(5, 9), units=("um", "um"), affine=matrix
    )
    image = adopt(find_choices(viewer)[1][0])
    assert image.pixel_size_um == pytest.approx(2)
    for row, column in ((0, 0), (19, 0), (7, 23)):
        y, x = layer.data_to_world((row, column))
        place = (np.array([x, y]) - image.origin_um) / 2
        at_x, at_y = np.floor(place).astype(int)
        assert place - (at_x, at_y) == pytest.approx([0.5, 0.5])
        assert image.read_region(0, at_y, at_y + 1, at_x, at_x + 1)[0, 0, 0] == pixels[row, column]


def test_a_turned_layer_without_units_is_refused_by_name():
    choice = LayerChoice("tilted", "mif", (grey("tilted", rotate=30),), None)
    with pytest.raises(HaikuError, match="layer tilted is turned"):
        adopt(choice)


def test_pixels_that_are_not_square_are_refused():
    with pytest.raises(HaikuError, match="only square pixels"):
        layer_frame(grey("flat", scale=(1, 2), units=("um", "um")))


def test_a_unit_that_is_no_length_is_refused():
    with pytest.raises(HaikuError, match="no length"):
        layer_frame(grey("slow", units=("second", "second")))


def test_layers_of_the_user_are_moved_into_the_physical_frame(viewer):
    viewer.add_layer(rgb(name="slide"))
    image = adopt(find_choices(viewer)[0][0]).with_pixel_size(0.25)
    place_layers(viewer.layers, image)
    layer = viewer.layers[0]
    assert tuple(layer.scale) == (0.25, 0.25)
    assert tuple(layer.translate) == (0.125, 0.125)
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]


def test_a_stack_keeps_its_channel_axis_when_it_is_placed(viewer):
    viewer.add_image(np.ones((3, 16, 16), np.uint16), contrast_limits=(0, 1))
    image = adopt(find_choices(viewer)[1][0]).with_pixel_size(0.5)
    place_layers(viewer.layers, image)
    assert tuple(viewer.layers[0].scale) == (1.0, 0.5, 0.5)
