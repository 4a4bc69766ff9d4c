"""Reading the golden folder: HAIKU_GOLDEN, else tests/golden."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from napari_haiku.model.published import Haiku

# The set that travels with the project; tests of other things than parity always use it.
OWN = Path(__file__).resolve().parent / "golden"
GOLDEN = Path(os.environ.get("HAIKU_GOLDEN") or OWN)
LOOSE, TIGHT = 1e-4, 1e-5


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


@cache
def numbers() -> dict[str, Any]:
    return json.loads((GOLDEN / "scalars.json").read_text())


@cache
def panels() -> dict[str, list[list[str]]]:
    return json.loads((GOLDEN / "mif_encoder_channels.json").read_text())


def published(folder: Path = GOLDEN) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    config = json.loads((folder / "tiny_config.json").read_text())
    return config, load_file(folder / "tiny_state_dict.safetensors")


@cache
def haiku(folder: Path = GOLDEN) -> Haiku:
    return Haiku.from_published(*published(folder), device="cpu")


def close(ours: object, theirs: np.ndarray, tolerance: float = TIGHT) -> None:
    given = ours.detach().numpy() if isinstance(ours, torch.Tensor) else np.asarray(ours)
    assert given.shape == theirs.shape
    np.testing.assert_allclose(given, theirs, rtol=tolerance, atol=tolerance)
