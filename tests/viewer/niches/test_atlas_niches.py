from __future__ import annotations

import numpy as np
import pytest
from window_bench import stores

from napari_haiku.analysis.niches.niches import NicheRequest, find_atlas_niches
from napari_haiku.jobs import run_job
from napari_haiku.viewer.niches import atlas_niches
from napari_haiku.viewer.niches.atlas_niches import niches_of_atlas

__all__ = ["stores"]
REQUEST = NicheRequest(3, "he", smooth=False)


@pytest.fixture(scope="module")
def atlas(stores):
    return stores.open_atlas()


@pytest.fixture(scope="module")
def found(stores, atlas):
    return run_job(niches_of_atlas(stores.open_encoding(), atlas, REQUEST))


def test_patches_that_the_atlas_holds_get_the_niche_they_have_there(atlas):
    """A slide of the atlas is sorted as it was when the atlas was grouped."""
    whole = run_job(find_atlas_niches(atlas, clusters=3, modality="he", smooth=False))
    own = atlas_niches.AtlasNiches(whole.centres, dict(whole.names), whole.enrichment)
    from napari_haiku.analysis.niches.nearest_centroid import assign_to_nearest

    for slide, labels in zip(whole.slides, whole.labels, strict=True):
        np.testing.assert_array_equal(assign_to_nearest(slide.vectors, own.centres) + 1, labels)


def test_numbers_names_and_figures_are_the_atlases(atlas, found):
    whole = run_job(find_atlas_niches(atlas, clusters=3, modality="he", smooth=False))
    assert set(found.niches) <= set(whole.niches)
    assert found.names == {niche: whole.names[niche] for niche in found.niches}
    np.testing.assert_allclose(
        found.centres, whole.centres[[niche - 1 for niche in found.niches]], rtol=1e-6
    )
    for niche in found.niches:
        mine = found.enrichment[found.enrichment["niche"] == niche]
        theirs = whole.enrichment[whole.enrichment["niche"] == niche]
        np.testing.assert_array_equal(mine["effect"], theirs["effect"])


def test_every_patch_belongs_to_the_nearest_centre(stores, found):
    vectors = np.asarray(stores.open_encoding().embeddings("he"), np.float32)
    distance = ((vectors[:, None] - found.centres[None]) ** 2).sum(axis=2)
    nearest = np.array(found.niches)[distance.argmin(axis=1)]
    np.testing.assert_array_equal(found.labels[0], nearest)
    for niche, prototypes in found.prototypes.items():
        assert {int(found.labels[0][row]) for _, row in prototypes} == {niche}


def test_the_atlas_is_grouped_once(stores, atlas, found, monkeypatch):
    monkeypatch.setattr(atlas_niches, "_group", lambda *_a: pytest.fail("grouped again"))
    again = run_job(niches_of_atlas(stores.open_encoding(), atlas, REQUEST))
    np.testing.assert_array_equal(again.labels[0], found.labels[0])
