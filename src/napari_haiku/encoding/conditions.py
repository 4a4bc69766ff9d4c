"""On what the vectors of an encoding were computed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_haiku.model.base import TissueModel

# Packages that decode pixels, resample or compute: another version may change
# the last digits of a vector.
_THAT_MATTER = ("napari-haiku", "torch", "numpy", "tifffile", "imagecodecs", "pillow", "zarr")


def conditions_of(model: TissueModel, batch_size: int) -> dict[str, Any]:
    """Collect what a vector's last digits depend on, besides its inputs.

    Parameters
    ----------
    model : TissueModel
        Its device is recorded.
    batch_size : int
        Patches per pass.

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
        "threads": torch.get_num_threads(),
        "precision": str(model.card.get("precision", "float32")),
        "batch_size": batch_size,
        "versions": {name: _version(name) for name in _THAT_MATTER},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
