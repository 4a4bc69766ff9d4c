"""Whole recipes under a name: objectives, and where it matters the settings around them."""

from __future__ import annotations

from typing import Any

from napari_haiku.errors import HaikuError
from napari_haiku.training.presets import PRESETS

PUBLISHED = "published"
# The recipe of arXiv 2605.00925; rates and tuned layers follow from the model started from.
_PUBLISHED: dict[str, Any] = {
    "objectives": {
        "pairwise_clip": {"weight": 1.0, "temperature": 0.07, "duplicates": "ignore"},
    },
    "epochs": 25,
    "batch_size": 128,
    "learning_rate": 1e-4,
    "weight_decay": 0.01,
    "warm_up": 1000,
    "clip": 0.0,
    "precision": "bf16",
}
NAMES = (*PRESETS, PUBLISHED)


def preset_settings(name: str, *, starting_model: bool = False) -> dict[str, Any]:
    """Return the settings of a preset, for :func:`napari_haiku.training.config.read_config`.

    Parameters
    ----------
    name : str
        ``"standard"``, ``"small-cohort"``, ``"whole-tuple"`` or ``"published"``.
    starting_model : bool
        Whether training starts from a model.

    Raises
    ------
    HaikuError
        There is no such preset.
    """
    if name == PUBLISHED:
        return dict(_PUBLISHED)
    if name not in PRESETS:
        raise HaikuError(f"There is no preset '{name}': choose {', '.join(NAMES)}.")
    return {"objectives": PRESETS[name].recipe(starting_model=starting_model)}
