"""Optimiser steps of the two image towers."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.model.compact.preprocessing import he_normalise
from napari_haiku.storage import write_bytes, write_text
from napari_haiku.training.augmentation import (
    drop_channels,
    vary_intensity,
    vary_range,
    vary_stain,
)
from napari_haiku.training.objectives import ContrastiveBatch, build_objective

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.marker_targets import MarkerTargets
    from napari_haiku.training.sampler import Batch

CHECKPOINT, CURVES = "checkpoint.pt", "curves.csv"
_LOWEST_RATE = 1e-6


class ImageStage:
    """The moving parts of a run: towers, objectives, optimiser, curves, checkpoint.

    Parameters
    ----------
    network : CompactNetwork
        The towers; trained in place.
    targets : MarkerTargets
        Standardised marker means.
    config : TrainConfig
        Recipe.
    output : Path
        Folder of checkpoint and curves.
    """

    def __init__(
        self, network: CompactNetwork, targets: MarkerTargets, config: TrainConfig, output: Path
    ) -> None:
        self.network, self.targets, self.config, self.output = network, targets, config, output
        self.objective = build_objective(
            _told(config.objectives), dim=network.config.dim, markers=targets.width
        )
        trained = [
            p
            for part in (network.he, network.mif, self.objective)
            for p in part.parameters()
            if p.requires_grad
        ]
        self.optimiser = torch.optim.AdamW(
            [
                {
                    "params": [p for p in trained if p.ndim > 1],
                    "weight_decay": config.weight_decay,
                },
                {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
            ],
            config.learning_rate,
        )
        self.curves: list[dict[str, Any]] = []

    def step(self, number: int, batch: Batch) -> None:
        """Take one optimiser step."""
        config = self.config
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        warm = min(1.0, (number + 1) / max(1, config.warm_up))
        rate = config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * number / config.steps))
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, _LOWEST_RATE)
        # Objectives that draw do so from torch's own generator.
        torch.manual_seed(config.seed * 1_000_003 + number)
        out = self.objective(self._forward(batch, generator))
        if not torch.isfinite(out.loss):
            raise HaikuError(
                f"Training diverged at step {number}: lower learning_rate and start again."
            )
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(out.loss)
        torch.nn.utils.clip_grad_norm_(
            [p for group in self.optimiser.param_groups for p in group["params"]], 5.0
        )
        self.optimiser.step()
        figures = {"loss": float(out.loss.detach())}
        figures |= {f"loss {name}": float(part.detach()) for name, part in out.parts.items()}
        figures |= out.diagnostics
        self.curves += [
            {"step": number + 1, "figure": name, "value": value} for name, value in figures.items()
        ]

    def _forward(self, batch: Batch, generator: torch.Generator) -> ContrastiveBatch:
        config = self.config
        vectors: dict[str, torch.Tensor] = {}
        if batch.he is not None:
            image = torch.from_numpy(batch.he).permute(0, 3, 1, 2).float()
            half = config.precision == "bf16"
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                varied = vary_stain(image, generator, config.stain_jitter.get(batch.cohort, 1.0))
                vectors["he"] = self.network.he(he_normalise(varied)).float()
        if batch.cells is not None:
            keep = drop_channels(len(batch.markers), generator)
            cells = vary_intensity(torch.from_numpy(batch.cells)[:, keep], generator)
            ids = self.network.marker_ids(tuple(batch.markers[int(i)] for i in keep))
            ranges = vary_range(torch.from_numpy(log_ranges(batch))[:, keep], generator)
            vectors["mif"] = self.network.mif(cells, ids, ranges)
        numbers = {name: i for i, name in enumerate(sorted({s.patient_id for s in batch.slides}))}
        patients = torch.tensor([numbers[slide.patient_id] for slide in batch.slides])
        return ContrastiveBatch(
            vectors,
            group={"patient": patients},
            expression=torch.from_numpy(self.targets.of(batch)),
        )

    def log_validation(self, step: int, figures: dict[str, float]) -> None:
        """Add figures on the patients kept out to the curves."""
        self.curves += [
            {"step": step, "figure": f"validation {name}", "value": value}
            for name, value in figures.items()
        ]

    def save(self, step: int) -> None:
        """Write checkpoint and curves, each whole or not at all."""
        stream = io.BytesIO()
        torch.save(
            {
                "step": step,
                "config": self.config.image_settings(),
                "network": self.network.state_dict(),
                "objective": self.objective.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "curves": self.curves,
            },
            stream,
        )
        write_bytes(self.output / CHECKPOINT, stream.getvalue())
        table = io.StringIO()
        writer = csv.DictWriter(table, ["step", "figure", "value"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.curves)
        write_text(self.output / CURVES, table.getvalue())

    def resume(self) -> int:
        """Go back to the last checkpoint; returns the steps it has behind it."""
        file = self.output / CHECKPOINT
        if not file.is_file():
            return 0
        state = torch.load(file, weights_only=True)
        settings = self.config.image_settings()
        changed = sorted(k for k, v in settings.items() if state["config"].get(k) != v)
        if changed:
            raise HaikuError(
                f"{self.output.name} was started with another {', '.join(changed)}: give the same "
                "settings, or another folder."
            )
        self.network.load_state_dict(state["network"])
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.curves = state["curves"]
        return int(state["step"])


def log_ranges(batch: Batch) -> NDArray[np.float32]:
    """Logarithm of each channel's range over its slide, float32 (n, c)."""
    missing = np.full(len(batch.markers), np.nan, np.float32)
    return np.stack(
        [missing if s.scaling is None else s.scaling.log_range for s in batch.slides]
    ).astype(np.float32)


def _told(recipe: Any) -> dict[str, Any]:
    """Tell the expression objective that its targets are standardised already."""
    told = dict(recipe)
    if "expression" in told:
        entry = told["expression"]
        options = dict(entry) if isinstance(entry, dict) else {"weight": entry}
        told["expression"] = {"standardise": False, **options}
    return told
