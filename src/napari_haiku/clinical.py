"""The clinical record: what it says, what its caption reads, what may never leave the machine."""

from __future__ import annotations

import csv
import io
import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Record = dict[str, str]

CAPTION_TEMPLATES: tuple[str, ...] = (
    "A representative section of {tissue} tissue highlighting the landscape of {disease}.",
    "This region captures a sample of {tissue} tissue from a case of {disease}.",
    "Visualized here is a section of {tissue} tissue affected by {disease}.",
    "This field of view displays {tissue} tissue in the setting of {disease}.",
    "High-plex imaging of {tissue} tissue in the context of {disease}.",
)
GENERIC_OPENERS: tuple[str, ...] = (
    "A representative section of tissue.",
    "This region captures a sample of tissue.",
    "Visualized here is a section of tissue.",
    "This field of view displays tissue.",
    "High-plex imaging of tissue.",
)
EMPTY_VALUES = frozenset({"", "-", "*", "nan", "none", "n/a", "na", "null", "unknown", "u/a"})

_TISSUE_FIELDS = ("tissuetype", "tissue")
_DISEASE_FIELDS = ("disease", "diagnosis")
_PATIENT_FIELDS = (
    "patientid",
    "patient",
    "caseid",
    "case",
    "subjectid",
    "subject",
    "participantid",
    "participant",
    "donorid",
    "donor",
)
_HOLDERS = re.compile(
    "accession|block|case|core|donor|image|participant|patient|person|record|sample|slide|specimen|"
    "spot|study|subject|tissue|tma|visit"
)
_PEOPLE = re.compile(
    "case|doctor|donor|family|first|full|given|last|maiden|middle|operator|participant|pathologist|"
    "patient|person|physician|subject|surgeon|user"
)
_ALWAYS_IDENTIFYING = re.compile(
    "accession|address|barcode|birth|birthdate|birthday|date|dob|email|filename|forename|id|"
    "identifiers?|ids|initials|mrn|nhs|operator|phone|positions?|postcode|spots?|ssn|surname|telephone|"
    "uid|uuid|zip|zipcode"
)
_ALONE_IDENTIFYING = re.compile(
    "array|case|col|column|core|donor|name|participant|patient|path|row|sample|slide|specimen|subject|"
    "tma|well"
)
_ARRAY = re.compile("array|core|slide|spot|tma")
_PLACE = re.compile("col|column|coordinates?|name|no|nr|number|pos|row|x|y")
_NUMBER = re.compile("no|nr|number")


def is_identifying(field: str) -> bool:
    """Tell whether a field can point at one person, or at one spot of a tissue array.

    Such fields enter no caption, log, message, report or export. The rule errs
    on the side of withholding.

    Parameters
    ----------
    field : str
        The field's name as the table spells it.
    """
    words = _words(field)
    compact = "".join(words)

    def has(pattern: re.Pattern[str]) -> bool:
        return any(pattern.fullmatch(word) for word in words)

    if not words:
        return False
    if has(_ALWAYS_IDENTIFYING) or _ALONE_IDENTIFYING.fullmatch(compact):
        return True
    if re.fullmatch(f"(?:{_HOLDERS.pattern})(?:ids?|no|nr|number)", compact):
        return True
    if ("name" in words and has(_PEOPLE)) or (has(_ARRAY) and has(_PLACE)):
        return True
    # "Tissue No." names one block; "no. of lymph nodes" counts.
    return bool(_NUMBER.fullmatch(words[-1])) and (has(_HOLDERS) or len(words) == 1)


def public_record(record: Mapping[str, str]) -> Record:
    """Return the record without identifying fields and without empty values, in its order."""
    return {
        field: clean_value(value)
        for field, value in record.items()
        if not is_identifying(field) and not is_empty(value)
    }


def is_empty(value: object) -> bool:
    """Tell whether a table's cell says nothing ("-", "nan", "n/a", "unknown" and their like)."""
    return value is None or str(value).strip().casefold() in EMPTY_VALUES


