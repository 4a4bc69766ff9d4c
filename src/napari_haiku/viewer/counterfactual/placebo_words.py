"""What an edit is compared with, in words: irrelevant text, or other wordings of the record."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult

IRRELEVANT_TEXT = "irrelevant text"
ANOTHER_WORDING = "another wording"


def placebo_name(*, weak: bool) -> str:
    """Name the placebo: a weak one only says the same in other words."""
    return ANOTHER_WORDING if weak else IRRELEVANT_TEXT


def whole_edit_caution(result: CounterfactualResult) -> str:
    """Say first, where it is so, that the edit does no more than its placebo; else nothing."""
    if not result.no_more_than_placebo:
        return ""
    what = "another wording of the same record" if result.weak_placebo else IRRELEVANT_TEXT
    return f"This edit moved the result no more than {what} does."


def whole_edit_sentence(result: CounterfactualResult) -> str:
    """Give the whole edit's rank among its placebos in a sentence; nothing without any."""
    if not math.isfinite(result.whole_edit_p):
        return ""
    name = placebo_name(weak=result.weak_placebo)
    return f"The edit as a whole against {name}: p = {result.whole_edit_p:.2g}."
