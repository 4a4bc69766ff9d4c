"""Captions as they are shown to the model in training."""

from __future__ import annotations

import numpy as np

from napari_haiku.clinical import Record, caption

# Tissue and disease open the sentence and are always there.
ALWAYS = ("tissue_type", "tissue", "disease", "diagnosis")


def training_caption(record: Record, dropped: float, seed: tuple[int, ...]) -> str:
    """Write a record with some fields left out, under a template drawn at random.

    Parameters
    ----------
    record : dict
    dropped : float
        Chance that each field other than tissue and disease is left out.
    seed : tuple of int
        The same seed gives the same caption.
    """
    rng = np.random.default_rng(list(seed))
    kept = {
        field: value
        for field, value in record.items()
        if field in ALWAYS or rng.random() >= dropped
    }
    return caption(kept, seed=int(rng.integers(2**31)))
