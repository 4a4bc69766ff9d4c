"""The number format is chosen by device and never silent."""

from __future__ import annotations

import pytest
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.model.devices import choose_device
from napari_haiku.model.published.precision import choose_precision


@pytest.mark.parametrize(("multiplies", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_computes_in_what_its_instructions_favour(
    monkeypatch: pytest.MonkeyPatch, multiplies: bool, chosen: str
) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: multiplies, raising=False)
    assert choose_precision("auto", "cpu").name == chosen
    assert choose_precision("bf16", "cpu").name == "bf16"
    assert choose_precision("fp32", "cpu").name == "fp32"


def test_the_format_is_shown_with_the_device() -> None:
    device = choose_device("cpu")
    shown = choose_precision("bf16", "cpu").shown_with(device)
    assert shown.label == f"{device.label}, bf16"
    assert shown.torch_name == device.torch_name


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(HaikuError, match="'fp8'"):
        choose_precision("fp8", "cpu")
