"""Batches: the two kinds, repeatable, matching pairs."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.training.sampler import BatchSampler, drawn_ahead
from napari_haiku.training.tissue_cache import CachedSlide


def _slide(i: int, markers: tuple[str, ...] = ("DAPI", "CD8")) -> CachedSlide:
    """H&E brightness equals the mean of every cell, so that pairs can be checked."""
    values = np.random.default_rng(i).integers(0, 200, (30, 30))
    he = np.repeat(np.kron(values, np.ones((4, 4), int))[..., None], 3, -1).astype(np.uint8)
    cells = np.broadcast_to(values, (len(markers), 3, 30, 30)).astype(np.float16)
    table = np.zeros((31, 31), np.float32)
    table[1:, 1:] = np.ones((30, 30)).cumsum(0).cumsum(1)
    return CachedSlide(f"s{i}", f"p{i}", {"stage": "I"}, markers, he, cells, table)


def _sampler(slides: list[CachedSlide], seed: int = 0, size: int = 20) -> BatchSampler:
    return BatchSampler(
        slides, [""] * len(slides), {}, batch_size=size, cell_px=4, patch_px=32, seed=seed
    )


def test_the_same_number_gives_the_same_batch() -> None:
    slides = [_slide(i) for i in range(20)]
    one, two = _sampler(slides).draw(5), _sampler(slides).draw(5)
    np.testing.assert_array_equal(one.he, two.he)
    np.testing.assert_array_equal(one.cells, two.cells)
    other = _sampler(slides, seed=1).draw(5)
    assert other.he is not None
    assert not np.array_equal(one.he, other.he)


def test_he_and_mif_show_the_same_tissue() -> None:
    for number in range(10):
        batch = _sampler([_slide(i) for i in range(20)]).draw(number)
        assert batch.he is not None
        assert batch.cells is not None
        np.testing.assert_array_equal(batch.he[:, ::4, ::4, 0], batch.cells[:, 0, 0])


def test_some_batches_go_across_patients_and_some_within_slides() -> None:
    sampler = _sampler([_slide(i) for i in range(20)])
    patients = [len({s.patient_id for s in sampler.draw(n).slides}) for n in range(20)]
    assert 20 in patients
    assert min(patients) < 5


def test_the_share_of_batches_across_patients_can_be_set() -> None:
    slides = [_slide(i) for i in range(20)]
    for across, expected in ((1.0, {20}), (0.0, {2})):
        sampler = BatchSampler(
            slides, [""] * 20, {}, batch_size=20, cell_px=4, patch_px=32, seed=0, across=across
        )
        assert {len({s.slide_id for s in sampler.draw(n).slides}) for n in range(9)} == expected


def test_one_patient_gives_batches_within_the_slide() -> None:
    batch = _sampler([_slide(0)]).draw(0)
    assert len(batch.slides) == round(900 / 64)


def test_slides_of_different_panels_never_mix() -> None:
    slides = [_slide(i, ("DAPI",) if i % 2 else ("DAPI", "CD8")) for i in range(6)]
    for number in range(10):
        batch = _sampler(slides).draw(number)
        assert {slide.markers for slide in batch.slides} == {batch.markers}


def test_shares_weigh_cohorts() -> None:
    slides = [_slide(i) for i in range(4)]
    sampler = BatchSampler(
        slides, ["", "", "", "b"], {"": 0.0, "b": 1.0}, batch_size=4, cell_px=4, patch_px=32, seed=0
    )
    assert {s.slide_id for n in range(5) for s in sampler.draw(n).slides} == {"s3"}


def test_patches_lie_on_the_grid_that_was_asked_for() -> None:
    slides = [_slide(i) for i in range(20)]
    sampler = BatchSampler(
        slides, [""] * 20, {}, batch_size=20, cell_px=4, patch_px=32, seed=0, step=4
    )
    places = np.concatenate([sampler.draw(n).places for n in range(10)])
    assert not (places % 4).any()
    assert (places % 8).any(), "half a patch apart, not only side by side"


def test_drawing_ahead_keeps_numbers_and_order() -> None:
    drawn: list[int] = []
    coming = drawn_ahead(lambda number: drawn.append(number) or number**2, range(3, 8))
    assert next(coming) == 9
    assert list(coming) == [16, 25, 36, 49]
    assert drawn == [3, 4, 5, 6, 7]
    assert list(drawn_ahead(str, range(0))) == []


def test_what_fails_while_drawing_ahead_is_told() -> None:
    coming = drawn_ahead(lambda number: 1 // (number - 1), range(3))
    assert next(coming) == -1
    with pytest.raises(ZeroDivisionError):
        next(coming)
