"""What a manifest must hold for a task, told before any work starts; names line and column."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.clinical import clean_value, is_empty, public_record
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.atlas.manifest import Cohort

_SIMULATION = "simulation.json"
# What a table writes for "it happened" and for "it did not".
_EVENTS = frozenset(("1", "true", "yes", "dead", "deceased", "died", "death", "event"))
_NO_EVENTS = frozenset(
    ("0", "false", "no", "alive", "living", "survival", "survived", "censored", "no event")
)
# The same in a column that marks censoring.
_CENSORED = frozenset(("1", "true", "yes", "censored", "alive", "living"))
_NOT_CENSORED = frozenset(
    ("0", "false", "no", "uncensored", "not censored", "event", "dead", "deceased")
)


def check_other_patients(cohort: Cohort, other: Cohort, *, split: str = "--fit") -> None:
    """Make sure that no patient is in two manifests.

    Two virtual cohorts of different seeds number their patients alike; those
    are different patients.

    Parameters
    ----------
    cohort, other : Cohort
        The two manifests.
    split : str
        How the second was given.

    Raises
    ------
    HaikuError
        A patient is in both; names the lines and the column.
    """
    seeds = _seed(cohort.path.parent), _seed(other.path.parent)
    if None not in seeds and seeds[0] != seeds[1]:
        return
    first = {slide.patient_id: slide.row for slide in reversed(cohort.slides)}
    for slide in other.slides:
        if slide.patient_id in first:
            raise HaikuError(
                f"Line {slide.row} of {other.path.name} ({split}), column patient_id, repeats the "
                f"patient of line {first[slide.patient_id]} of {cohort.path.name}: keep every "
                "patient in one of the two cohorts."
            )


def check_splits(cohort: Cohort, column: str = "split") -> None:
    """Make sure that a manifest that names splits keeps every patient in one.

    Raises
    ------
    HaikuError
        A patient is in two; names the lines and the column.
    """
    first: dict[str, tuple[str, int]] = {}
    for slide in cohort.slides:
        split = slide.record.get(column)
        if split is None:
            continue
        before, row = first.setdefault(slide.patient_id, (split, slide.row))
        if before != split:
            raise HaikuError(
                f"Line {slide.row} of {cohort.path.name}, column {column}: the patient of line "
                f"{row} is in '{before}' there and in '{split}' here; keep every patient in one "
                "split."
            )


def check_several_patients(cohort: Cohort) -> None:
    """Make sure that there is more than one patient.

    Raises
    ------
    HaikuError
        There is one, so that nothing can be compared across patients.
    """
    if len(cohort.patients) < 2:
        raise HaikuError(
            f"{cohort.path.name} holds one patient (column patient_id, lines "
            f"{cohort.slides[0].row} to {cohort.slides[-1].row}): give at least two, so that a "
            "patient can be compared with others."
        )


def check_text(cohort: Cohort) -> None:
    """Make sure that some slide has a clinical record to read.

    Raises
    ------
    HaikuError
        None has.
    """
    if not any(public_record(slide.record) for slide in cohort.slides):
        raise HaikuError(
            f"No line of {cohort.path.name} has a clinical field with a value: add columns such as "
            "disease or stage beside slide_id, patient_id, he and mif."
        )


def check_classes(cohort: Cohort, column: str) -> None:
    """Make sure that a column tells at least two classes apart.

    Raises
    ------
    HaikuError
        There is no such column, it is empty, or it says the same everywhere.
    """
    _need_column(cohort, column)
    said = {s.record[column]: s.row for s in reversed(cohort.slides) if column in s.record}
    if not said:
        raise HaikuError(f"Column {column} of {cohort.path.name} is empty on every line: fill it.")
    if len(said) < 2:
        value, row = next(iter(said.items()))
        raise HaikuError(
            f"Column {column} of {cohort.path.name} says '{value}' on every line that is filled "
            f"(from line {row} on): at least two classes are needed to tell apart."
        )


def check_survival(
    cohort: Cohort, time: str, event: str | None = None, censor: str | None = None
) -> None:
    """Make sure that survival columns can be read: months as numbers, events as yes or no.

    Parameters
    ----------
    cohort : Cohort
        The manifest.
    time : str
        Column of times.
    event, censor : str, optional
        Column that says what happened, or that marks censoring.

    Raises
    ------
    HaikuError
        A column is missing or a cell cannot be read; names line and column.
    """
    status = censor if censor is not None else event
    for column in (time, *([status] if status is not None else [])):
        _need_column(cohort, column)
    happened = 0
    for slide in cohort.slides:
        text = slide.record.get(time)
        if text is not None and not _is_time(text):
            raise HaikuError(
                f"Line {slide.row} of {cohort.path.name}, column {time}: '{text}' is no number of "
                "months from 0 on; correct it or leave it empty."
            )
        if status is None or status not in slide.record:
            continue
        said = event_of(slide.record[status], censoring=censor is not None)
        if said is None:
            raise HaikuError(
                f"Line {slide.row} of {cohort.path.name}, column {status}: "
                f"'{slide.record[status]}' tells neither an event nor its absence; write 1 or 0, "
                "or words such as Deceased and Alive."
            )
        happened += said
    if status is not None and not happened:
        raise HaikuError(
            f"Column {status} of {cohort.path.name} tells no event on any line: survival needs "
            "patients to whom it happened."
        )


def check_markers_overlap(panels: dict[int, tuple[str, ...]], name: str) -> None:
    """Make sure that at least two mIF slides share a marker.

    Parameters
    ----------
    panels : dict of int to tuple of str
        Markers by line of the manifest.
    name : str
        The manifest's name.

    Raises
    ------
    HaikuError
        No two slides share one; names the lines and the column.
    """
    lines = sorted(panels)
    if len(lines) < 2:
        return
    seen: set[str] = set()
    for line in lines:
        if seen & set(panels[line]):
            return
        seen |= set(panels[line])
    raise HaikuError(
        f"Lines {lines[0]} and {lines[1]} of {name}, column mif, share no marker, nor do any two "
        "other slides: name the channels alike (column markers), or use slides of one panel."
    )


def event_of(text: str, *, censoring: bool = False) -> bool | None:
    """Read whether a table says that an event happened; None where it cannot be told.

    Parameters
    ----------
    text : str
        A cell; codes such as ``1:DECEASED`` count by their first figure.
    censoring : bool
        Whether the column marks censoring instead.
    """
    word = clean_value(text).casefold()
    if is_empty(word):
        return None
    happened, not_happened = (_NOT_CENSORED, _CENSORED) if censoring else (_EVENTS, _NO_EVENTS)
    for part in (word, word.partition(":")[0]):
        if part in happened:
            return True
        if part in not_happened:
            return False
    return None


def _need_column(cohort: Cohort, column: str) -> None:
    if column not in cohort.fields:
        raise HaikuError(
            f"{cohort.path.name} has no column {column}: its clinical columns are "
            f"{', '.join(cohort.fields) or 'none'}."
        )


def _is_time(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return bool(np.isfinite(value) and value >= 0)


def _seed(folder: Path) -> int | None:
    """Seed of the virtual cohort in a folder; None for any other cohort."""
    try:
        return int(json.loads((folder / _SIMULATION).read_text(encoding="utf-8"))["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
