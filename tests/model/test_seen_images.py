from __future__ import annotations

import numpy as np

from napari_haiku.model.seen_images import seen_in_training, seen_notice

CENTRES = np.array([[10.0, 10.0], [90.0, 10.0]])


def card(**image):
    return {"training_images": [{"fingerprint": "f", "region_um": None, **image}]}


def test_an_unknown_image_was_not_seen():
    assert not seen_in_training(card(), ["g"], CENTRES).any()
    assert not seen_in_training({}, ["f"], CENTRES).any()
    assert seen_notice(np.zeros(2, bool)) == ""


def test_a_whole_image_was_seen():
    seen = seen_in_training(card(), ["g", "f"], CENTRES)
    assert seen.all()
    assert seen_notice(seen).startswith("The model was trained on this image;")


def test_only_the_region_used_counts():
    seen = seen_in_training(card(region_um=[0, 0, 50, 50]), ["f"], CENTRES)
    assert seen.tolist() == [True, False]
    assert "part of this image (50% of these patches)" in seen_notice(seen)
