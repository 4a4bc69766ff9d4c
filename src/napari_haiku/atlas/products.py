"""Fast products of many queries with many candidates, each with a bound on its error.

A search first finds who could be among the best by a fast product, then scores those exactly; the
bound says how far the fast score can be off, so that nobody who matters is lost. Which product is
fastest depends on the machine: some multiply numbers of 16 bits many times faster.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_haiku.atlas.widening import widen

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

# Below this many multiplications NumPy is done before torch is loaded.
_WORTH_TORCH = 2e9
_WORTH_TIMING = 1e11
_UNIT = 2.0**-24
_UNIT_BFLOAT16 = 2.0**-9
# Lengths are themselves rounded, by much less than this.
_ROUNDED_UP = 1.0001
_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class Operand:
    """Vectors made ready for a fast product.

    Parameters
    ----------
    vectors : object
        In the form that the product takes.
    length : ndarray of float64
        Euclidean length of each vector; empty where not measured.
    residual : ndarray of float64
        Length of what the form lost of each vector; empty where it lost nothing.
    """

    vectors: Any
    length: NDArray[np.float64]
    residual: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.vectors)


class Product(Protocol):
    """One way to multiply."""

    name: str

    def operand(self, vectors: NDArray[Any], *, measured: bool = True) -> Operand:
        """Make vectors ready, shape (n, d); lengths are left out where not `measured`."""

    def scores(self, queries: Operand, block: Operand) -> NDArray[np.float32]:
        """All fast scores, shape (q, n)."""

    def above(
        self, queries: Operand, block: Operand, floor: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Pairs (query, place, fast score) that reach each query's floor, queries ascending."""

    def error(self, queries: Operand, longest: float, residual: float) -> NDArray[np.float64]:
        """Bound on how far fast and exact scores can lie apart, per query."""


