"""An edit of the clinical record, checked against what the atlas can speak to."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_haiku.analysis.counterfactual.record_fields import same_value
from napari_haiku.clinical import Record, caption, edit_record, public_record
from napari_haiku.errors import HaikuError
from napari_haiku.model.shipped_card import worth_telling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.analysis.counterfactual.record_fields import PatientRecords


@dataclass(frozen=True)
class RecordEdit:
    """A record before and after.

    Parameters
    ----------
    baseline, edited : dict of str to str
        The record as it reads and as edited, without identifying fields.
    before, after : dict of str to str
        Values of the fields that change.
    """

    baseline: Record
    edited: Record
    before: Record
    after: Record

    @property
    def baseline_caption(self) -> str:
        """What the text tower reads of the record as it is."""
        return caption(self.baseline)

    @property
    def edited_caption(self) -> str:
        """What the text tower reads of the edited record."""
        return caption(self.edited)

    def caption_parts(self) -> list[tuple[str, str]]:
        """Compare the two captions word by word.

        Returns
        -------
        list of (str, str)
            "same", "removed" or "added", and the text.
        """
        before, after = (
            re.findall(r"\w+|\W", words) for words in (self.baseline_caption, self.edited_caption)
        )
        parts: list[tuple[str, str]] = []
        matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
        for what, a0, a1, b0, b1 in matcher.get_opcodes():
            if what == "equal":
                parts.append(("same", "".join(before[a0:a1])))
                continue
            parts.append(("removed", "".join(before[a0:a1])))
            parts.append(("added", "".join(after[b0:b1])))
        return [(kind, text) for kind, text in parts if text]

    @property
    def words(self) -> str:
        """Say the edit in a few words: ``stage II to IV``."""
        return ", ".join(
            f"{field.replace('_', ' ')} {self.before[field]} to {after}"
            for field, after in self.after.items()
        )


def plan_edit(
    records: PatientRecords, record: Mapping[str, str], edits: Mapping[str, str]
) -> RecordEdit:
    """Check an edit and spell it as the atlas does.

    Parameters
    ----------
    records : PatientRecords
        Patients of the atlas that may serve as evidence.
    record : mapping
        The record as it reads.
    edits : mapping
        Field to new value. Fields that read so already are dropped.

    Raises
    ------
    HaikuError
        No record, no edit, a field that the record or the atlas does not have,
        a value that no patient carries, or an edit that changes nothing.
    """
    baseline = public_record(record)
    if not baseline:
        raise HaikuError(
            "The slide has no clinical record to edit: give one (--metadata, or the record form)."
        )
    if not edits:
        raise HaikuError("Nothing was edited: change at least one field of the clinical record.")
    asked = edit_record(baseline, edits)
    _refuse_fields_unknown_to_the_atlas(records, baseline, asked)
    changed = {
        field: value for field, value in asked.items() if not same_value(baseline[field], value)
    }
    if not changed:
        said = ", ".join(f"{field} {value}" for field, value in edits.items())
        raise HaikuError(
            f"The edit changes nothing: the record already reads {said}; choose another value."
        )
    for field, value in changed.items():
        # An emptied field drops out of the caption; no patient carries "nothing".
        if not value or not _someone_carries(records, field, value, baseline[field]):
            raise HaikuError(
                f"The atlas has no patient with {field.replace('_', ' ')} {value or '(empty)'}, "
                "so it cannot say what would shift."
            )
    after = {field: records.spelled(field, value) for field, value in changed.items()}
    return RecordEdit(
        baseline=baseline,
        edited={**baseline, **after},
        before={field: baseline[field] for field in after},
        after=after,
    )


def _someone_carries(records: PatientRecords, field: str, value: str, before: str) -> bool:
    return records.covers(field, value) and bool(records.carry(field, value, against=before).any())


def _refuse_fields_unknown_to_the_atlas(
    records: PatientRecords, baseline: Mapping[str, str], asked: Mapping[str, str]
) -> None:
    edited = [field for field, value in asked.items() if value != baseline[field]]
    for field in edited:
        if field not in records.fields:
            shared = (name for name in baseline if name in records.fields)
            there = ", ".join(worth_telling(shared))
            raise HaikuError(
                f'The atlas has no field "{field}", so it cannot say what would shift: '
                f"the fields it shares with this record are {there or 'none'}."
            )
