"""Read the names of an mIF's channels from a file beside it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from pathlib import Path

_COLUMNS = ("marker_name", "marker", "markers", "name", "channel_name", "target", "protein")


def read_marker_names(path: Path) -> list[str]:
    """Return one name per channel, in the file's order.

    Parameters
    ----------
    path : Path
        Text with one name per line, or a table (comma, semicolon or tab) with a
        column called marker, marker_name or name.

    Raises
    ------
    HaikuError
        The file is absent, no text, empty, or a table without such a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise HaikuError(
            f"{path.name} is not UTF-8 text: save the marker names as plain text."
        ) from error
    except OSError as error:
        raise HaikuError(
            f"{path.name} cannot be read ({error.strerror}): check the path of the markers file."
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise HaikuError(f"{path.name} holds no marker names: write one per line.")
    delimiter = max(",;\t", key=lines[0].count)
    if delimiter not in lines[0]:
        return lines[1:] if lines[0].casefold() in _COLUMNS else lines
    table = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    spelling = {
        (field or "").strip().casefold().replace(" ", "_"): field
        for field in table.fieldnames or ()
    }
    column = next((spelling[name] for name in _COLUMNS if name in spelling), None)
    if column is None:
        raise HaikuError(
            f"{path.name} is a table without a marker column: call the column with the "
            "names marker."
        )
    return [(row[column] or "").strip() for row in table]
