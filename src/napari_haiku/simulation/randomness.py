"""Random numbers keyed by what they are for.

Each use of chance (a patient's age, the place of the glands, the noise of one
channel) has its own counter-based stream, so that changing one thing leaves
every other draw as it was.
"""

from __future__ import annotations

import zlib

import numpy as np


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
