"""Where the work is done, and why not elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass

from napari_haiku.errors import HaikuError

CHOICES = ("auto", "cuda", "mps", "cpu")


@dataclass(frozen=True)
class Device:
    """A chosen device.

    Parameters
    ----------
    torch_name : str
        What torch calls it ("cpu", "cuda:0", "mps").
    label : str
        What the user reads ("CPU, 2 cores").
    why_not_gpu : str or None
        Why no GPU is used, when none is.
    """

    torch_name: str
    label: str
    why_not_gpu: str | None


def choose_device(name: str = "auto") -> Device:
    """Choose the best device at hand, or the one asked for.

    Raises
    ------
    HaikuError
        The name is unknown, or the device asked for is not at hand.
    """
    import torch

    kind = name.split(":")[0]
    if kind not in CHOICES:
        raise HaikuError(f"Device '{name}' is unknown: choose one of {', '.join(CHOICES)}.")
    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    if kind == "cuda" and not cuda:
        raise HaikuError(f"No CUDA GPU can be used ({_why_no_cuda()}): choose cpu or auto.")
    if kind == "mps" and not mps:
        raise HaikuError("No Apple GPU can be used on this computer: choose cpu or auto.")
    if kind == "cuda" or (kind == "auto" and cuda):
        torch_name = name if ":" in name else "cuda:0"
        return Device(torch_name, torch.cuda.get_device_name(torch_name), None)
    if kind == "mps" or (kind == "auto" and mps):
        return Device("mps", "Apple GPU", None)
    cores = torch.get_num_threads()
    label = f"CPU, {cores} core" + ("" if cores == 1 else "s")
    return Device("cpu", label, "chosen by you" if kind == "cpu" else _why_no_cuda())


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None:
        return "this torch was built without CUDA"
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    return "no NVIDIA driver found on this computer"


def why_not() -> dict[str, str]:
    """Say why each device that cannot be used cannot; those that can are left out."""
    import torch

    reasons = {}
    if not torch.cuda.is_available():
        reasons["cuda"] = _why_no_cuda()
    if not torch.backends.mps.is_available():
        reasons["mps"] = "this is no Apple computer with a GPU"
    return reasons