class NumpyProduct:
    """Products in float32 by NumPy."""

    name = "numpy float32"

    def operand(self, vectors: NDArray[Any], *, measured: bool = True) -> Operand:
        """Make vectors ready."""
        wide = widen(vectors)
        return Operand(wide, _length(wide) if measured else _NOTHING, _NOTHING)

    def scores(self, queries: Operand, block: Operand) -> NDArray[np.float32]:
        """All fast scores."""
        result: NDArray[np.float32] = queries.vectors @ block.vectors.T
        return result

    def above(
        self, queries: Operand, block: Operand, floor: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Pairs that reach each query's floor."""
        fast = self.scores(queries, block)
        query, place = np.divmod(np.flatnonzero(fast >= floor[:, None]), fast.shape[1])
        return query, place, fast[query, place]

    def error(self, queries: Operand, longest: float, residual: float) -> NDArray[np.float64]:
        """Bound of the rounding of float32 sums."""
        dim = queries.vectors.shape[1]
        bound: NDArray[np.float64] = (dim + 4) * _UNIT * queries.length * longest
        return bound


class TorchProduct:
    """Products by torch, in float32 or from numbers of 16 bits, on a processor or a GPU.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}
        Form of the factors; sums are in float32 either way.
    device : str
        Where.
    """

    def __init__(self, precision: str = "float32", device: str = "cpu") -> None:
        import torch

        self.name = f"torch {precision} {device}"
        self._dtype = getattr(torch, precision)
        self._device = device
        self._short = precision == "bfloat16"

    def operand(self, vectors: NDArray[Any], *, measured: bool = True) -> Operand:
        """Make vectors ready."""
        import torch

        wide = widen(vectors)
        if not wide.flags.writeable:
            wide = wide.copy()
        full = torch.from_numpy(wide).to(self._device)
        factor = full.to(self._dtype)
        if not measured:
            return Operand(factor, _NOTHING, _NOTHING)
        length, lost = _torch_length(full), _NOTHING
        if self._short:
            lost = _torch_length(full - factor.float())
        return Operand(factor, length, lost)

    def scores(self, queries: Operand, block: Operand) -> NDArray[np.float32]:
        """All fast scores."""
        result: NDArray[np.float32] = (queries.vectors @ block.vectors.T).float().cpu().numpy()
        return result

    def above(
        self, queries: Operand, block: Operand, floor: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Pairs that reach each query's floor."""
        import torch

        fast = queries.vectors @ block.vectors.T
        # Rounded down, so that a floor in 16 bits lets no one less through.
        level = torch.from_numpy(_down(floor) if self._short else floor)
        query, place = torch.nonzero(
            fast >= level.to(self._device, self._dtype)[:, None], as_tuple=True
        )
        score = fast[query, place].float()
        return query.cpu().numpy(), place.cpu().numpy(), score.cpu().numpy()

    def error(self, queries: Operand, longest: float, residual: float) -> NDArray[np.float64]:
        """Bound of what the factors lost, of rounded sums and of the rounded result."""
        dim = queries.vectors.shape[1]
        bound = (dim + 4) * _UNIT * queries.length * longest
        if self._short:
            lost = queries.residual * longest + (queries.length + queries.residual) * residual
            bound = 1.02 * bound + lost + _UNIT_BFLOAT16 * (queries.length * longest + lost)
        result: NDArray[np.float64] = bound
        return result


def choose_product(pairs: float, dim: int) -> Product:
    """Choose the fastest way to multiply on this machine for a piece of work.

    Parameters
    ----------
    pairs : float
        Pairs of a query and a candidate.
    dim : int
        Length of a vector.
    """
    work = pairs * dim
    if work < _WORTH_TORCH:
        return NumpyProduct()
    if work < _WORTH_TIMING and "torch" not in sys.modules:
        return NumpyProduct()
    return _fastest() if work >= _WORTH_TIMING else NumpyProduct()


def accurate_product(product: Product) -> Product:
    """Return a product whose error is that of float32, in place of one in 16 bits."""
    return NumpyProduct() if "bfloat16" in product.name else product


@cache
def _fastest() -> Product:
    import torch

    if torch.cuda.is_available() and torch.get_float32_matmul_precision() == "highest":
        return TorchProduct("float32", "cuda")
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(512, 512)).astype(np.float32)
    block = rng.normal(size=(4096, 512)).astype(np.float32)
    true = queries.astype(np.float64) @ block.T
    kept = [
        product
        for product in (NumpyProduct(), TorchProduct("bfloat16"))
        if _keeps_its_word(product, queries, block, true)
    ]
    return min(kept, key=lambda product: _seconds(product, queries, block))


def _keeps_its_word(
    product: Product,
    queries: NDArray[np.float32],
    block: NDArray[np.float32],
    true: NDArray[np.float64],
) -> bool:
    """Whether sums are as exact as promised: some processors add up in 16 bits."""
    left, right = product.operand(queries), product.operand(block)
    bound = product.error(left, float(right.length.max()), float(right.residual.max(initial=0)))
    off = np.abs(product.scores(left, right) - true).max(axis=1)
    return bool((off <= bound).all())


def _seconds(product: Product, queries: NDArray[np.float32], block: NDArray[np.float32]) -> float:
    left, right = product.operand(queries), product.operand(block)
    floor = np.full(len(queries), np.inf, np.float32)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        product.above(left, right, floor)
        times.append(time.perf_counter() - begin)
    return min(times)


def _down(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest numbers of 16 bits (bfloat16) that are not above the given ones."""
    bits = values.astype(np.float32).view(np.uint32)
    cut = (bits & np.uint32(0xFFFF0000)).view(np.float32).copy()
    # Cutting bits moves towards zero: upwards below it.
    lower = np.flatnonzero((cut > values) & np.isfinite(values))
    step = (cut[lower].view(np.uint32) + np.uint32(0x10000)).view(np.float32)
    cut[lower] = step
    return cut


def _torch_length(vectors: torch.Tensor) -> NDArray[np.float64]:
    import torch

    length: NDArray[np.float64] = torch.linalg.vector_norm(vectors, dim=1).double().cpu().numpy()
    return length * _ROUNDED_UP


def _length(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    length: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors)).astype(
        np.float64
    )
    return length * _ROUNDED_UP
