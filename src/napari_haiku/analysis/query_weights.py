"""How much H&E and record count in a fused question."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from napari_haiku.errors import HaikuError

MODALITIES = ("he", "text")


def choose_weights(
    asked: Mapping[str, float] | None, defaults: Mapping[str, float], *, has_record: bool
) -> dict[str, float]:
    """Settle the weights of a question made of H&E and the clinical record.

    Parameters
    ----------
    asked : mapping, optional
        Weights by modality as the user gave them; None for the defaults.
    defaults : mapping
        Weights used when none were given and there is a record.
    has_record : bool
        Without a record the default falls to H&E alone.

    Returns
    -------
    dict
        Modalities of positive weight, adding up to 1.

    Raises
    ------
    HaikuError
        An unknown or negative weight, all weights zero, or a weight on a
        record that is not there.
    """
    chosen = dict(defaults if has_record else {"he": 1.0}) if asked is None else dict(asked)
    for name, weight in chosen.items():
        if name not in MODALITIES:
            raise HaikuError(
                f"A weight was given for {name!r}, but the question is made of he and text only: "
                "give weights such as he=0.8,text=0.2."
            )
        if not np.isfinite(weight) or weight < 0:
            raise HaikuError(f"The weight of {name} must be zero or more, not {weight:g}.")
    total = sum(chosen.values())
    if total <= 0:
        raise HaikuError("All weights are zero: give at least one of he and text a weight.")
    if not has_record and chosen.get("text", 0) > 0:
        raise HaikuError(
            "The text has a weight but the slide has no clinical record: "
            "add a record or use he=1."
        )
    return {name: weight / total for name, weight in chosen.items() if weight > 0}
