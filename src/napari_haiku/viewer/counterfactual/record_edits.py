"""The edited record: what changed, undo, redo, and the values one may ask about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_RECORDED = ""


@dataclass(frozen=True)
class Choice:
    """One value of a field.

    Parameters
    ----------
    value : str
        The value, empty for "not recorded".
    patients : int
        How many of the atlas's patients carry it.
    """

    value: str
    patients: int

    @property
    def text(self) -> str:
        """Value with its patients: ``IV (6 patients)``."""
        if self.value == NOT_RECORDED:
            return "not recorded"
        return f"{self.value} ({self.patients} patient{'' if self.patients == 1 else 's'})"

    @property
    def enabled(self) -> bool:
        """Whether the atlas has anyone with the value."""
        return self.patients > 0

    @property
    def hint(self) -> str:
        """Say why a greyed value is greyed."""
        return "" if self.enabled else "no patient in this atlas"


def choices(values: Mapping[str, int], current: str = NOT_RECORDED) -> list[Choice]:
    """List the values of a field in reading order; the slide's own value is always among them.

    Parameters
    ----------
    values : Mapping
        Value -> number of atlas patients.
    current : str
        What the slide's record says; empty for not recorded.
    """
    counts = {value: int(count) for value, count in values.items() if value != NOT_RECORDED}
    counts.setdefault(current, 0)
    return [Choice(value, counts[value]) for value in sorted(counts, key=_reading_order)]


_ROMAN = {"i": 1, "v": 5, "x": 10}


def _reading_order(value: str) -> tuple[int, float, str]:
    """Numbers by size, stages I to IV by stage, words by letter."""
    text = value.strip().casefold()
    number = re.match(r"-?\d+(?:\.\d+)?", text)
    if number:
        return 0, float(number.group()), text
    roman = re.match(r"[ivx]+(?=[abc]?$)", text)
    if roman:
        digits = [_ROMAN[letter] for letter in roman.group()]
        total = sum(
            -digit if digit < following else digit
            for digit, following in zip(digits, [*digits[1:], 0], strict=True)
        )
        return 1, float(total), text
    return 2, 0.0, text


class RecordEdits:
    """A record and the edits made to it, with undo and redo.

    Parameters
    ----------
    baseline : Mapping
        The slide's record.
    """

    def __init__(self, baseline: Mapping[str, str] | None = None) -> None:
        self._baseline = dict(baseline or {})
        self._done: list[dict[str, str]] = []
        self._undone: list[dict[str, str]] = []

    @property
    def baseline(self) -> dict[str, str]:
        """The record as it reads."""
        return dict(self._baseline)

    @property
    def edits(self) -> dict[str, str]:
        """Fields that now read differently -> their new value."""
        return dict(self._done[-1]) if self._done else {}

    @property
    def edited(self) -> dict[str, str]:
        """The record as edited."""
        return {**self._baseline, **self.edits}

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether an edit was taken back."""
        return bool(self._undone)

    def value(self, field: str) -> str:
        """Value of a field as edited, empty when not recorded."""
        return self.edited.get(field, NOT_RECORDED)

    def set(self, field: str, value: str) -> bool:
        """Edit a field; False when it read so already."""
        if self.value(field) == value:
            return False
        edits = {**self.edits, field: value}
        if self._baseline.get(field, NOT_RECORDED) == value:
            del edits[field]
        self._push(edits)
        return True

    def replace(self, edits: Mapping[str, str]) -> bool:
        """Make the record read as an earlier edit did; False when it does already."""
        wanted = {
            field: value
            for field, value in edits.items()
            if self._baseline.get(field, NOT_RECORDED) != value
        }
        if wanted == self.edits:
            return False
        self._push(wanted)
        return True

    def reset(self) -> bool:
        """Go back to the slide's record; this too can be undone."""
        if not self.edits:
            return False
        self._push({})
        return True

    def undo(self) -> bool:
        """Take the last edit back."""
        if not self._done:
            return False
        self._undone.append(self._done.pop())
        return True

    def redo(self) -> bool:
        """Make the edit again that was taken back last."""
        if not self._undone:
            return False
        self._done.append(self._undone.pop())
        return True

    def _push(self, edits: dict[str, str]) -> None:
        self._done.append(edits)
        self._undone.clear()
