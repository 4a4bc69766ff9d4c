"""One process, or several started by torchrun that share the work of every step."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

# Other processes wait while the first prepares slides.
_PATIENCE = timedelta(days=2)


class Processes:
    """The processes of a run; the first writes, all compute.

    Every process draws the same batch, puts its own rows through the towers and
    sees the vectors of all. One process alone needs no distributed package.

    Parameters
    ----------
    rank, count : int
        Number of this process, and how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @classmethod
    def join(cls) -> Processes:
        """Join the processes that torchrun has started; else be the only one.

        Raises
        ------
        HaikuError
            The others cannot be reached.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not dist.is_initialized():
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            try:
                dist.init_process_group(backend, timeout=_PATIENCE)
            except (RuntimeError, ValueError) as error:
                raise HaikuError(
                    "The training processes cannot reach each other: start them with torchrun "
                    "(see the reference page on training)."
                ) from error
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """Give each process of a computer a GPU of its own where GPUs are used."""
        if name.startswith("cuda") and self.count > 1:
            return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"
        return name

    def own_rows(self, rows: int) -> slice:
        """Rows of a batch that this process encodes."""
        share, rest = divmod(rows, self.count)
        start = self.rank * share + min(self.rank, rest)
        return slice(start, start + share + (self.rank < rest))

    def gather(self, own: Tensor, rows: int) -> Tensor:
        """Put the rows of all processes together; no gradient goes through."""
        if self.count == 1:
            return own
        # Rows of the others are nought here, so that the sum is all rows.
        whole = own.new_zeros((rows, *own.shape[1:]))
        whole[self.own_rows(rows)] = own
        dist.all_reduce(whole)
        return whole

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes."""
        if self.count == 1:
            return
        with torch.no_grad():
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad)

    def average_buffers(self, module: nn.Module) -> None:
        """Average what batch norms have seen in each process."""
        if self.count == 1:
            return
        with torch.no_grad():
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    dist.all_reduce(buffer)
                    buffer /= self.count

    def agree(self, decision: bool) -> bool:
        """Return what the first process has decided."""
        if self.count == 1:
            return decision
        told = torch.tensor([int(decision)])
        dist.broadcast(told, 0)
        return bool(told)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            self.agree(True)
            dist.barrier()

    def leave(self) -> None:
        """Part from the others."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()
