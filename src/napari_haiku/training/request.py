"""What a training run is given, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_haiku.training.config import TrainConfig


@dataclass(frozen=True)
class TrainRequest:
    """One training run.

    Parameters
    ----------
    manifest : Path
        Cohort manifest.
    output : Path
        Model folder; curves and checkpoints are kept there too.
    config : TrainConfig
        Recipe.
    config_folder : Path
        What the manifests named in the recipe are relative to.
    resume : bool
        Go on from the last checkpoint.
    cache : Path or None
        Where resampled slides are kept; inside `output` by default.
    device : str
        Where the towers are trained, such as ``"cpu"``, ``"cuda"`` or ``"auto"``.
    tensorboard : bool
        Whether the curves also go to TensorBoard.
    """

    manifest: Path
    output: Path
    config: TrainConfig
    config_folder: Path
    resume: bool = False
    cache: Path | None = None
    device: str = "cpu"
    tensorboard: bool = False


@dataclass(frozen=True)
class TrainResult:
    """What a training run leaves.

    Attributes
    ----------
    model : Path
    steps, resumed_from : int
        Steps behind the towers that were kept, and steps taken from a checkpoint.
    validation : dict
        Last figures on the patients kept out; empty when none were.
    """

    model: Path
    steps: int
    resumed_from: int
    validation: dict[str, float]