def clean_value(value: object) -> str:
    """Return a value as it is compared and captioned: trimmed, and 69.0 as 69."""
    text = " ".join(str(value).split())
    return text[:-2] if re.fullmatch(r"-?\d+\.0", text) else text


def caption(record: Mapping[str, str], *, template: int = 0, seed: int | None = None) -> str:
    """Write the sentence that the text tower reads.

    Template 0 is the one that the published counterfactual work uses. A record
    that says nothing once identifying fields are gone has an empty caption.

    Parameters
    ----------
    record : mapping
        Field -> value, in caption order.
    template : int, default 0
        Which of the five opening sentences.
    seed : int, optional
        Draw the opening sentence with this seed instead.

    Returns
    -------
    str
        One or two sentences, or "".

    References
    ----------
    Haiku, arXiv 2605.00925.
    """
    details = public_record(record)
    if not details:
        return ""
    if seed is not None:
        template = int(np.random.default_rng(seed).integers(len(CAPTION_TEMPLATES)))
    if not 0 <= template < len(CAPTION_TEMPLATES):
        raise HaikuError(
            f"There is no caption template {template}: choose 0 to {len(CAPTION_TEMPLATES) - 1}."
        )
    tissue, disease = (_first_of(details, fields) for fields in (_TISSUE_FIELDS, _DISEASE_FIELDS))
    if tissue is None or disease is None:
        rest = _pairs(details)
        return f"{GENERIC_OPENERS[template]} Clinical metadata includes: {rest}."
    opening = CAPTION_TEMPLATES[template].format(tissue=details[tissue], disease=details[disease])
    rest = _pairs({k: v for k, v in details.items() if k not in (tissue, disease)})
    return f"{opening} Additional clinical details include: {rest}." if rest else opening


def patient_of(record: Mapping[str, str]) -> str | None:
    """Return the record's patient identifier, or None when it has none."""
    field = patient_field(record)
    return None if field is None or is_empty(record[field]) else clean_value(record[field])


def patient_field(fields: Iterable[str]) -> str | None:
    """Return the name of the field that identifies the patient, or None."""
    compact = {"".join(_words(field)): field for field in fields}
    return next((compact[name] for name in _PATIENT_FIELDS if name in compact), None)


def read_record(path: Path | str, patient: str | None = None) -> Record:
    """Read one clinical record.

    Parameters
    ----------
    path : Path
        A JSON object, or a CSV (comma, semicolon or tab) with one row per patient.
    patient : str, optional
        Which patient of the table; needed when it has more than one row.

    Returns
    -------
    dict
        Field -> value, in the file's order; empty values are left out.

    Raises
    ------
    HaikuError
        The file is absent, unreadable, or does not say which record is meant.
    """
    path = Path(path)
    text = _read_text(path)
    record = (
        _from_json(path, text) if _looks_like_json(path, text) else _from_csv(path, text, patient)
    )
    return {field: clean_value(value) for field, value in record.items() if not is_empty(value)}


def parse_settings(settings: Sequence[str]) -> Record:
    """Turn ``["stage=IV", "sex=Male"]`` into fields and values.

    Raises
    ------
    HaikuError
        A setting has no ``=``, no field, or a field is set twice.
    """
    edits: Record = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        field = field.strip()
        if not equals or not field:
            raise HaikuError(f'"{setting}" is not a setting: write field=value, such as stage=IV.')
        if field in edits:
            raise HaikuError(f'The field "{field}" is set twice: give it one value.')
        edits[field] = clean_value(value)
    return edits


