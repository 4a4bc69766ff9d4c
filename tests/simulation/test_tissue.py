"""Architecture, cells and their pixels agree with each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_haiku.simulation.architecture import STEP_UM, plan_tissue
from napari_haiku.simulation.cells import place_cells
from napari_haiku.simulation.expression import express
from napari_haiku.simulation.geometry import draw_geometry, stamp
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.vocabulary import (
    CELL_TYPES,
    GLASS,
    MARKERS,
    NICHES,
    marker_index,
    state_index,
    type_index,
)

FIELD_UM = (400.0, 300.0)


@pytest.fixture(scope="module")
def tissue():
    patient = draw_patient(8, 4)
    plan = plan_tissue(patient, FIELD_UM)
    cells = place_cells(patient, plan, FIELD_UM)
    return patient, plan, cells, draw_geometry(plan, cells, FIELD_UM)


def test_maps_cover_the_field(tissue) -> None:
    _, plan, _, geometry = tissue
    assert plan.niche.shape == (FIELD_UM[1] / STEP_UM, FIELD_UM[0] / STEP_UM)
    assert geometry.nucleus.shape == (600, 800)
    assert geometry.owner.shape == (300, 400)
    assert set(np.unique(plan.niche)) <= {*range(len(NICHES)), GLASS}


def test_epithelium_lies_inside_its_wall_and_never_on_glass(tissue) -> None:
    _, plan, _, _ = tissue
    assert (plan.epithelium > 0).any()
    assert plan.wall[plan.epithelium > 0].min() > -3
    assert not plan.epithelium[plan.niche == GLASS].any()
    # Only shrinkage clefts touch epithelium, and only at its outer rim.
    both = (plan.epithelium > 0) & (plan.lumen > 0)
    assert (plan.wall[both] < 0).all()


def test_a_large_slide_is_a_piece_of_tissue_on_glass() -> None:
    plan = plan_tissue(draw_patient(8, 4), (1300.0, 1300.0))
    edge = np.concatenate([plan.niche[0], plan.niche[-1], plan.niche[:, 0], plan.niche[:, -1]])
    assert (edge == GLASS).mean() > 0.9
    assert 0.4 < (plan.niche != GLASS).mean() < 0.95


def test_cells_stand_in_the_field_on_tissue_and_apart(tissue) -> None:
    _, _, cells, _ = tissue
    assert len(cells) > 200
    assert cells.x.min() >= 0
    assert cells.x.max() < FIELD_UM[0]
    assert cells.y.max() < FIELD_UM[1]
    assert cells.niche.max() < len(NICHES)
    nearest = cKDTree(np.column_stack((cells.x, cells.y))).query(
        np.column_stack((cells.x, cells.y)), k=2
    )[0][:, 1]
    assert nearest.min() > 4.9
    assert len(np.unique(cells.identity)) == len(cells)
    assert cells.identity.max() < cells.identities


@pytest.mark.parametrize("side_um", [100.0, 140.0, 200.0, 300.0, 400.0])
def test_a_small_field_is_mostly_tissue(side_um: float) -> None:
    for index in range(6):
        plan = plan_tissue(draw_patient(3, index), (side_um, side_um))
        assert (plan.niche != GLASS).mean() > 0.4


@pytest.mark.parametrize("index", range(6))
def test_no_cell_stands_on_glass_even_where_a_vessel_reaches_the_edge(index: int) -> None:
    patient = draw_patient(3, index)
    plan = plan_tissue(patient, (300.0, 300.0))
    assert GLASS not in place_cells(patient, plan, (300.0, 300.0)).niche


def test_epithelial_cells_are_where_epithelium_is(tissue) -> None:
    _, plan, cells, _ = tissue
    rows, columns = (cells.y / STEP_UM).astype(int), (cells.x / STEP_UM).astype(int)
    kind = plan.epithelium[rows, columns]
    epithelial = np.isin(cells.kind, [0, 1])
    assert np.array_equal(cells.kind[epithelial] == 0, kind[epithelial] == 1)
    assert (kind[epithelial] > 0).all()


def test_most_cell_types_occur_in_a_few_patients() -> None:
    seen: set[int] = set()
    for index in range(5):
        patient = draw_patient(1, index)
        plan = plan_tissue(patient, (400.0, 400.0))
        seen |= set(place_cells(patient, plan, (400.0, 400.0)).kind.tolist())
    assert len(seen) >= 14


def test_pixels_of_a_nucleus_are_at_its_cell(tissue) -> None:
    _, _, cells, geometry = tissue
    rows, columns = np.nonzero(geometry.nucleus)
    number = geometry.nucleus[rows, columns] - 1
    away = np.hypot((columns + 0.5) / 2 - cells.x[number], (rows + 0.5) / 2 - cells.y[number])
    assert (away < 1.5 * np.maximum(cells.major, cells.minor)[number]).all()
    assert len(np.unique(number)) > 0.97 * len(cells)


def test_bodies_and_nuclei_are_apart_and_epithelial_bodies_stay_inside(tissue) -> None:
    _, _, cells, geometry = tissue
    assert not (geometry.body & geometry.inner).any()
    lining = np.isin(cells.kind[geometry.owner], [0, 1])
    assert not (geometry.body & lining & ~geometry.epithelium).any()


def test_a_stamped_ellipse_has_its_area() -> None:
    label, depth = np.zeros((80, 80), np.int32), np.full((80, 80), 9, np.float32)
    one = np.ones(1, np.float32)
    stamp(label, depth, 0.5, 20 * one, 20 * one, 8 * one, 4 * one, 0.3 * one, one, 0 * one)
    assert (label > 0).sum() * 0.25 == pytest.approx(np.pi * 32, rel=0.03)
    assert depth[label > 0].max() < 1


def test_a_stamp_over_the_edge_is_cut_there() -> None:
    label, depth = np.zeros((40, 40), np.int32), np.full((40, 40), 9, np.float32)
    one = np.ones(1, np.float32)
    stamp(label, depth, 0.5, 0 * one, 10 * one, 5 * one, 5 * one, 0 * one, one, 0 * one)
    assert label[20, 0] == 1
    assert not label[:, 20:].any()


def test_expression_follows_type_and_state(tissue) -> None:
    patient, plan, cells, _ = tissue
    value = express(patient, plan, cells)
    assert value.shape == (len(cells), len(MARKERS))
    assert value.min() >= 0
    cytotoxic = cells.kind == type_index("CD8 T")
    cd8 = value[:, marker_index("CD8")]
    assert cd8[cytotoxic].mean() > 0.6
    assert cd8[~cytotoxic].max() == 0
    dividing = cells.states[:, state_index("proliferating")]
    assert value[dividing, marker_index("Ki67")].min() > 0
    assert not value[~dividing, marker_index("Ki67")].any()


def test_lumina_and_glass_hold_no_bodies(tissue) -> None:
    _, plan, _, geometry = tissue
    glass = np.kron(plan.niche == GLASS, np.ones((2, 2), bool))
    assert (geometry.inner & glass).mean() < 0.005


def test_type_names_match_their_numbers() -> None:
    assert [type_index(name) for name in CELL_TYPES] == list(range(len(CELL_TYPES)))
