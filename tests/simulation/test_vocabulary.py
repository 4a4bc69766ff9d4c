"""Names used in virtual tissue are the project's names."""

from __future__ import annotations

from napari_haiku.clinical import is_identifying
from napari_haiku.markers import resolve_marker
from napari_haiku.simulation.expression import PATTERN
from napari_haiku.simulation.neutral import PLACEBO
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.vocabulary import CELL_TYPES, MARKERS, NICHES, STATES


def test_every_marker_is_canonical_and_has_a_place_in_the_cell() -> None:
    assert len(MARKERS) == 24
    assert [resolve_marker(name).canonical for name in MARKERS] == list(MARKERS)
    assert set(PATTERN) == set(MARKERS)


def test_names_are_distinct() -> None:
    for names in (MARKERS, CELL_TYPES, NICHES, STATES):
        assert len(set(names)) == len(names)
    assert len(CELL_TYPES) >= 14
    assert len(NICHES) == 8


def test_no_field_of_a_record_is_identifying() -> None:
    patient = draw_patient(0, 0)
    for name in (*patient.clinical, *PLACEBO):
        assert not is_identifying(name), name


def test_placebo_levels_are_those_of_the_specification() -> None:
    assert sorted(len(levels) for levels, _ in PLACEBO.values()) == [2, 2, 3, 4, 5, 8]
    for levels, shares in PLACEBO.values():
        assert len(levels) == len(shares)
        assert abs(sum(shares) - 1) < 1e-9
        assert max(shares) > min(shares)
