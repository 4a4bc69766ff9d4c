from __future__ import annotations

import numpy as np
import pytest
from fake_model import FakeModel

from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError


@pytest.fixture(scope="module")
def encoding(encoded):
    return Encoding.open(encoded.folder / "slide.zarr")


def test_embeddings_are_unit_rows(encoding):
    for modality in ("he", "mif"):
        vectors = encoding.embeddings(modality)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(encoding), encoding.dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_unknown_modality_is_named(encoding):
    with pytest.raises(HaikuError, match="no modality 'codex'"):
        encoding.embeddings("codex")


def test_thumbnails_can_be_read_in_part(encoding):
    some = encoding.thumbnails("he", slice(60, 70))
    assert some.shape == (10, 64, 64, 3)
    assert some.dtype == np.uint8
    np.testing.assert_array_equal(encoding.thumbnail(65), some[5])
    assert some.std() > 5


def test_the_model_is_checked(encoding):
    encoding.check_model(FakeModel())
    encoding.check_model(encoding.model_fingerprint)
    with pytest.raises(HaikuError, match="with the model fake-0, not with the model fake-1"):
        encoding.check_model(FakeModel(seed=1))
    with pytest.raises(HaikuError, match="not with another model"):
        encoding.check_model("0123")


def test_the_images_are_checked(encoding):
    encoding.check_images(**encoding.image_fingerprints)
    with pytest.raises(HaikuError, match=r"The mIF image changed since slide\.zarr was made"):
        encoding.check_images(mif="0123")


def test_the_grid_matches_the_centres(encoding):
    np.testing.assert_allclose(encoding.grid.centres_um, encoding.centres_um)
    assert encoding.grid.patch_um == encoding.patch_um == 100
    assert encoding.grid.stride_um == 50
    assert encoding.tissue_fraction.min() >= 0.5


def test_conditions_name_what_the_last_digits_depend_on(encoding):
    (entry,) = encoding.computed_on
    assert entry["first_patch"] == 0
    assert entry["batch_size"] == 25
    assert entry["device"] == "cpu"
    assert entry["threads"] >= 1
    assert {"torch", "numpy", "napari-haiku"} <= set(entry["versions"])
    assert "not installed" not in entry["versions"].values()


def test_it_shows_itself_in_words(encoding):
    n = len(encoding)
    assert repr(encoding) == f"<Encoding slide.zarr: {n} of {n} patches>"
    assert set(encoding.image_names) == {"he", "mif"}
    assert encoding.images["mif"]["read_pixel_size_um"] == 2.0
