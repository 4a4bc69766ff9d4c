"""How many patches go through the towers at once, by device, and what happens when memory ends."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_haiku.model.base import TissueModel

T = TypeVar("T")

# With more, the C library asks the system anew for the memory of every layer of the tower.
CPU_BATCH = 16
GPU_BATCH = 64
# Memory of a GPU in bytes from which on a pass may be this large.
_GPU_BATCHES = ((40 * 2**30, 256), (12 * 2**30, 128))
_SAID_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_SETTLING = threading.Lock()


def batch_size_for(model: TissueModel) -> int:
    """Patches per pass where nobody says: by the device and its memory."""
    kind = model.device.torch_name.split(":")[0]
    if kind == "cpu":
        return CPU_BATCH
    if kind == "cuda":
        import torch

        memory = torch.cuda.get_device_properties(model.device.torch_name).total_memory
        return next((batch for least, batch in _GPU_BATCHES if memory >= least), GPU_BATCH)
    return GPU_BATCH


def passes_at_once(model: TissueModel) -> int:
    """How many passes run side by side.

    On a CPU one for every thread that torch may use: passes of one thread each
    never wait for one another, so that a busy machine slows them little and the
    vectors do not depend on the number of threads. On a CUDA GPU two, so that
    one prepares its patches while the other computes.
    """
    import torch

    kind = model.device.torch_name.split(":")[0]
    if kind == "cpu":
        return torch.get_num_threads() if _threads_can_be_limited() else 1
    return 2 if kind == "cuda" else 1


def threads_of_a_pass(model: TissueModel) -> int:
    """How many threads one pass computes with."""
    import torch

    alone = model.device.torch_name == "cpu" and _threads_can_be_limited()
    return 1 if alone else torch.get_num_threads()


@contextmanager
def pass_thread(model: TissueModel) -> Iterator[None]:
    """Keep what runs in this thread to one thread, where passes run side by side on a CPU."""
    if threads_of_a_pass(model) == 1:
        _hold_to_one_thread()
    yield


def _hold_to_one_thread() -> None:
    """Make torch compute with one thread in this thread, and as before in all others."""
    import torch

    with _SETTLING:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        # Torch keeps one number for threads yet to come and one for each that there is;
        # a thread that ends at once puts the former back.
        restoring = threading.Thread(target=torch.set_num_threads, args=(before,))
        restoring.start()
        restoring.join()


def _threads_can_be_limited() -> bool:
    """Tell whether torch counts threads for each calling thread (OpenMP does)."""
    import torch

    return "ATen parallel backend: OpenMP" in torch.__config__.parallel_info()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the memory of the device or the machine did not suffice."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).casefold()
    return isinstance(error, RuntimeError) and any(words in said for words in _SAID_OF_MEMORY)


class BatchSize:
    """Patches per pass, halved whenever the memory does not suffice.

    Parameters
    ----------
    asked : int
        To begin with.
    now : int, optional
        Where an earlier run had to reduce it already.
    """

    def __init__(self, asked: int, now: int | None = None) -> None:
        self.asked = asked
        self.now = asked if now is None else now
        self._lock = threading.Lock()

    def run(self, patches: int, encode: Callable[[int], T]) -> tuple[T, int]:
        """Call `encode` with a batch size that fits; returns its answer and the size.

        Raises
        ------
        HaikuError
            Not even one patch fits.
        """
        while True:
            size = self.now
            try:
                return encode(size), size
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # Only here are the error and the tensors that its frames hold gone.
            self._halve(min(size, patches))

    def _halve(self, size: int) -> None:
        import torch

        if size <= 1:
            raise HaikuError(
                "The memory does not suffice for a single patch: choose another device with "
                "--device, or close other programs."
            )
        with self._lock:
            self.now = min(self.now, size // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if torch.backends.mps.is_available():
            torch.mps.empty_cache()
