"""Sentences of the Similar tissue dock, and reading typed words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError
from napari_haiku.notices import SAME_PATIENT
from napari_haiku.widgets.frame.preferences import preferences

if TYPE_CHECKING:
    import numpy as np

    from napari_haiku.model.base import TissueModel
    from napari_haiku.viewer.search.finding import Found

_OTHER_MODEL = (
    "The slide was encoded with another model: choose it in the Encode dock to search by words."
)


def same_patient(found: Found) -> str:
    """Say which hits are the slide's own patient's; "" where none is."""
    ranks = found.same_patient
    if not ranks:
        return ""
    if len(ranks) == len(found.cards):
        which = "All hits are"
    elif len(ranks) == 1:
        which = f"Hit {ranks[0]} is"
    else:
        named = ", ".join(str(rank) for rank in ranks[:8]) + (", ..." if len(ranks) > 8 else "")
        which = f"Hits {named} are"
    return f"{which} from the same patient. {SAME_PATIENT}"


def asked_in_words(found: Found, words: str) -> str:
    """Say what was asked, for a kept set or a table."""
    question = found.question
    if question.region:
        n = len(question.region)
        what = f"{n} outlined {'patch' if n == 1 else 'patches'}"
    elif question.patch is not None:
        x, y = question.encoding.centres_um[question.patch]
        what = f"the patch at {x:.0f}, {y:.0f} um"
    else:
        what = f'the words "{words}"'
    only = "".join(f", {name} {value}" for name, value in question.filters.items())
    kind = {"he": "H&E patches", "mif": "mIF patches", "text": "records"}[question.target]
    return f"{kind} like {what}{only}"


def glass(distance_um: float) -> str:
    """Say how far the nearest tissue is."""
    away = f"{distance_um / 1000:.1f} mm" if distance_um >= 1000 else f"{distance_um:.0f} µm"
    return f"That is glass; nearest tissue is {away} away."


def model_for_words(model: TissueModel | None, fingerprint: str) -> TissueModel:
    """Give the model that a slide was encoded with; call it in a worker.

    Raises
    ------
    HaikuError
        It is not at hand.
    """
    from napari_haiku.model.loading import load_model

    if model is None or model.fingerprint != fingerprint:
        model = load_model(device=preferences().device)
    if model.fingerprint != fingerprint:
        raise HaikuError(_OTHER_MODEL)
    return model


def read_words(
    text: str, model: TissueModel | None, fingerprint: str
) -> tuple[TissueModel, np.ndarray[Any, Any], tuple[str, ...]]:
    """Encode typed words; call it in a worker.

    Raises
    ------
    HaikuError
        The model is not at hand or knows none of the words.
    """
    model = model_for_words(model, fingerprint)
    vector, unknown = model.encode_words(text)
    return model, vector, unknown
