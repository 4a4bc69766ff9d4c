"""Contrast over many rows, of which only some go through the towers at a time.

After GradCache (arXiv 2101.06983): all rows are encoded without a graph, the
objective is evaluated once on all vectors, and the gradient of each vector is
then carried back chunk by chunk. The gradient is that of the whole batch; the
memory is that of one chunk. Several processes share the chunks.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_haiku.training.objectives import ContrastiveBatch, Objective, ObjectiveOutput
    from napari_haiku.training.processes import Processes

_SEEDS = 1_000_003


@dataclass(frozen=True)
class Prepared:
    """A batch that is ready for the towers.

    Attributes
    ----------
    size : int
        Rows.
    encoders : dict of callable
        Modality -> function that turns some rows into vectors.
    batch : callable
        Makes of the vectors of all rows what the objective is given.
    """

    size: int
    encoders: dict[str, Callable[[slice], Tensor]]
    batch: Callable[[dict[str, Tensor]], ContrastiveBatch]


def backward(
    prepared: Prepared,
    objective: Objective,
    network: nn.Module,
    processes: Processes,
    *,
    chunk: int,
    seed: int,
    step: int,
    share: float = 1.0,
) -> ObjectiveOutput:
    """Evaluate an objective on a batch and add its gradient to all parameters.

    Parameters
    ----------
    prepared : Prepared
    objective : Objective
    network : nn.Module
        The towers, whose batch norms must see every row once.
    processes : Processes
    chunk : int
        Rows at a time; 0 takes all at once.
    seed : int
        Of what objective and towers draw.
    step : int
        For the sentence about a loss that is no number.
    share : float
        Factor on the loss, for gradients that are added up.

    Raises
    ------
    HaikuError
        The loss is no finite number.
    """
    if processes.count == 1 and not 0 < chunk < prepared.size:
        # Objectives that draw do so from torch's own generator.
        torch.manual_seed(seed)
        everything = slice(0, prepared.size)
        vectors = {name: encode(everything) for name, encode in prepared.encoders.items()}
        out: ObjectiveOutput = objective(prepared.batch(vectors))
        _check(out, step)
        torch.autograd.backward(out.loss if share == 1 else out.loss * share)
        return out
    pieces = _pieces(processes.own_rows(prepared.size), chunk)
    leaves: dict[str, Tensor] = {}
    with torch.no_grad(), _unseen(network):
        for number, (name, encode) in enumerate(prepared.encoders.items()):
            parts = [_drawn(encode, piece, seed, number) for piece in pieces]
            leaves[name] = processes.gather(torch.cat(parts), prepared.size).requires_grad_()
    torch.manual_seed(seed)
    out = objective(prepared.batch(leaves))
    _check(out, step)
    torch.autograd.backward(out.loss * share)
    for number, (name, encode) in enumerate(prepared.encoders.items()):
        gradient = leaves[name].grad
        if gradient is None:
            continue
        for piece in pieces:
            again = _drawn(encode, piece, seed, number)
            if again.requires_grad:
                torch.autograd.backward(again, gradient[piece])
    return out


def _pieces(rows: slice, chunk: int) -> list[slice]:
    """Cut rows into chunks of nearly the same size, none above `chunk`."""
    count = rows.stop - rows.start
    n = -(-count // chunk) if chunk else 1
    ends = [rows.start + round(i * count / n) for i in range(n + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def _drawn(encode: Callable[[slice], Tensor], rows: slice, seed: int, number: int) -> Tensor:
    """Encode rows; what the towers draw (dropout) is the same every time."""
    torch.manual_seed((seed * _SEEDS + rows.start * 31 + number) % 2**63)
    return encode(rows)


@contextmanager
def _unseen(network: nn.Module) -> Iterator[None]:
    """Keep batch norms from counting rows that they will see again."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    kept = [None if count is None else count.clone() for _, count in before]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, _), count in zip(norms, before, kept, strict=True):
            norm.momentum = momentum
            if count is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(count)


def _check(out: ObjectiveOutput, step: int) -> None:
    if not torch.isfinite(out.loss):
        raise HaikuError(f"Training diverged at step {step}: lower learning_rate and start again.")
