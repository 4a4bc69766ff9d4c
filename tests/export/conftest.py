"""One counterfactual of the toy cohort, and its atlas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toy_cohort import ToyModel, toy_atlas, toy_encodings, toy_slide, write_slide

from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult, predict_biomarkers
from napari_haiku.analysis.counterfactual.counterfactual import (
    CounterfactualRequest,
    run_counterfactual,
)
from napari_haiku.analysis.niches.niches import NicheLabels
from napari_haiku.jobs import run_job

if TYPE_CHECKING:
    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

EVIL = "<script>alert('x')</script> & \"Sons\""


@dataclass(frozen=True)
class Case:
    encoding: Encoding
    atlas: Atlas
    biomarkers: BiomarkerResult
    counterfactual: CounterfactualResult


@pytest.fixture(scope="session")
def case(tmp_path_factory) -> Case:
    folder = tmp_path_factory.mktemp("export")
    atlas = toy_atlas(folder, toy_encodings(folder))
    record = {
        "patient_id": "SECRET-17",
        "tissue": "Colon",
        "disease": "Colon Cancer",
        "stage": "II",
        "sex": "female",
        "note": EVIL,
    }
    slide = toy_slide(np.random.default_rng(99), -1.0, (6, 12))
    encoding = write_slide(
        folder / "query", slide, record, patient="SECRET-17", origin_um=(5000.0, 3000.0)
    )
    niches = NicheLabels(
        encoding.grid.cols.astype(np.int64) // 4 + 1, {1: "Tumour", 2: EVIL, 3: "Stroma"}
    )
    request = CounterfactualRequest(edits={"stage": "IV"}, k=20, resamples=60)
    counterfactual = run_job(run_counterfactual(encoding, atlas, ToyModel(), request, niches))
    return Case(encoding, atlas, run_job(predict_biomarkers(encoding, atlas)), counterfactual)
