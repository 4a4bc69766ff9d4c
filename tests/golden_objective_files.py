"""Numbers of the published objectives, read from a folder of the caller's choice."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_haiku.training.objectives import ContrastiveBatch, build_objective

FOLDER = Path(
    os.environ.get("HAIKU_GOLDEN_OBJECTIVES", Path(__file__).resolve().parent / "golden_objectives")
)


@dataclass(frozen=True)
class Golden:
    """One file: arrays as tensors, hyperparameters, and the tolerances of its precision."""

    arrays: dict[str, torch.Tensor]
    hyper: dict[str, Any]

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.arrays[name]

    def leaf(self, name: str) -> torch.Tensor:
        return self.arrays[name].clone().requires_grad_()

    def value(self, name: str, found: torch.Tensor | float, rtol: float | None = None) -> None:
        """Compare a value with the file's."""
        wide = self.arrays[name].dtype == torch.float64
        tolerance = rtol or (1e-9 if wide else 2e-6)
        got = found.detach().double().numpy() if isinstance(found, torch.Tensor) else found
        np.testing.assert_allclose(
            got, self.arrays[name].double().numpy(), rtol=tolerance, atol=1e-12, err_msg=name
        )

    def gradient(self, name: str, leaf: torch.Tensor, dim: int = -1) -> None:
        """Compare a gradient with the file's.

        Files whose inputs have unit length hold the gradient of a form that does
        not normalise; ours does, so that it has no part along the row itself.
        """
        wide = self.arrays[name].dtype == torch.float64
        assert leaf.grad is not None, name
        gradient = self.arrays[name].double()
        row = leaf.detach().double()
        if torch.allclose(row.norm(dim=dim), torch.ones(()).double(), atol=1e-6):
            gradient = gradient - (gradient * row).sum(dim, keepdim=True) * row
        expected = gradient.numpy()
        # Relative to the largest entry: entries near zero are differences of large ones.
        atol = (1e-9 if wide else 1e-5) * np.abs(expected).max()
        np.testing.assert_allclose(
            leaf.grad.double().numpy(),
            expected,
            rtol=1e-7 if wide else 1e-4,
            atol=atol,
            err_msg=name,
        )


def golden(name: str) -> Golden:
    with np.load(FOLDER / f"{name}.npz") as file:
        arrays = {
            key: torch.from_numpy(np.array(file[key]))
            for key in file.files
            if file[key].dtype.kind in "fib"
        }
        hyper = json.loads(str(file["meta_json"]))["hyper"]
    return Golden(arrays, hyper)


def loss(
    recipe: dict[str, object], emb: dict[str, Tensor], **batch: object
) -> tuple[Tensor, dict[str, Tensor]]:
    out = build_objective(recipe)(ContrastiveBatch(emb, **batch))  # type: ignore[arg-type]
    return out.loss, dict(out.parts)
