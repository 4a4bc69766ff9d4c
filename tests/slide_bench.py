"""A small pair of registered images and ways to encode them, for several rooms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fake_model import FakeModel

from napari_haiku.encoding import layout
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.encoding.store import Encoding
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job

# Small chunks, so that small slides have several.
CHUNK = 64
RECORD = {"tissue": "Lung", "disease": "Lung Cancer", "patient_id": "Q7731", "stage": "II"}


def write_slide(folder: Path, seed: int = 0, size_um: tuple[int, int] = (700, 1100)):
    """Write an H&E at 1 um and an mIF at 2 um, both full of tissue."""
    rng = np.random.default_rng(seed)
    height, width = size_um
    coarse = rng.normal(0, 30, (height // 50 + 1, width // 50 + 1, 3))
    he = np.kron(coarse, np.ones((50, 50, 1)))[:height, :width] + np.asarray([190, 110, 170])
    he = np.clip(he + rng.normal(0, 8, he.shape), 0, 230).astype(np.uint8)
    tifffile.imwrite(
        folder / "he.ome.tif",
        he,
        tile=(128, 128),
        photometric="rgb",
        compression="zlib",
        metadata={
            "axes": "YXS",
            "PhysicalSizeX": 1.0,
            "PhysicalSizeY": 1.0,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeYUnit": "µm",
        },
    )
    mif = rng.gamma(2.0, 300.0, (4, height // 2, width // 2)).astype(np.uint16)
    tifffile.imwrite(
        folder / "mif.ome.tif",
        mif,
        tile=(128, 128),
        compression="zlib",
        metadata={
            "axes": "CYX",
            "PhysicalSizeX": 2.0,
            "PhysicalSizeY": 2.0,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeYUnit": "µm",
            "Channel": {"Name": ["Hoechst", "CD8a", "Blank", "Pan-CK"]},
        },
    )
    return folder / "he.ome.tif", folder / "mif.ome.tif"


@dataclass
class Bench:
    """Images, a model and a folder to encode into."""

    he_path: Path
    mif_path: Path
    folder: Path
    model: FakeModel

    def request(self, name: str = "slide.zarr", **changes) -> EncodeRequest:
        given = {
            "he": open_image(self.he_path),
            "mif": open_image(self.mif_path),
            "output": self.folder / name,
            "slide_id": "slide one",
            "record": RECORD,
            "stride_um": 50.0,
            "batch_size": 25,
        }
        return EncodeRequest(**(given | changes))

    def encode(self, name: str = "slide.zarr", **changes) -> Encoding:
        run_job(encode_slide(self.request(name, **changes), self.model))
        return Encoding.open(self.folder / name)


@pytest.fixture(scope="session", autouse=True)
def small_chunks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CHUNK_ROWS", CHUNK)
        yield


@pytest.fixture(scope="session")
def slide_files(tmp_path_factory):
    return write_slide(tmp_path_factory.mktemp("images"))


@pytest.fixture
def bench(slide_files, tmp_path):
    return Bench(*slide_files, tmp_path, FakeModel())


@pytest.fixture(scope="session")
def encoded(slide_files, tmp_path_factory):
    """One finished encoding of both images that no test may change."""
    made = Bench(*slide_files, tmp_path_factory.mktemp("encoded"), FakeModel())
    made.encode()
    return made


def content_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
