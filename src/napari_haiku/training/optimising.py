"""Optimiser steps of any network under weighted objectives, with curves and checkpoints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.cached_gradients import Prepared, backward
from napari_haiku.training.checkpoint import misfit, read_checkpoint, write_checkpoint
from napari_haiku.training.curves import Curves
from napari_haiku.training.early_stop import EarlyStop
from napari_haiku.training.processes import Processes
from napari_haiku.training.tuning import check_names, rate_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.objectives import Objective

_LOWEST_RATE = 1e-6
_SEEDS = 1_000_003


class Optimising:
    """The moving parts of a run: network, objective, optimiser, curves, checkpoint.

    Parameters
    ----------
    network : nn.Module
        Trained in place, as far as its parameters ask for a gradient.
    parts : sequence of str
        Names of the sub-modules that are trained; the rest is left alone.
    objective : Objective
        Trained too, where it has parameters.
    config : TrainConfig
        Recipe.
    output : Path
        Folder of checkpoint and curves.
    processes : Processes, optional
        The processes that share each step; one by default.
    tensorboard : bool
        Whether curves also go to TensorBoard.

    Raises
    ------
    HaikuError
        A learning rate names no parameter.
    """

    def __init__(
        self,
        network: nn.Module,
        parts: Sequence[str],
        objective: Objective,
        config: TrainConfig,
        output: Path,
        processes: Processes | None = None,
        *,
        tensorboard: bool = False,
    ) -> None:
        self.network, self.objective, self.config = network, objective, config
        self.output = output
        self.processes = processes or Processes()
        check_names(config.rates, [name for name, _ in network.named_parameters()], "rates")
        named = [
            (f"{part}.{name}", p)
            for part in parts
            for name, p in network.get_submodule(part).named_parameters()
            if p.requires_grad
        ]
        named += [("", p) for p in objective.parameters() if p.requires_grad]
        self._towers = [p for name, p in named if name]
        if not self._towers:
            raise HaikuError(
                "Nothing of the model's towers would be tuned: name a part of one in 'tune'."
            )
        self.optimiser, self._rates = _optimiser(named, config)
        self.curves = Curves(output, tensorboard=tensorboard and self.processes.first)
        self.stop = EarlyStop(config.patience)

    def step(self, number: int, batches: Sequence[Prepared]) -> None:
        """Take one optimiser step on the gradients of some batches.

        Raises
        ------
        HaikuError
            The loss is no finite number any more.
        """
        config = self.config
        self._set_rates(number)
        self.optimiser.zero_grad(set_to_none=True)
        figures: dict[str, list[float]] = {}
        for i, prepared in enumerate(batches):
            out = backward(
                prepared,
                self.objective,
                self.network,
                self.processes,
                chunk=config.chunk,
                seed=config.seed * _SEEDS + number * len(batches) + i,
                step=number,
                share=1 / len(batches),
            )
            told = {"loss": float(out.loss.detach())}
            told |= {f"loss {name}": float(part.detach()) for name, part in out.parts.items()}
            for name, value in (told | out.diagnostics).items():
                figures.setdefault(name, []).append(value)
        self.processes.add_gradients(self._towers)
        if config.clip:
            nn.utils.clip_grad_norm_(
                [p for group in self.optimiser.param_groups for p in group["params"]], config.clip
            )
        self.optimiser.step()
        self.processes.average_buffers(self.network)
        self.curves.add(number + 1, {name: sum(v) / len(v) for name, v in figures.items()})

    def _set_rates(self, number: int) -> None:
        config = self.config
        warm = min(1.0, (number + 1) / max(1, config.warm_up))
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            now = rate * warm * 0.5 * (1 + math.cos(math.pi * number / config.steps))
            group["lr"] = max(now, min(rate, _LOWEST_RATE))

    def log_validation(self, step: int, figures: dict[str, float]) -> None:
        """Add figures on the patients kept out to the curves."""
        self.curves.add(step, {f"validation {name}": value for name, value in figures.items()})

    def see(self, step: int, figures: dict[str, float]) -> None:
        """Let the early stop take note of a validation."""
        self.stop.see(step, figures, self.kept_state())

    def keep_best(self) -> None:
        """Go back to the towers of the best validation, where they were kept."""
        if self.stop.towers:
            self.network.load_state_dict(self.stop.towers, strict=False)

    def kept_state(self) -> dict[str, Any]:
        """Return what of the network a checkpoint holds."""
        return self.network.state_dict()

    def save(self, step: int) -> None:
        """Write checkpoint and curves, each whole or not at all."""
        if not self.processes.first:
            return
        write_checkpoint(
            self.output,
            self.config,
            {
                "step": step,
                "network": self.kept_state(),
                "objective": self.objective.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "curves": self.curves.rows,
                "stop": self.stop.state(),
            },
        )
        self.curves.save()

    def resume(self) -> int:
        """Go back to the last checkpoint; returns the steps it has behind it.

        Raises
        ------
        HaikuError
            The checkpoint is damaged, or is of other settings, another cohort or
            another version.
        """
        state = read_checkpoint(self.output, self.config)
        if state is None:
            return 0
        try:
            wanted = self.kept_state()
            if missing := sorted(set(wanted) - set(state["network"])):
                raise KeyError(f"no {missing[0]}")
            kept = {name: state["network"][name] for name in wanted}
            self.network.load_state_dict(kept, strict=False)
            self.objective.load_state_dict(state["objective"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise misfit(self.output, error) from error
        self.curves.load(state["curves"])
        if "stop" in state:
            self.stop.load(state["stop"])
        return int(state["step"])


def _optimiser(
    named: list[tuple[str, nn.Parameter]], config: TrainConfig
) -> tuple[torch.optim.AdamW, list[float]]:
    """AdamW with two groups a learning rate: matrices decay, the rest does not."""
    rates = [rate_of(name, config.rates, config.learning_rate) for name, _ in named]
    groups: list[dict[str, Any]] = []
    used: list[float] = []
    for rate in dict.fromkeys([config.learning_rate, *rates]):
        members = [p for (_, p), own in zip(named, rates, strict=True) if own == rate]
        if not members and rate != config.learning_rate:
            continue
        for params, decay in (
            ([p for p in members if p.ndim > 1], config.weight_decay),
            ([p for p in members if p.ndim <= 1], 0.0),
        ):
            groups.append({"params": params, "weight_decay": decay})
            used.append(rate)
    return torch.optim.AdamW(groups, config.learning_rate), used
