from __future__ import annotations

import pytest

from napari_haiku.analysis.niches.niche_request import NicheRequest, usual_modality
from napari_haiku.analysis.niches.niches import find_niches
from napari_haiku.jobs import run_job


@pytest.mark.parametrize(
    ("present", "grouped_by"),
    [
        ([("he", "mif")], "both"),
        ([("he", "mif"), ("he",)], "he"),
        ([("mif",), ("he", "mif")], "mif"),
        ([("he",)], "he"),
        ([("he", "text")], "he"),
    ],
)
def test_patches_are_grouped_by_everything_that_all_slides_have(present, grouped_by):
    assert usual_modality(present) == grouped_by


def test_nobody_saying_anything_is_the_request_as_it_stands(query):
    found = run_job(find_niches([query], restarts=1))
    usual = NicheRequest(modality=usual_modality([query.modalities]), restarts=1)
    assert found.request == usual
    assert found.request.smooth
