"""The same atlas as LanceDB tables, on a local disk or in object storage, for many machines.

The tables are written from a local atlas and answer as it does: who may answer is decided by the
same code, LanceDB finds the nearest vectors among them, and these are ranked by the same exact
scores.
"""

from __future__ import annotations

import importlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_haiku.atlas.exact_scores import exact_scores
from napari_haiku.atlas.ranking import Gap, best_rows_of_slides, sorted_pairs
from napari_haiku.atlas.store import Atlas
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE: Final = 8192
# Beyond k, so that rounding within LanceDB cannot push a true hit out.
_SPARE: Final = 64
_MOST_NAMED: Final = 50_000
_TABLES: Final = ("atlas", "slides", "records", "patches")


def write_lance(atlas: Atlas, uri: str, **storage: Any) -> Job[LanceAtlas]:
    """Copy an atlas into LanceDB tables.

    Parameters
    ----------
    atlas : Atlas
        A local atlas.
    uri : str
        Where to: a folder, or an address such as ``s3://bucket/atlas``.
    **storage
        Options of the storage, such as its region or keys.

    Yields
    ------
    Progress
        After every batch of patches.

    Returns
    -------
    LanceAtlas

    Raises
    ------
    HaikuError
        LanceDB is not installed, or there are tables already.
    """
    database = _connect(uri, storage)
    there = [name for name in _TABLES if name in _names(database)]
    if there:
        raise HaikuError(f"There is an atlas at {_name(uri)} already: choose another place.")
    pyarrow = importlib.import_module("pyarrow")
    markers = len(atlas.markers)
    vectors = {name: atlas.embeddings(name) for name in ("he", "mif") if name in atlas.modalities}
    schema = pyarrow.schema(
        [
            ("row", pyarrow.int64()),
            ("slide", pyarrow.int64()),
            ("table", pyarrow.string()),
            # Not of fixed length: LanceDB takes such for vectors and refuses NaN in them.
            ("expression", pyarrow.list_(pyarrow.float32())),
            *((f"vector_{name}", pyarrow.list_(pyarrow.float16(), atlas.dim)) for name in vectors),
        ]
    )
    table = database.create_table("patches", schema=schema)
    for start in range(0, len(atlas), _ROWS_AT_ONCE):
        yield Progress(start, len(atlas), "Writing to LanceDB")
        rows = slice(start, min(start + _ROWS_AT_ONCE, len(atlas)))
        described = atlas.patches.iloc[rows].to_json(orient="records", lines=True).splitlines()
        columns = [
            pyarrow.array(np.arange(rows.start, rows.stop)),
            pyarrow.array(atlas.slide_index[rows]),
            pyarrow.array(described),
            _lists(pyarrow, np.asarray(atlas.expression[rows]), markers).cast(
                pyarrow.list_(pyarrow.float32())
            ),
            *(_lists(pyarrow, np.asarray(of[rows]), atlas.dim) for of in vectors.values()),
        ]
        table.add(pyarrow.Table.from_arrays(columns, schema=schema))
    for name in ("slides", "records"):
        database.create_table(name, pyarrow.Table.from_pandas(getattr(atlas, name)))
    texts = np.asarray(atlas.slide_texts, np.float32).tolist() if "text" in atlas.modalities else []
    # Written last: without it there is no atlas.
    description = {key: atlas.description[key] for key in atlas.description if key != "files"}
    content = {"description": json.dumps(description), "texts": json.dumps(texts)}
    database.create_table("atlas", pyarrow.Table.from_pylist([content]))
    yield Progress(len(atlas), len(atlas), "Writing to LanceDB")
    return LanceAtlas.connect(uri, **storage)


