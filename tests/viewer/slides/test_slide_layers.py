from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from slides_in_memory import he_image, mif_image, patch_grid

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.slides.slide_layers import (
    channel_limits,
    display_limits,
    show_channel,
    show_he,
    show_mif,
    show_patches,
    shown_channels,
)


@pytest.fixture
def viewer():
    return ViewerModel()


def test_he_is_a_pyramid_in_um_at_the_bottom(viewer):
    viewer.add_points([[1, 1]])
    layer = show_he(viewer, he_image(pixel=0.25, origin=(40.0, 8.0)))
    assert viewer.layers.index(layer) == 0
    assert layer.multiscale
    assert layer.rgb
    assert tuple(layer.scale) == (0.25, 0.25)
    assert tuple(layer.translate) == (8.125, 40.125)
    assert layer.name == "H&E slide"


def test_at_most_four_markers_are_shown_the_favoured_ones_first():
    markers = ("CD20", "aSMA", "DAPI", "Ki67", "PanCK", "CD8", "CD4")
    mif = mif_image(channels=markers, markers=markers)
    assert shown_channels(mif) == {"DAPI": 2, "PanCK": 4, "CD8": 5, "aSMA": 1}


def test_markers_left_out_are_not_shown():
    assert list(shown_channels(mif_image())) == ["DAPI", "CD8", "Mystery"]


def test_mif_layers_are_additive_hidden_and_never_scan_the_slide(viewer):
    mif = mif_image()
    layers = show_mif(viewer, mif, display_limits(mif))
    assert [layer.name for layer in layers] == ["mIF Mystery", "mIF CD8", "mIF DAPI"]
    for layer in layers:
        assert layer.blending == "additive"
        assert not layer.visible
        assert tuple(layer.scale) == (1.0, 1.0)
        low, high = layer.contrast_limits
        assert 0 <= low < high <= 200


def test_colours_of_the_markers_differ(viewer):
    mif = mif_image()
    layers = show_mif(viewer, mif, display_limits(mif))
    ends = {tuple(np.round(layer.colormap.colors[-1], 2)) for layer in layers}
    assert len(ends) == len(layers)


def test_an_empty_channel_still_gets_limits_that_rise():
    mif = mif_image()
    flat = mif_image()
    object.__setattr__(flat, "levels", tuple(level * 0 for level in mif.levels))
    low, high = channel_limits(flat, 0)
    assert low < high


def test_a_channel_asked_for_is_shown_even_when_it_is_no_marker(viewer):
    mif = mif_image()
    layer = show_channel(viewer, mif, 2, channel_limits(mif, 2))
    assert layer.name == "mIF Autofluorescence"
    assert layer.visible
    assert show_channel(viewer, mif, 2, (0, 1)) is layer


def test_patches_lie_on_their_tissue(viewer):
    grid = patch_grid(origin=(1000.0, 50.0))
    layer = show_patches(viewer, grid)
    labels = np.asarray(layer.data)
    for index, (x, y) in enumerate(grid.centres_um):
        assert labels[tuple(np.round(layer.world_to_data((y, x))).astype(int))], index
    assert labels[tuple(np.round(layer.world_to_data((100.0, 1050.0))).astype(int))] == 0
    corner = layer.data_to_world((-0.5, -0.5))
    np.testing.assert_allclose(corner, (50.0, 1000.0))
    assert not layer.editable
    assert layer.contour == 1


def test_patches_fill_as_they_are_encoded(viewer):
    grid = patch_grid()
    layer = show_patches(viewer, grid, done=5)
    pixels = layer.data.shape[0] // grid.shape[0]
    states = np.asarray(layer.data)[::pixels, ::pixels][grid.rows, grid.cols]
    assert states.tolist() == [2] * 5 + [1] * (len(grid) - 5)
    assert layer.contour == 0
    assert show_patches(viewer, grid) is layer_in_slot(viewer, "patches")
    assert layer.contour == 1


def test_the_users_opacity_of_the_patches_is_kept(viewer):
    grid = patch_grid()
    show_patches(viewer, grid).opacity = 0.2
    assert show_patches(viewer, grid, done=1).opacity == 0.2


def test_a_large_grid_stays_within_bounds(viewer):
    grid = patch_grid((600, 700), without=())
    assert show_patches(viewer, grid).data.size <= 4_000_000
