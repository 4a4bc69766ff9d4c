"""Read a cohort manifest: one slide a row, with its images and its clinical record."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from napari_haiku.clinical import Record, clean_value, is_empty
from napari_haiku.errors import HaikuError

_IDS = ("slide_id", "patient_id")
_FILES = ("he", "mif", "markers")
_KNOWN = (*_IDS, *_FILES)


@dataclass(frozen=True)
class ManifestSlide:
    """One row of a manifest.

    Parameters
    ----------
    row : int
        Its line in the file, the header being line 1; messages use it in place
        of ids.
    slide_id, patient_id : str
        Ids.
    he, mif, markers : Path or None
        Image files, and a file naming the mIF's channels.
    record : dict of str to str
        Every other column in order; what is not recorded is left out.
    """

    row: int
    slide_id: str
    patient_id: str
    he: Path | None
    mif: Path | None
    markers: Path | None
    record: Record

    def check_files(self, manifest: Path) -> None:
        """Make sure that the row's files are there.

        Raises
        ------
        HaikuError
            One is missing; the sentence names line and column.
        """
        for column in _FILES:
            file: Path | None = getattr(self, column)
            if file is not None and not file.exists():
                raise HaikuError(
                    f"Line {self.row} of {manifest.name}, column {column}: {file.name} does not "
                    "exist; check the path."
                )


@dataclass(frozen=True)
class Cohort:
    """A manifest, read and checked.

    Parameters
    ----------
    path : Path
        The manifest.
    slides : tuple of ManifestSlide
        Its rows.
    fields : tuple of str
        Clinical columns in caption order.
    """

    path: Path
    slides: tuple[ManifestSlide, ...]
    fields: tuple[str, ...]

    @property
    def patients(self) -> tuple[str, ...]:
        """Patients in order of appearance."""
        return tuple(dict.fromkeys(slide.patient_id for slide in self.slides))


def read_manifest(path: Path | str, *, check_files: bool = True) -> Cohort:
    """Read a cohort manifest.

    A CSV with the columns ``slide_id, patient_id, he, mif`` and optionally
    ``markers``; paths are relative to the manifest, ``he`` or ``mif`` may be
    empty, every other column is a clinical field in caption order.

    Parameters
    ----------
    path : Path or str
        The manifest.
    check_files : bool
        Whether the images must be there.

    Raises
    ------
    HaikuError
        The file cannot be read, a column or an id is missing or repeated, or an
        image is missing; the sentence names line and column.
    """
    path = Path(path)
    header, rows = _table(path)
    fields = tuple(name for name in header if name not in _KNOWN)
    slides = []
    first_lines: dict[str, int] = {}
    for line, values in rows:
        where = f"Line {line} of {path.name}"
        if len(values) != len(header):
            raise HaikuError(
                f"{where} has {len(values)} values for {len(header)} columns: check its commas and "
                "quotes."
            )
        cells = dict(zip(header, (value.strip() for value in values), strict=True))
        for name in _IDS:
            if not cells[name]:
                raise HaikuError(f"{where} has no {name}: fill it in.")
        if cells["slide_id"] in first_lines:
            raise HaikuError(
                f"{where} repeats the slide_id of line {first_lines[cells['slide_id']]}: give "
                "every slide an id of its own."
            )
        first_lines[cells["slide_id"]] = line
        files = {
            name: None if is_empty(cells.get(name, "")) else path.parent / cells[name]
            for name in _FILES
        }
        if files["he"] is None and files["mif"] is None:
            raise HaikuError(f"{where} has neither he nor mif: give at least one image.")
        record = {name: clean_value(cells[name]) for name in fields if not is_empty(cells[name])}
        slide = ManifestSlide(line, cells["slide_id"], cells["patient_id"], **files, record=record)
        if check_files:
            slide.check_files(path)
        slides.append(slide)
    return Cohort(path, tuple(slides), fields)


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and (line, values) of a CSV, checked for its columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise HaikuError(f"{path.name} does not exist: check the path of the manifest.") from error
    except UnicodeDecodeError as error:
        raise HaikuError(
            f"{path.name} is not UTF-8 text: save the manifest as CSV UTF-8."
        ) from error
    except OSError as error:
        raise HaikuError(
            f"{path.name} cannot be read ({error.strerror}): check the path of the manifest."
        ) from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        before = 0
        for values in reader:
            if any(value.strip() for value in values):
                rows.append((before + 1, values))
            before = reader.line_num
    except csv.Error as error:
        raise HaikuError(
            f"Line {reader.line_num} of {path.name} cannot be read as CSV: check its quotes."
        ) from error
    if not rows:
        raise HaikuError(f"{path.name} is empty: write one slide a row under a header.")
    header = [name.strip() for name in rows[0][1]]
    _check_header(path, header)
    if len(rows) == 1:
        raise HaikuError(f"{path.name} has a header but no slides: write one slide a row.")
    return header, rows[1:]


def _check_header(path: Path, header: list[str]) -> None:
    for name in _IDS:
        if name not in header:
            raise HaikuError(
                f"{path.name} has no column {name}: its header needs slide_id, patient_id, and he "
                "or mif."
            )
    if "he" not in header and "mif" not in header:
        raise HaikuError(f"{path.name} has neither a column he nor mif: name at least one image.")
    if "" in header:
        raise HaikuError(
            f"Column {header.index('') + 1} of {path.name} has no name: name it or remove it."
        )
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise HaikuError(f"{path.name} has two columns '{repeated[0]}': rename or remove one.")
