"""AnnData's on-disk format, written into a group of HDF5 or zarr.

The format is the public one (encoding versions as AnnData 0.8 and later write
them). The library itself is not asked, because it does not work beside
pandas 3, and needs nothing that is not written here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray


class Sink(Protocol):
    """A group that can be written to, of whichever library."""

    def group(self, name: str) -> Sink:
        """Make a group below."""

    def array(self, name: str, values: NDArray[Any]) -> Sink:
        """Write an array of numbers or booleans below."""

    def strings(self, name: str, values: Sequence[str] | str) -> Sink:
        """Write an array of texts, or one text, below."""

    def mark(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes."""


@dataclass(frozen=True, eq=False)
class Annotated:
    """A table of patches by markers with everything beside it.

    Parameters
    ----------
    x : ndarray of float32, shape (n, markers)
        The values.
    obs : DataFrame
        One row a patch; texts become categories.
    names : sequence of str
        Name of each patch.
    markers : sequence of str
        Name of each column of `x`.
    layers : mapping of str to ndarray
        Other values of the shape of `x`.
    obsm : mapping of str to ndarray
        Several columns a patch: places, vectors.
    uns : mapping
        Anything else: dictionaries, texts, numbers, lists of texts.
    """

    x: NDArray[np.float32]
    obs: pd.DataFrame
    names: Sequence[str]
    markers: Sequence[str]
    layers: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    obsm: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    uns: Mapping[str, Any] = field(default_factory=dict)


def write_annotated(sink: Sink, table: Annotated) -> None:
    """Write a table into a fresh group."""
    sink.mark(_kind("anndata", "0.1.0"))
    _array(sink, "X", np.asarray(table.x, np.float32))
    _frame(sink, "obs", table.names, {str(name): table.obs[name] for name in table.obs.columns})
    _frame(sink, "var", table.markers, {})
    for name, parts in (("layers", table.layers), ("obsm", table.obsm)):
        group = _dictionary(sink, name)
        for key, values in parts.items():
            _array(group, key, values)
    for name in ("obsp", "varm", "varp"):
        _dictionary(sink, name)
    _anything(sink, "uns", table.uns)


def _kind(name: str, version: str) -> dict[str, str]:
    return {"encoding-type": name, "encoding-version": version}


def _dictionary(sink: Sink, name: str) -> Sink:
    group = sink.group(name)
    group.mark(_kind("dict", "0.1.0"))
    return group


def _array(sink: Sink, name: str, values: NDArray[Any]) -> None:
    sink.array(name, np.ascontiguousarray(values)).mark(_kind("array", "0.2.0"))


def _texts(sink: Sink, name: str, values: Sequence[str]) -> None:
    sink.strings(name, [str(value) for value in values]).mark(_kind("string-array", "0.2.0"))


def _frame(
    sink: Sink, name: str, index: Sequence[str], columns: Mapping[str, pd.Series[Any]]
) -> None:
    frame = sink.group(name)
    # h5py keeps an empty list as an array of floats, which readers take for no text.
    order: Any = list(columns) if columns else np.array([], dtype="S1")
    frame.mark({**_kind("dataframe", "0.2.0"), "_index": "_index", "column-order": order})
    _texts(frame, "_index", index)
    for column, values in columns.items():
        if values.dtype.kind in "biuf":
            _array(frame, column, values.to_numpy())
        else:
            _categories(frame, column, values)


def _categories(sink: Sink, name: str, values: pd.Series[Any]) -> None:
    import pandas as pd

    category = (
        values if isinstance(values.dtype, pd.CategoricalDtype) else values.astype("category")
    )
    group = sink.group(name)
    group.mark({**_kind("categorical", "0.2.0"), "ordered": bool(category.cat.ordered)})
    _texts(group, "categories", list(category.cat.categories))
    _array(group, "codes", category.cat.codes.to_numpy())


def _anything(sink: Sink, name: str, value: Any) -> None:
    """Write what JSON could hold; None and mixed lists are left out, for AnnData has no word."""
    if isinstance(value, dict) or hasattr(value, "items"):
        group = _dictionary(sink, name)
        for key, part in value.items():
            # A slash in a name would open a group of its own.
            _anything(group, str(key).replace("/", "|"), part)
    elif isinstance(value, str):
        sink.strings(name, value).mark(_kind("string", "0.2.0"))
    elif isinstance(value, (bool, int, float, np.number)):
        sink.array(name, np.asarray(value)).mark(_kind("numeric-scalar", "0.2.0"))
    elif isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        _texts(sink, name, value)
    elif isinstance(value, (list, tuple, np.ndarray)):
        numbers = np.asarray(value)
        if numbers.dtype.kind in "biuf":
            _array(sink, name, numbers)
