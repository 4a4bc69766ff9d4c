"""Which fields of an atlas a pathologist is offered for the record of a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.analysis.counterfactual.idle_fields import fields_without_meaning
from napari_haiku.model.shipped_card import shipped_card

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_haiku.model.base import TissueModel


def offered_fields(
    fields: Collection[str], model: TissueModel | None, record: Collection[str] = ()
) -> tuple[str, ...]:
    """Leave out fields that were made to mean nothing, so that edits can be compared with them.

    Virtual cohorts carry them (the colour of a cassette, the lining of a tray);
    nobody should be asked to type them. What the slide's own record has is
    offered all the same.

    Parameters
    ----------
    fields : collection of str
        Fields of the atlas.
    model : TissueModel or None
        Its card names the fields without meaning; None: not loaded yet, so the
        shipped model's.
    record : collection of str
        Fields of the slide's record.
    """
    card = shipped_card() if model is None else model.card
    idle = fields_without_meaning(card)
    return tuple(field for field in fields if field not in idle or field in record)
