"""Result tables on disk: parquet and CSV, written whole or not at all."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.storage import speaking, write_bytes, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_NOTES_KEY = b"napari_haiku"


def write_parquet(path: Path, table: pd.DataFrame, notes: Mapping[str, Any]) -> None:
    """Write a table as parquet, with how it was made in the file's own metadata.

    Parameters
    ----------
    path : Path
        File to write; replaced in one step.
    table : DataFrame
        NaN is written as null.
    notes : mapping
        What JSON can hold: settings, seed, labels.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {**(arrow.schema.metadata or {}), _NOTES_KEY: json.dumps(notes).encode()}
    buffer = io.BytesIO()
    pq.write_table(arrow.replace_schema_metadata(metadata), buffer)
    write_bytes(path, buffer.getvalue())


def read_notes(path: Path) -> dict[str, Any]:
    """Read back what :func:`write_parquet` noted about how a table was made."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    notes: dict[str, Any] = json.loads(metadata.get(_NOTES_KEY, b"{}"))
    return notes


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV; NaN is an empty cell."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def output_folder(path: Path) -> Path:
    """Make a result folder if it is not there and return it."""
    path = Path(path)
    with speaking(path):
        path.mkdir(parents=True, exist_ok=True)
    return path
