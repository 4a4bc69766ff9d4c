"""Write a NumPy file row by row.

A memory map would do the same, but a full disk then kills the process instead of raising an error.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

_BYTES_AT_ONCE = 1 << 26


class ArrayFile:
    """A ``.npy`` file that grows to a shape known before.

    Parameters
    ----------
    file : Path
        Where to write.
    dtype : dtype
        Type of the numbers.
    shape : tuple of int
        Rows and columns of the whole.
    """

    def __init__(self, file: Path, dtype: Any, shape: tuple[int, int]) -> None:
        self._dtype = np.dtype(dtype)
        self._shape = shape
        self._stream = open(file, "wb")  # noqa: SIM115 - closed by __exit__
        np.lib.format.write_array_header_1_0(
            self._stream,
            {
                "descr": np.lib.format.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": shape,
            },
        )
        self._written = 0

    def write(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        step = max(1, _BYTES_AT_ONCE // max(1, self._shape[1] * self._dtype.itemsize))
        for start in range(0, len(rows), step):
            part = np.ascontiguousarray(rows[start : start + step], self._dtype)
            self._stream.write(part.data.cast("B") if part.size else b"")
        self._written += len(rows)

    def fill(self, n: int, value: float) -> None:
        """Append n rows of one value."""
        step = max(1, _BYTES_AT_ONCE // max(1, self._shape[1] * self._dtype.itemsize))
        for start in range(0, n, step):
            height = min(step, n - start)
            self.write(np.full((height, self._shape[1]), value, self._dtype))

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                if self._written != self._shape[0]:
                    raise ValueError(f"{self._written} rows of {self._shape[0]} were written")
                self._stream.flush()
                os.fsync(self._stream.fileno())
        finally:
            self._stream.close()
