"""On what the vectors of an encoding were computed."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from napari_haiku.encoding.passes import threads_of_a_pass

if TYPE_CHECKING:
    from napari_haiku.model.base import TissueModel

# Packages that decode pixels, resample or compute: another version may change
# the last digits of a vector.
_THAT_MATTER = ("napari-haiku", "torch", "numpy", "tifffile", "imagecodecs", "pillow", "zarr")
_PRECISIONS = {"fp32": "float32", "bf16": "bfloat16"}


def conditions_of(model: TissueModel, batch_size: int, asked: int | None = None) -> dict[str, Any]:
    """Collect what a vector's last digits depend on, besides its inputs.

    Parameters
    ----------
    model : TissueModel
        Its device is recorded.
    batch_size : int
        Patches per pass.
    asked : int, optional
        Patches per pass to begin with, where memory forced fewer.

    Returns
    -------
    dict
        Device, threads, batch size and software versions. Where two
        runs agree in these, an encoding is reproduced bit for bit.
    """
    import torch

    return {
        "device": model.device.torch_name.split(":")[0],
        "device_name": model.device.label,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": threads_of_a_pass(model),
        "precision": _precision_of(model),
        "batch_size": batch_size,
        **({} if asked in (None, batch_size) else {"reduced_from": asked}),
        "versions": {name: _version(name) for name in _THAT_MATTER},
    }


def _precision_of(model: TissueModel) -> str:
    """Name the number format of a model's arithmetic."""
    chosen = getattr(model, "precision", None)
    return _PRECISIONS.get(getattr(chosen, "name", "fp32"), "float32")


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
