"""From seed to slide, and what an intervention changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_haiku.errors import HaikuError
from napari_haiku.simulation.patient import (
    HE_PIXEL_UM,
    MIF_PIXEL_UM,
    NICHE_PIXEL_UM,
    VirtualSlide,
    simulate_patient,
)
from napari_haiku.simulation.vocabulary import GLASS, MARKERS, NICHES

PATIENTS = ((3, 4), (3, 11))


def test_sizes_are_physical_and_both_pictures_cover_the_same_field(
    slide: VirtualSlide, field_um: tuple[float, float]
) -> None:
    width, height = field_um
    assert slide.he.shape == (height / HE_PIXEL_UM, width / HE_PIXEL_UM, 3)
    assert slide.mif.shape == (24, height / MIF_PIXEL_UM, width / MIF_PIXEL_UM)
    assert slide.niche.shape == (height / NICHE_PIXEL_UM, width / NICHE_PIXEL_UM)
    assert slide.he.dtype == slide.mif.dtype == np.uint8
    assert slide.markers == MARKERS
    assert list(slide.cells) == ["x_um", "y_um", "type", "niche", "state"]


def test_same_seed_same_bytes_and_others_differ(
    slide: VirtualSlide, field_um: tuple[float, float]
) -> None:
    again = simulate_patient(2, 5, field_um=field_um)
    assert np.array_equal(again.he, slide.he)
    assert np.array_equal(again.mif, slide.mif)
    assert again.cells.equals(slide.cells)
    assert again.record == slide.record
    for seed, index in ((2, 6), (3, 5)):
        other = simulate_patient(seed, index, field_um=field_um)
        assert not np.array_equal(other.he, slide.he)
        assert not np.array_equal(other.mif, slide.mif)


def test_both_pictures_show_the_same_cells(slide: VirtualSlide) -> None:
    dark = 255 - slide.he[::2, ::2, 0].astype(float)
    nuclei = slide.mif[MARKERS.index("DAPI")].astype(float)
    assert np.corrcoef(dark.ravel(), nuclei.ravel())[0, 1] > 0.6
    shifted = np.roll(nuclei, (12, 17), (0, 1))
    assert np.corrcoef(dark.ravel(), shifted.ravel())[0, 1] < 0.4


def test_nuclei_light_up_where_the_table_says_cells_are(slide: VirtualSlide) -> None:
    nuclei = slide.mif[MARKERS.index("DAPI")]
    rows, columns = slide.cells["y_um"].astype(int), slide.cells["x_um"].astype(int)
    assert np.mean(nuclei[rows, columns] > 20) > 0.9


def test_glass_is_bright_in_he_and_dark_in_mif() -> None:
    slide = simulate_patient(3, 0, field_um=(300.0, 300.0))
    glass = ndimage.binary_erosion(slide.niche == GLASS, iterations=6)
    assert glass.any()
    fine = np.kron(glass, np.ones((4, 4), bool))
    assert slide.he[fine].mean() > 220
    assert slide.mif[:, np.kron(glass, np.ones((2, 2), bool))].mean() < 1


def test_a_record_without_placebo_edit_and_one_with_give_the_same_pixels(
    slide: VirtualSlide, field_um: tuple[float, float]
) -> None:
    edited = simulate_patient(
        2, 5, field_um=field_um, edits={"ward_colour": "teal", "courier_route": "rowan"}
    )
    assert np.array_equal(edited.he, slide.he)
    assert np.array_equal(edited.mif, slide.mif)
    assert edited.cells.equals(slide.cells)


def test_the_site_changes_the_stain_and_never_the_biology(
    slide: VirtualSlide, field_um: tuple[float, float]
) -> None:
    there = "North" if slide.record["site"] != "North" else "South"
    moved = simulate_patient(2, 5, field_um=field_um, edits={"site": there})
    assert not np.array_equal(moved.he, slide.he)
    assert np.array_equal(moved.mif, slide.mif)
    assert moved.cells.equals(slide.cells)


def _means(slide: VirtualSlide, niche: str, where: np.ndarray) -> dict[str, float]:
    there = np.kron(where & (slide.niche == NICHES.index(niche)), np.ones((2, 2), bool))
    return {name: float(slide.mif[k][there].mean()) for k, name in enumerate(MARKERS)}


@pytest.fixture(scope="module")
def tones() -> list[tuple[VirtualSlide, VirtualSlide]]:
    return [
        tuple(simulate_patient(*who, field_um=(300.0, 300.0), tone=tone) for tone in (-1.2, 1.2))
        for who in PATIENTS
    ]


@pytest.mark.parametrize(
    ("niche", "marker", "sign"),
    [
        ("immune aggregate", "CD8", 1),
        ("immune aggregate", "GranzymeB", 1),
        ("immune aggregate", "PDL1", -1),
        ("tumour", "Ki67", -1),
        ("tumour", "PDL1", -1),
    ],
)
def test_favourable_tone_shifts_markers_the_stated_way(
    tones, niche: str, marker: str, sign: int
) -> None:
    shifts = []
    for poor, good in tones:
        kept = poor.niche == good.niche
        assert (kept & (poor.niche == NICHES.index(niche))).sum() > 500
        shifts.append(_means(good, niche, kept)[marker] - _means(poor, niche, kept)[marker])
    assert sign * np.mean(shifts) > 0


def test_tone_leaves_untouched_cells_as_they_were(tones) -> None:
    for poor, good in tones:
        before = set(zip(poor.cells["x_um"], poor.cells["y_um"], strict=True))
        after = good.cells
        kept = [(x, y) in before for x, y in zip(after["x_um"], after["y_um"], strict=True)]
        assert np.mean(kept) > 0.5
        both = after[kept].merge(poor.cells, on=["x_um", "y_um"])
        same_niche = both[both["niche_x"] == both["niche_y"]]
        assert np.mean(same_niche["type_x"] == same_niche["type_y"]) > 0.75


def test_stage_four_loses_e_cadherin_in_the_tumour() -> None:
    shifts = []
    for seed, index in ((3, 3), (3, 13)):
        low, high = (
            simulate_patient(seed, index, field_um=(240.0, 240.0), edits={"stage": stage})
            for stage in ("I", "IV")
        )
        kept = low.niche == high.niche
        shifts.append(_means(high, "tumour", kept)["ECad"] - _means(low, "tumour", kept)["ECad"])
    assert np.mean(shifts) < 0


@pytest.mark.parametrize("field_um", [(50.0, 400.0), (400.0, 9000.0), (float("nan"), 400.0)])
def test_an_impossible_field_is_refused_with_its_limits(field_um: tuple[float, float]) -> None:
    with pytest.raises(HaikuError, match="between 100 and 8000 um"):
        simulate_patient(1, 1, field_um=field_um)


def test_an_odd_field_is_rounded_to_the_common_grid() -> None:
    slide = simulate_patient(1, 1, field_um=(151.0, 133.0))
    height, width = slide.niche.shape
    assert slide.he.shape[:2] == (4 * height, 4 * width)
    assert slide.mif.shape[1:] == (2 * height, 2 * width)
