"""Patch tables as CSV and Parquet, each with how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.analysis.counterfactual.result_tables import write_csv, write_parquet
from napari_haiku.export.destination import require_free
from napari_haiku.storage import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd


def write_table(
    path: Path,
    table: pd.DataFrame,
    notes: Mapping[str, Any],
    *,
    replace: bool = False,
) -> tuple[Path, ...]:
    """Write a table; the file's ending decides how.

    A Parquet file carries its notes inside. A CSV cannot without breaking
    programs that read it, so they lie beside it as ``<name>.provenance.json``.

    Parameters
    ----------
    path : Path
        File to write, ending in ``.parquet``, or anything else for CSV.
    table : DataFrame
        What to write.
    notes : mapping
        How it was made.
    replace : bool
        Whether an earlier file may go.

    Returns
    -------
    tuple of Path
        What was written.
    """
    if path.suffix == ".parquet":
        require_free(path, replace=replace)
        write_parquet(path, table, notes)
        return (path,)
    beside = path.with_name(f"{path.name}.provenance.json")
    for place in (path, beside):
        require_free(place, replace=replace)
    write_csv(path, table)
    write_json(beside, dict(notes))
    return path, beside
