"""Random numbers keyed by what they are for.

Each use of chance (a patient's age, the place of the glands, the noise of one
channel) has its own counter-based stream, so that changing one thing leaves
every other draw as it was.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stream(seed: int, patient: int, use: str, *keys: int) -> np.random.Generator:
    """Open the random stream for one use.

    Parameters
    ----------
    seed : int
        The cohort's seed, 0 or larger.
    patient : int
        Index of the patient in the cohort, 0 or larger.
    use : str
        What the numbers are for; each name is a stream of its own.
    *keys : int
        Further keys, 0 or larger (a channel, a field number).
    """
    sequence = np.random.SeedSequence(
        entropy=seed, spawn_key=(patient, zlib.crc32(use.encode()), *keys)
    )
    return np.random.Generator(np.random.Philox(sequence))


@dataclass(frozen=True)
class Lots:
    """Random numbers that belong to each cell, whatever becomes of its neighbours.

    Parameters
    ----------
    seed, patient : int
        Keys of the random streams.
    identity : ndarray of int64, (n,)
        The cells' own numbers.
    identities : int
        Upper limit of these numbers.
    """

    seed: int
    patient: int
    identity: NDArray[np.int64]
    identities: int

    def uniform(self, use: str, count: int) -> NDArray[np.float64]:
        """Return numbers between 0 and 1, (cells, count)."""
        rng = stream(self.seed, self.patient, use)
        return rng.random((self.identities, count))[self.identity]

    def normal(self, use: str, count: int) -> NDArray[np.float32]:
        """Return standard normal numbers, (cells, count)."""
        rng = stream(self.seed, self.patient, use)
        return rng.standard_normal((self.identities, count), dtype=np.float32)[self.identity]
