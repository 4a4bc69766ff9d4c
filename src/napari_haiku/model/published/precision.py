"""Number format of the towers' arithmetic: chosen, and shown."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from napari_haiku.model.devices import Device

CHOICES = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class Precision:
    """A chosen number format.

    Parameters
    ----------
    name : str
        ``"fp32"`` or ``"bf16"``.
    why : str
        Why it was chosen, for the user.
    """

    name: str
    why: str

    def shown_with(self, device: Device) -> Device:
        """Name the number format in the device's label, so that it is seen with it."""
        return replace(device, label=f"{device.label}, {self.name}")

    def context(self, device: str) -> AbstractContextManager[object]:
        """Context in which the towers run on `device`."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(device.split(":")[0], dtype=torch.bfloat16)


def choose_precision(name: str, device: str) -> Precision:
    """Choose the number format for a device, or the one asked for.

    Raises
    ------
    HaikuError
        The name is unknown.
    """
    if name not in CHOICES:
        raise HaikuError(f"Precision '{name}' is unknown: choose one of {', '.join(CHOICES)}.")
    if name != "auto":
        return Precision(name, "chosen by you")
    if device.startswith("cuda") and torch.cuda.is_bf16_supported():
        return Precision("bf16", "this GPU computes in bfloat16")
    if device == "cpu" and _multiplies_bf16():
        return Precision("bf16", "this processor multiplies in bfloat16")
    return Precision("fp32", "the default here")


def _multiplies_bf16() -> bool:
    """Tell whether the processor has instructions that multiply bfloat16 (AMX or AVX-512)."""
    asks = (
        getattr(torch.cpu, name, None)
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )
    return any(ask is not None and bool(ask()) for ask in asks)