def edit_record(record: Mapping[str, str], edits: Mapping[str, str]) -> Record:
    """Return a copy of `record` with the values of `edits`.

    Fields are found without regard to case, blanks and underscores, and keep
    the record's spelling and order.

    Raises
    ------
    HaikuError
        A field is not in the record, or identifies a person.
    """
    spelling = {_compact(field): field for field in record}
    edited = dict(record)
    for asked, value in edits.items():
        field = spelling.get(_compact(asked))
        if field is None:
            names = [name for name in record if not is_identifying(name)]
            alike = get_close_matches(_compact(asked), [_compact(name) for name in names], 1)
            meant = f'Did you mean "{spelling[alike[0]]}"? ' if alike else ""
            there = ", ".join(names) or "no clinical fields"
            raise HaikuError(f'The record has no field "{asked}". {meant}It has {there}.')
        if is_identifying(field):
            raise HaikuError(
                f'The field "{field}" identifies a person and enters no caption: edit a '
                "clinical field."
            )
        edited[field] = clean_value(value)
    return edited


def field_label(field: str) -> str:
    """Write a field's name for reading: ``tumour_grade`` becomes ``Tumour grade``."""
    words = field.replace("_", " ").strip()
    return words.upper() if words.casefold() == "tnm" else words[:1].upper() + words[1:]


def _words(field: str) -> list[str]:
    split = re.sub(r"([a-z])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", field)
    return re.findall(r"[^\W_]+", split.casefold())


def _compact(field: str) -> str:
    return re.sub(r"[\W_]+", "", field.casefold())


def _first_of(record: Mapping[str, str], names: Sequence[str]) -> str | None:
    compact = {_compact(field): field for field in record}
    return next((compact[name] for name in names if name in compact), None)


def _pairs(record: Mapping[str, str]) -> str:
    return ", ".join(f"{field}: {value}" for field, value in record.items())


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise HaikuError(f"{path.name} does not exist: check the path of the metadata.") from error
    except UnicodeDecodeError as error:
        raise HaikuError(
            f"{path.name} is not UTF-8 text: save the metadata as CSV or JSON in UTF-8."
        ) from error
    except OSError as error:
        raise HaikuError(
            f"{path.name} cannot be read ({error.strerror}): check the path of the metadata."
        ) from error


def _looks_like_json(path: Path, text: str) -> bool:
    return path.suffix.casefold() == ".json" or text.lstrip()[:1] in ("{", "[")


def _from_json(path: Path, text: str) -> Record:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise HaikuError(
            f"{path.name} is not valid JSON: write one object of fields and values."
        ) from error
    if not isinstance(content, dict):
        raise HaikuError(f"{path.name} is not one JSON object: write fields and values in braces.")
    for field, value in content.items():
        if isinstance(value, dict | list):
            raise HaikuError(
                f'The field "{field}" of {path.name} is not a single value: write text or a number.'
            )
    return {str(field): "" if value is None else str(value) for field, value in content.items()}


def _from_csv(path: Path, text: str, patient: str | None) -> Record:
    if not text.strip():
        raise HaikuError(f"{path.name} is empty: give a table with one row per patient.")
    header = text.lstrip().splitlines()[0]
    delimiter = max(",;\t", key=header.count)
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise HaikuError(
            f"{path.name} is not a readable table ({error}): save it as CSV."
        ) from error
    if not rows:
        raise HaikuError(f"{path.name} has a heading and no rows: give one row per patient.")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise HaikuError(
                f"Row {number} of {path.name} does not have as many cells as the heading: mend the "
                "table."
            )
    if patient is None:
        if len(rows) > 1:
            raise HaikuError(
                f"{path.name} holds {len(rows)} rows: say which one is meant with --patient ID."
            )
        return dict(rows[0])
    field = patient_field(rows[0])
    if field is None:
        raise HaikuError(f"{path.name} has no patient column: name one patient_id.")
    chosen = [row for row in rows if clean_value(row[field]) == clean_value(patient)]
    if not chosen:
        raise HaikuError(
            f'No row of {path.name} has that patient in the column "{field}": check --patient.'
        )
    if len(chosen) > 1:
        raise HaikuError(
            f'{len(chosen)} rows of {path.name} have that patient in the column "{field}": keep '
            "one row per patient."
        )
    return dict(chosen[0])
