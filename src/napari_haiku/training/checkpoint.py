"""The state of a run on disk, whole or not at all."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from napari_haiku.errors import HaikuError
from napari_haiku.storage import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.training.config import TrainConfig

FILE = "checkpoint.pt"


def write_checkpoint(folder: Path, config: TrainConfig, state: dict[str, Any]) -> None:
    """Write the state of a run with the settings it belongs to."""
    stream = io.BytesIO()
    torch.save({"config": config.image_settings(), **state}, stream)
    write_bytes(folder / FILE, stream.getvalue())


def read_checkpoint(folder: Path, config: TrainConfig) -> dict[str, Any] | None:
    """Read the last state of a run; None where there is none yet.

    Raises
    ------
    HaikuError
        The file is damaged, or belongs to other settings.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        state = torch.load(file, weights_only=True, map_location="cpu")
        settings = state["config"]
        int(state["step"])
    except (
        RuntimeError,
        OSError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        raise HaikuError(
            f"{FILE} in {folder.name} is damaged or no checkpoint of this program: remove it to "
            "start from the first step, or copy it again."
        ) from error
    if changed := config.differing(settings):
        raise HaikuError(
            f"{folder.name} was started with another {', '.join(changed)}: give the same "
            "settings, or another folder."
        )
    found: dict[str, Any] = state
    return found


def misfit(folder: Path, error: Exception) -> HaikuError:
    """Say that a checkpoint holds other parts than this run has."""
    what = str(error).strip().splitlines()[-1].strip()[:120]
    return HaikuError(
        f"{FILE} in {folder.name} does not fit this run ({what}): it comes from another cohort or "
        "another version; choose another folder."
    )
