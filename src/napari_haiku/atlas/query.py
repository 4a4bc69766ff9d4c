"""Mix the parts of a question into one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# The parts of a mix are rounded to multiples of this, so that their sum needs no rounding: editing
# one of them then moves every question by the very same vector (see reranking).
_GRAIN = 2.0**-24
_WORDS = {"he": "H&E", "mif": "mIF", "text": "text"}


def default_weights(parts: Mapping[str, object]) -> dict[str, float]:
    """How much each part of a question counts when nobody says.

    H&E 0.8 and text 0.2, as published; a part that is alone counts fully, and
    without H&E the mIF takes its place.

    Parameters
    ----------
    parts : mapping
        The parts at hand, by modality; None counts as absent.
    """
    here = {name for name, value in parts.items() if value is not None}
    image = next((name for name in ("he", "mif") if name in here), None)
    if image is None:
        return {"text": 1.0}
    return {image: 0.8, "text": 0.2} if "text" in here else {image: 1.0}


def parse_weights(text: str) -> dict[str, float]:
    """Read weights such as ``"he=0.8,text=0.2"``.

    Raises
    ------
    HaikuError
        An unknown modality, or a share that is no positive number.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            weights[name.strip()] = float(share)
        except ValueError as error:
            raise HaikuError(
                f"The weight '{part.strip()}' cannot be read: write weights like he=0.8,text=0.2."
            ) from error
    return normalised(weights)


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Scale weights so that they add up to 1.

    Raises
    ------
    HaikuError
        An unknown modality, a negative share, or nothing but zeros.
    """
    for name, share in weights.items():
        if name not in _WORDS:
            raise HaikuError(f"There is no part '{name}' to weigh: choose he, mif or text.")
        if not (np.isfinite(share) and share >= 0):
            raise HaikuError(f"The weight of {_WORDS[name]} must be 0 or more, not {share}.")
    total = sum(weights.values())
    if total <= 0:
        raise HaikuError("Every weight is 0: give at least one part a weight above 0.")
    return {name: share / total for name, share in weights.items()}


def compose_query(
    parts: Mapping[str, NDArray[np.float32] | None],
    weights: Mapping[str, float] | None = None,
) -> NDArray[np.float32]:
    """Weighted sum of the parts of a question.

    The dot product with a candidate is then the weighted mean of the parts'
    similarities (haiku.md 4.7), so one search answers the whole mix. The sum is
    not brought to unit length again.

    Parameters
    ----------
    parts : mapping
        Unit vectors by modality: (q, d), or (d,) for one that serves every
        query. None counts as absent.
    weights : mapping, optional
        Share of each part; scaled to add up to 1. By default
        :func:`default_weights`.

    Returns
    -------
    ndarray of float32, shape (q, d)
        One vector a query.

    Raises
    ------
    HaikuError
        A weighed part is absent, or parts differ in length.
    """
    shares = normalised(default_weights(parts) if weights is None else weights)
    total = np.zeros((1, 1))
    mixed = sum(share > 0 for share in shares.values()) > 1
    for name in ("he", "mif", "text"):
        share = shares.get(name, 0.0)
        if share == 0:
            continue
        part = parts.get(name)
        if part is None:
            raise HaikuError(
                f"The question has no {_WORDS[name]} part, but a weight was given for it: leave "
                f"'{name}' out of the weights."
            )
        term = share * np.atleast_2d(np.asarray(part, np.float64))
        if mixed:
            term = np.rint(term / _GRAIN) * _GRAIN
        if 1 not in (len(term), len(total)) and len(term) != len(total):
            raise HaikuError(
                f"The parts of the question differ in length ({len(total)} and {len(term)}): give "
                "one vector of each for every patch."
            )
        total = total + term
    return total.astype(np.float32)
