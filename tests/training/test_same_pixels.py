"""A tower reads the same H&E when it is trained and when it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import write_ome

from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.encoding.store import Encoding
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.model.compact.model import CompactModel
from napari_haiku.model.compact.network import CompactNetwork
from napari_haiku.model.compact.preprocessing import he_normalise
from napari_haiku.model.compact.words import learn_words
from napari_haiku.model.devices import choose_device
from napari_haiku.training.tissue_cache import cache_slide


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A pyramid of 0.52, 1.04 and 2.08 um, speckled so that its levels differ."""
    pixels = np.random.default_rng(0).integers(60, 200, (768, 768, 3), dtype=np.uint8)
    return write_ome(tmp_path / "he.ome.tif", pixels, rgb=True, levels=3, size=50 / 96)


@pytest.mark.parametrize("zoom", [1, 2])
def test_encoding_reads_the_pixels_that_training_reads(
    slide: Path, tmp_path: Path, zoom: int
) -> None:
    torch.manual_seed(0)
    config = CompactConfig("tiny", ("DAPI",), (), he_width=8, dim=16, he_zoom=zoom)
    card = {"licence": "none", "training_images": []}
    words, device = learn_words(["lung"]), choose_device("cpu")
    CompactModel(CompactNetwork(config), words, card, device, "").save(tmp_path / "m")
    model = CompactModel.load(tmp_path / "m", device="cpu")
    image = open_image(slide)
    cached = cache_slide(
        image,
        None,
        slide_id="s",
        patient_id="p",
        record={},
        config=config,
        region_um=None,
        folder=tmp_path / "cache",
    )
    output = tmp_path / "s.zarr"
    request = EncodeRequest(he=image, mif=None, output=output, slide_id="s", stride_um=100.0)
    run_job(encode_slide(request, model))
    encoding = Encoding.open(output)
    assert encoding.images["he"]["read_level"] == 2 - zoom
    side = config.patch_px // config.cell_px
    corners = np.rint((encoding.centres_um - 50) / (100 / side)).astype(int)
    trained = np.stack([cached.he_patch(y, x, side) for x, y in corners])
    with torch.inference_mode():
        image01 = torch.from_numpy(trained).permute(0, 3, 1, 2).float() / 255
        expected = model.network.embed_he(he_normalise(image01))
    np.testing.assert_allclose(encoding.embeddings("he"), expected, atol=2e-2)
