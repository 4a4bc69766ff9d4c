"""How much H&E and record count in a question asked on behalf of a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.atlas.query import normalised
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        An impossible weight, a weight on the slide's own mIF, which is never
        asked, or on a record that is not there.
    """
    if asked is None:
        return dict(defaults if has_record else {"he": 1.0})
    weights = {name: share for name, share in normalised(asked).items() if share > 0}
    if "mif" in weights:
        raise HaikuError(
            "A slide's own mIF is never part of this question: give weights to he and text only."
        )
    if "text" in weights and not has_record:
        raise HaikuError(
            "The text has a weight but the slide has no clinical record: add a record or use he=1."
        )
    return weights
