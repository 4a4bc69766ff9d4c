"""A tiny untrained model, a small cohort and what the commands make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_haiku.cli import app

STAGES = ("I", "II", "III", "IV")
PATCHES = 24
MARKERS_ASKED = ("DAPI", "PanCK", "CD8")


@dataclass(frozen=True)
class Outcome:
    """What one call of the program gave."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def content(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        content = json.loads(self.stdout)
        assert isinstance(content, dict)
        return content


Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def run() -> Run:
    """Call the program with arguments; what it did not mean to raise is raised here."""

    def call(*arguments: object) -> Outcome:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the shipped kind with random weights."""
    return _save_model(tmp_path_factory.mktemp("model") / "tiny", seed=1)


@pytest.fixture(scope="session")
def other_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model like :func:`model_folder` with other weights."""
    return _save_model(tmp_path_factory.mktemp("model") / "other", seed=2)


def _save_model(folder: Path, seed: int) -> Path:
    import torch

    from napari_haiku.model.compact.caption_reader import learn_features
    from napari_haiku.model.compact.config import CompactConfig
    from napari_haiku.model.compact.model import CompactModel
    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.model.compact.words import learn_words
    from napari_haiku.model.devices import choose_device

    captions = ["stage: I II III IV, grade: G1 G2 G3, tissue of Colon Cancer"] * 2
    values = [f"stage: {s}, grade: {g}" for s in ("I", "II", "III", "IV") for g in ("G1", "G3")]
    features = learn_features([*captions, *values * 2])
    torch.manual_seed(seed)
    config = CompactConfig(
        name=folder.name,
        markers=MARKERS_ASKED,
        text_features=features,
        dim=16,
        he_width=8,
        mif_width=16,
        mif_layers=1,
    )
    card = {"licence": "none", "training_images": []}
    network = CompactNetwork(config)
    torch.nn.init.normal_(network.text.head.weight)
    words = learn_words(captions)
    model = CompactModel(network, words, card, choose_device("cpu"), "")
    model.save(folder)
    return folder


@pytest.fixture(scope="session")
def make_he() -> Callable[..., Path]:
    """Write an H&E that is tissue everywhere; 2 um a pixel unless told otherwise."""
    return _write_he


@pytest.fixture(scope="session")
def make_mif() -> Callable[..., Path]:
    """Write an mIF of three channels that follow the H&E's shades."""
    return _write_mif


def _shades(seed: int, shape: tuple[int, int]) -> np.ndarray:
    coarse = np.random.default_rng(seed).random((shape[0] // 25 + 1, shape[1] // 25 + 1))
    return np.kron(coarse, np.ones((25, 25)))[: shape[0], : shape[1]]


def _size(um: float | None) -> dict[str, Any]:
    if um is None:
        return {}
    unit = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    return {"PhysicalSizeX": um, "PhysicalSizeY": um, **unit}


def _write_he(
    path: Path, seed: int = 0, shape: tuple[int, int] = (200, 300), um: float | None = 2.0
) -> Path:
    shades = _shades(seed, shape)[..., None]
    noise = np.random.default_rng(seed + 1).normal(0, 6, (*shape, 3))
    picture = np.array([200, 120, 175]) - shades * [70, 60, 40] + noise
    tifffile.imwrite(
        path,
        picture.clip(0, 255).astype(np.uint8),
        photometric="rgb",
        metadata={"axes": "YXS", **_size(um)},
    )
    return path


def _write_mif(
    path: Path,
    names: Sequence[str] | None = ("Hoechst", "Pan-CK", "CD8a"),
    seed: int = 0,
    shape: tuple[int, int] = (200, 300),
    um: float | None = 2.0,
    x_um: float | None = None,
) -> Path:
    shades = _shades(seed, shape)
    noise = np.random.default_rng(seed + 2).normal(0, 5, (3, *shape))
    data = np.stack([200 * shades, 200 * (1 - shades), 100 * shades**2]) + 20 + noise
    metadata: dict[str, Any] = {"axes": "CYX", **_size(um)}
    if names is not None:
        metadata["Channel"] = {"Name": list(names)}
    if x_um is not None:
        metadata["Plane"] = {
            "PositionX": [x_um] * 3,
            "PositionY": [0.0] * 3,
            "PositionXUnit": ["µm"] * 3,
            "PositionYUnit": ["µm"] * 3,
        }
    tifffile.imwrite(
        path, data.clip(0, 255).astype(np.uint8), photometric="minisblack", metadata=metadata
    )
    return path


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of four small slides, each of a patient and a stage of its own."""
    folder = tmp_path_factory.mktemp("cohort")
    lines = ["slide_id,patient_id,he,mif,markers,disease,stage"]
    for number, stage in enumerate(STAGES):
        _write_he(folder / f"he{number}.ome.tif", number)
        _write_mif(folder / f"mif{number}.ome.tif", seed=number)
        lines.append(
            f"s{number},p{number},he{number}.ome.tif,mif{number}.ome.tif,,Colon Cancer,{stage}"
        )
    manifest = folder / "cohort.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


@pytest.fixture(scope="session")
def atlas(
    run: Run, cohort: Path, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Atlas of the cohort."""
    path = tmp_path_factory.mktemp("atlas") / "virtual.atlas"
    done = run("atlas", "build", cohort, path, "--model", model_folder)
    assert done.exit_code == 0, done.stderr
    return path


@pytest.fixture(scope="session")
def slide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """H&E and mIF of a slide that the atlas does not hold."""
    folder = tmp_path_factory.mktemp("slide")
    return _write_he(folder / "he.ome.tif", 9), _write_mif(folder / "mif.ome.tif", seed=9)


@pytest.fixture(scope="session")
def record_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clinical record with an identifying field."""
    path = tmp_path_factory.mktemp("record") / "record.json"
    record = {"patient_id": "Q7731", "disease": "Colon Cancer", "stage": "II", "grade": "G2"}
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def encoding(
    run: Run,
    slide: tuple[Path, Path],
    model_folder: Path,
    record_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The first slide, encoded as that of a patient whom the atlas does not know."""
    path = tmp_path_factory.mktemp("encoding") / "slide.zarr"
    he, mif = slide
    arguments = ("--mif", mif, "--output", path, "--model", model_folder, "--metadata", record_file)
    done = run("encode", he, *arguments, "--slide-id", "asked")
    assert done.exit_code == 0, done.stderr
    return path
