"""Which clinical fields are classified, and the class of every patch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.clinical import is_identifying
from napari_haiku.errors import HaikuError
from napari_haiku.simulation.neutral import PLACEBO, TWINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.request import EvaluateRequest

MIN_PATIENTS = 3
MAX_CLASSES = 12
MAX_FIELDS = 6
_PLACES = re.compile(r"(^|_)(site|scanner|centre|center|hospital|institution|batch)(_|$)")
_NUMBERS = re.compile(r"(^|_)(age|months|days|years|time|size|count|percent)(_|$)")


@dataclass(frozen=True)
class LabelField:
    """A clinical field as classes.

    Parameters
    ----------
    name : str
        The field.
    classes : tuple of str
        Its classes in order of their names.
    code : ndarray of int64, shape (n,)
        Class of each evaluated row; -1 where it is not recorded or too rare.
    """

    name: str
    classes: tuple[str, ...]
    code: NDArray[np.int64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows that have a class."""
        found: NDArray[np.bool_] = self.code >= 0
        return found

    @property
    def most_frequent(self) -> float:
        """Accuracy of always saying the most frequent class."""
        counts = np.bincount(self.code[self.known], minlength=len(self.classes))
        return float(counts.max() / max(1, counts.sum()))


def label_fields(cohort: EvaluationCohort, request: EvaluateRequest) -> tuple[LabelField, ...]:
    """Fields to classify: those asked for, else those of the records that form classes.

    A field forms classes where it has 2 to 12 values that at least three
    patients have each. Numbers, places and fields known to carry nothing are
    left out, and fields that repeat an earlier one in other words.

    Raises
    ------
    HaikuError
        A field asked for is unknown, identifies a person or has one class; or
        no field forms classes.
    """
    if request.labels:
        return tuple(_asked(cohort, name) for name in request.labels)
    found: list[LabelField] = []
    empty = fields_without_effect(cohort)
    for name in cohort.atlas.fields:
        if name in empty or is_identifying(name) or is_place(name) or _NUMBERS.search(name):
            continue
        if name == request.time:
            continue
        field = as_classes(cohort, name)
        if not 2 <= len(field.classes) <= MAX_CLASSES:
            continue
        if any(_same(field, other) for other in found):
            continue
        found.append(field)
    if not found:
        raise HaikuError(
            f"No clinical field of {cohort.atlas.name} has two classes with at least "
            f"{MIN_PATIENTS} patients each: name one with --label, or give more patients."
        )
    return tuple(found[:MAX_FIELDS])


def place_fields(cohort: EvaluationCohort) -> tuple[LabelField, ...]:
    """Fields that say where a slide was made: site, scanner and their like."""
    names = [name for name in cohort.atlas.fields if is_place(name)]
    fields = (as_classes(cohort, name) for name in names)
    return tuple(field for field in fields if len(field.classes) > 1)


def is_place(name: str) -> bool:
    """Tell whether a field says where a slide was made."""
    return bool(_PLACES.search(re.sub(r"\W+", "_", name.casefold())))


def fields_without_effect(cohort: EvaluationCohort) -> frozenset[str]:
    """Fields of this cohort that carry nothing, as far as its model or simulator says."""
    names = {*PLACEBO, *TWINS}
    # Fields of a real cohort may be called like one of the simulator's; not like many.
    known = names if len(names & set(cohort.atlas.fields)) > 2 else set()
    card = {} if cohort.model is None else cohort.model.card
    for key in ("placebo_fields", "twin_fields"):
        known |= set(card.get(key) or ())
    return frozenset(known)


def as_classes(cohort: EvaluationCohort, name: str) -> LabelField:
    """Read a field as classes; values of fewer than three patients have no class."""
    records = cohort.records
    values = records[name].to_numpy(str)
    patients = records["patient_id"].to_numpy(str)
    classes = []
    for value in sorted(set(values) - {""}):
        if len(set(patients[values == value])) >= MIN_PATIENTS:
            classes.append(value)
    code_of = {value: code for code, value in enumerate(classes)}
    of_slide = np.array([code_of.get(value, -1) for value in values], np.int64)
    return LabelField(name, tuple(classes), of_slide[cohort.atlas.slide_index[cohort.chosen]])


def _asked(cohort: EvaluationCohort, name: str) -> LabelField:
    if name not in cohort.atlas.fields:
        raise HaikuError(
            f"The cohort has no field '{name}': its fields are "
            f"{', '.join(cohort.atlas.fields) or 'none'}."
        )
    if is_identifying(name):
        raise HaikuError(f"The field '{name}' identifies a person and is no label: choose another.")
    field = as_classes(cohort, name)
    if len(field.classes) < 2:
        raise HaikuError(
            f"Column {name} has {len(field.classes)} class with at least {MIN_PATIENTS} patients: "
            "two are needed to tell apart."
        )
    return field


def _same(field: LabelField, other: LabelField) -> bool:
    """Whether two fields sort the rows into the same classes."""
    if len(field.classes) != len(other.classes) or (field.known != other.known).any():
        return False
    pairs = {*zip(field.code[field.known].tolist(), other.code[other.known].tolist(), strict=True)}
    return len(pairs) == len(field.classes)
