"""Captions as they are shown to the model in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.clinical import Record, caption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# Tissue and disease open the sentence and are always there.
ALWAYS = ("tissue_type", "tissue", "disease", "diagnosis")
HIGH = ("high {}", "{} high")
LOW = ("low {}", "{} low")
PHRASES = (*HIGH, *LOW)


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


def flipped_record(
    record: Record, values: Mapping[str, Sequence[str]], seed: tuple[int, ...]
) -> Record:
    """Make one field of a record wrong: another value that the cohort knows.

    Parameters
    ----------
    record : dict
    values : mapping
        Field -> values of the cohort.
    seed : tuple of int
        The same seed gives the same flip.
    """
    rng = np.random.default_rng([*seed, 1])
    other = {
        field: [value for value in values.get(field, ()) if value != record[field]]
        for field in record
    }
    open_to_change = [field for field, choices in other.items() if choices]
    if not open_to_change:
        return dict(record)
    field = open_to_change[int(rng.integers(len(open_to_change)))]
    return {**record, field: other[field][int(rng.integers(len(other[field])))]}


def marker_phrase(
    targets: NDArray[np.float32], markers: Sequence[str], rng: np.random.Generator
) -> str:
    """Say in words which markers of a patch stand out, up to three of them.

    Parameters
    ----------
    targets : ndarray, shape (2 M,)
        Standardised plain and logarithmic mean of each marker, NaN where not
        measured.
    markers : sequence of str, length M
    rng : Generator

    Returns
    -------
    str
        Such as "high CD8, low PanCK", or "" where nothing stands out.
    """
    z = targets[1::2]
    telling = np.flatnonzero(np.abs(np.nan_to_num(z)) >= 1)
    chosen = rng.permutation(telling)[: 1 + int(rng.integers(3))]
    words = []
    for i in chosen:
        words.append((HIGH if z[i] > 0 else LOW)[int(rng.integers(2))].format(markers[i]))
    return ", ".join(words)
