"""A small cohort encoded and built into an atlas, for several rooms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
from fake_model import FakeModel

from napari_haiku.atlas.build import build_atlas
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.encoding.store import Encoding
from napari_haiku.images.slide_image import SlideImage
from napari_haiku.jobs import run_job

if TYPE_CHECKING:
    from napari_haiku.atlas.store import Atlas

MARKERS = ("DAPI", "CD8", "PanCK")


@dataclass(frozen=True)
class Slide:
    slide_id: str
    patient_id: str
    record: dict[str, str]
    markers: tuple[str, ...] = MARKERS
    he: bool = True


COHORT = (
    Slide("s1", "A", {"tissue": "Lung", "stage": "II", "age": "61"}),
    Slide("s2", "A", {"tissue": "Lung", "stage": "IV", "age": "63"}, he=False),
    Slide("s3", "B", {"tissue": "Colon", "stage": "II"}, markers=("DAPI", "CD20")),
    Slide("s4", "C", {}, markers=()),
)


def he_image(seed: int, side: int = 400) -> SlideImage:
    """An H&E full of tissue at 1 um per pixel."""
    rng = np.random.default_rng(seed)
    blocks = rng.normal(0, 30, (side // 50, side // 50, 3))
    pixels = np.kron(blocks, np.ones((50, 50, 1))) + np.asarray([190, 110, 170])
    pixels = np.clip(pixels + rng.normal(0, 8, pixels.shape), 0, 230).astype(np.uint8)
    return SlideImage(
        name=f"he{seed}",
        modality="he",
        levels=(da.from_array(pixels, chunks=(128, 128, 3)),),
        pixel_size_um=1.0,
        fingerprint=f"he-{seed}",
    )


def mif_image(seed: int, markers: tuple[str, ...], side: int = 400) -> SlideImage:
    """An mIF at 2 um per pixel."""
    rng = np.random.default_rng(1000 + seed)
    pixels = rng.gamma(2.0, 300.0, (len(markers), side // 2, side // 2)).astype(np.uint16)
    pixels += (np.indices(pixels.shape[1:])[1] // 50 * 100).astype(np.uint16)
    return SlideImage(
        name=f"mif{seed}",
        modality="mif",
        levels=(da.from_array(pixels, chunks=(1, 64, 64)),),
        pixel_size_um=2.0,
        channel_names=markers,
        markers=markers,
        fingerprint=f"mif-{seed}",
    )


def encode(slide: Slide, seed: int, folder: Path, model: FakeModel, **changes) -> Encoding:
    """Encode one slide of the cohort."""
    request = EncodeRequest(
        he=he_image(seed) if slide.he else None,
        mif=mif_image(seed, slide.markers) if slide.markers else None,
        output=folder / f"{slide.slide_id}.zarr",
        slide_id=slide.slide_id,
        patient_id=slide.patient_id,
        record=slide.record,
        **changes,
    )
    run_job(encode_slide(request, model))
    return Encoding.open(request.output)


@dataclass(frozen=True)
class Built:
    encodings: list[Encoding]
    atlas: Atlas
    model: FakeModel


@pytest.fixture(scope="session")
def built(tmp_path_factory, small_chunks):
    """Four slides of three patients: one without H&E, one without mIF and record."""
    folder = tmp_path_factory.mktemp("cohort")
    model = FakeModel()
    encodings = [encode(slide, seed, folder, model) for seed, slide in enumerate(COHORT)]
    return Built(encodings, run_job(build_atlas(encodings, folder / "atlas")), model)


def same_but(slide: Slide, **changes) -> Slide:
    """Return a slide with some things changed."""
    return replace(slide, **changes)
