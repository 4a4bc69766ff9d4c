"""The toy cohort, written once for all tests of the room."""

from __future__ import annotations

import numpy as np
import pytest
from toy_cohort import ToyModel, toy_atlas, toy_encodings, toy_slide, write_slide

from napari_haiku.analysis.niches.niches import NicheLabels


@pytest.fixture(scope="session")
def encodings(tmp_path_factory):
    return toy_encodings(tmp_path_factory.mktemp("encodings"))


@pytest.fixture(scope="session")
def atlas(tmp_path_factory, encodings):
    return toy_atlas(tmp_path_factory.mktemp("atlas"), encodings)


@pytest.fixture(scope="session")
def model():
    return ToyModel()


@pytest.fixture(scope="session")
def query(tmp_path_factory):
    """A slide of a patient that the atlas does not hold, stage II, measured."""
    record = {"tissue": "Colon", "disease": "Colon Cancer", "stage": "II", "sex": "female"}
    slide = toy_slide(np.random.default_rng(99), -1.0, (6, 12))
    folder = tmp_path_factory.mktemp("query")
    return write_slide(
        folder / "query", slide, record, patient="patient-999", origin_um=(5000.0, 3000.0)
    )


@pytest.fixture(scope="session")
def lone_atlas(tmp_path_factory, query):
    """The left half of the query slide as an atlas of one patient."""
    left = query.grid.cols < 6
    return toy_atlas(tmp_path_factory.mktemp("lone"), [query], rows=[left])


@pytest.fixture(scope="session")
def bands(query):
    return NicheLabels(
        query.grid.cols.astype(np.int64) // 4 + 1, {1: "Tumour", 2: "Immune", 3: "Stroma"}
    )
