from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_haiku.encoding.thumbnails import composite, shrink
from napari_haiku.model.scaling import ChannelScaling


@pytest.mark.parametrize("side", [30, 64, 77, 256])
def test_pictures_are_brought_to_64_pixels(side):
    pictures = np.full((2, side, side, 3), (10, 200, 90), np.uint8)
    small = shrink(pictures)
    assert small.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(small, np.broadcast_to((10, 200, 90), small.shape))


def test_shrinking_averages_instead_of_picking():
    checks = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = shrink(np.repeat(checks[None, :, :, None], 3, axis=3))
    assert abs(int(small.mean()) - 127) <= 2
    assert small.std() < 5


def test_known_markers_have_their_colours():
    patches = np.zeros((1, 3, 2, 2), np.uint16)
    scaling = ChannelScaling((0.0,) * 3, (100.0,) * 3)
    for channel, colour in ((0, (0, 255, 0)), (1, (64, 97, 255)), (2, (0, 0, 0))):
        lit = patches.copy()
        lit[:, channel] = 100
        shown = composite(lit, ["CD8", "DAPI", "CD20"], scaling)
        np.testing.assert_array_equal(shown[0, 0, 0], colour)


def test_other_markers_take_the_colours_in_order():
    lit = np.full((1, 2, 2, 2), 100, np.uint8)
    shown = composite(lit, ["CD20", "CD68"], ChannelScaling((0.0, 0.0), (100.0, 100.0)))
    np.testing.assert_array_equal(shown[0, 0, 0], (255, 255, 255))


def test_brightness_is_cut_at_the_ends_of_the_range():
    scaling = ChannelScaling((50.0,), (150.0,))
    patches = np.asarray([0, 50, 100, 150, 60000], np.uint16).reshape(5, 1, 1, 1)
    blue = composite(patches, ["DAPI"], scaling)[:, 0, 0, 2]
    np.testing.assert_array_equal(blue, [0, 0, 128, 255, 255])


@pytest.mark.parametrize("shape", [(90, 90), (224, 224), (286, 310), (40, 52)])
def test_thumbnails_are_those_of_pillow(shape):
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    pillow = [
        np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR))
        for picture in pictures
    ]
    assert np.abs(shrink(pictures).astype(int) - np.stack(pillow)).max() <= 1