class LanceAtlas(Atlas):
    """An atlas in LanceDB; made by :meth:`connect`, searched like any other.

    Parameters
    ----------
    path : Path
        Name of the atlas.
    description : dict
        Content of its ``atlas.json``.
    """

    _database: Any
    _texts: list[list[float]]

    @classmethod
    def connect(cls, uri: str, **storage: Any) -> LanceAtlas:
        """Open an atlas in LanceDB.

        Raises
        ------
        HaikuError
            LanceDB is not installed, or there is no atlas.
        """
        database = _connect(uri, storage)
        if "atlas" not in _names(database):
            raise HaikuError(f"There is no atlas at {_name(uri)}: write one there first.")
        row = database.open_table("atlas").to_arrow().to_pylist()[0]
        atlas = cls(Path(_name(uri)), json.loads(row["description"]))
        atlas._database, atlas._texts = database, json.loads(row["texts"])
        return atlas

    @cached_property
    def slides(self) -> pd.DataFrame:
        """One row a slide."""
        return self._table("slides")

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row a slide: its clinical record."""
        return self._table("records")

    @cached_property
    def patches(self) -> pd.DataFrame:
        """One row a patch, without vectors."""
        table = self._open.search().select(["row", "table"]).limit(self.n_patches).to_arrow()
        table = table.sort_by("row")
        return pd.DataFrame([json.loads(line) for line in table["table"].to_pylist()])

    @cached_property
    def expression(self) -> NDArray[np.float32]:
        """Mean intensity per patch and marker."""
        return self._column("expression", len(self.markers), np.float32)

    @cached_property
    def slide_texts(self) -> NDArray[np.float16]:
        """Embedding of each slide's caption."""
        self.require_modality("text")
        return np.asarray(self._texts, np.float16)

    def embeddings(self, modality: str) -> NDArray[np.float16]:
        """All embeddings of a modality; fetched whole, so only for small atlases."""
        self.require_modality(modality)
        if modality == "text":
            return self.slide_texts[self.slide_index]
        return self._column(f"vector_{modality}", self.dim, np.float16)

    def nearest(
        self,
        queries: NDArray[np.float32],
        target: str,
        kept: NDArray[np.bool_],
        k: int,
        *,
        gap: Gap | None = None,
        exact: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], str]:
        """Find the k best rows of each query among those kept."""
        if target == "text":
            rows = np.flatnonzero(kept)
            found = best_rows_of_slides(
                queries, self.slide_texts, self.slide_index, rows, k, gap=gap
            )
            return *found, "exact"
        condition = self._condition(kept)
        indices = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), np.nan, np.float32)
        for number, query in enumerate(queries):
            out = np.zeros(0, np.int64)
            if gap is not None:
                asked = np.full(len(gap.rows), number)
                out = gap.rows[gap.drops(asked, gap.rows)]
            rows, vectors = self._fetch(query, target, condition, out, k + _SPARE)
            if not len(rows):
                continue
            alone = np.zeros(len(rows), np.int64)
            exactly = exact_scores(query[None], vectors, alone, np.arange(len(rows)))
            best = sorted_pairs(alone, rows, exactly, 1, k)
            indices[number], scores[number] = best[0][0], best[1][0]
        return indices, scores, "lance"

    def _fetch(
        self,
        query: NDArray[np.float32],
        target: str,
        condition: str,
        out: NDArray[np.int64],
        limit: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        column = f"vector_{target}"
        if len(out):
            condition += f" AND row NOT IN ({', '.join(map(str, out.tolist()))})"
        found = (
            self._open.search(query, vector_column_name=column)
            .distance_type("dot")
            .where(condition, prefilter=True)
            .select(["row", column, "_distance"])
            .limit(limit)
            .to_arrow()
        )
        flat = found[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        rows: NDArray[np.int64] = found["row"].to_numpy()
        return rows, np.asarray(flat, np.float16).reshape(len(rows), self.dim)

    def _condition(self, kept: NDArray[np.bool_]) -> str:
        """Name the rows kept by numbers only: by whole slides, and single rows of the others."""
        total = np.bincount(self.slide_index, minlength=self.n_slides)
        some = np.bincount(self.slide_index[kept], minlength=self.n_slides)
        whole = np.flatnonzero((some == total) & (total > 0))
        single = np.flatnonzero(kept & ~np.isin(self.slide_index, whole))
        if len(single) > _MOST_NAMED:
            raise HaikuError(
                "The filter cuts through too many slides for a search in LanceDB: filter by fields "
                "of the record, or search the atlas on a local disk."
            )
        parts = [
            f"{column} IN ({', '.join(map(str, numbers.tolist()))})"
            for column, numbers in (("slide", whole), ("row", single))
            if len(numbers)
        ]
        return f"({' OR '.join(parts)})"

    def _table(self, name: str) -> pd.DataFrame:
        table: pd.DataFrame = self._database.open_table(name).to_pandas()
        return table

    @cached_property
    def _open(self) -> Any:
        return self._database.open_table("patches")

    def _column(self, name: str, width: int, dtype: Any) -> NDArray[Any]:
        table = self._open.search().select(["row", name]).limit(self.n_patches).to_arrow()
        flat = table.sort_by("row")[name].combine_chunks().flatten()
        values: NDArray[Any] = np.asarray(flat.to_numpy(zero_copy_only=False), dtype)
        return values.reshape(self.n_patches, width)


def _lists(pyarrow: Any, values: NDArray[Any], width: int) -> Any:
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), width)


def _connect(uri: str, storage: dict[str, Any]) -> Any:
    try:
        lancedb = importlib.import_module("lancedb")
    except ImportError as error:
        raise HaikuError("LanceDB is not installed: pip install 'napari-haiku[lance]'.") from error
    return lancedb.connect(str(uri), storage_options=storage or None)


def _names(database: Any) -> list[str]:
    # Its name changed between versions.
    listed = database.list_tables() if hasattr(database, "list_tables") else database.table_names()
    return [str(name) for name in getattr(listed, "tables", listed)]


def _name(uri: str) -> str:
    return str(uri).rstrip("/").rpartition("/")[2]
