"""Groups of HDF5 and of zarr behind one interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_CHUNK_BYTES = 4 * 1024 * 1024


class Hdf5Sink:
    """A group or array of an HDF5 file.

    Parameters
    ----------
    node : h5py.Group or h5py.Dataset
        What is written to.
    """

    def __init__(self, node: Any) -> None:
        self._node = node

    def group(self, name: str) -> Hdf5Sink:
        """Make a group below."""
        return Hdf5Sink(self._node.create_group(name))

    def array(self, name: str, values: NDArray[Any]) -> Hdf5Sink:
        """Write an array of numbers or booleans below."""
        packed = {"compression": "gzip", "compression_opts": 4} if values.size > 1024 else {}
        return Hdf5Sink(self._node.create_dataset(name, data=values, **packed))

    def strings(self, name: str, values: Sequence[str] | str) -> Hdf5Sink:
        """Write an array of texts, or one text, below."""
        import h5py

        data: Any = values if isinstance(values, str) else np.array(values, dtype=object)
        return Hdf5Sink(self._node.create_dataset(name, data=data, dtype=h5py.string_dtype()))

    def mark(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes."""
        self._node.attrs.update(attributes)


class ZarrSink:
    """A group or array of a zarr v3 store.

    Parameters
    ----------
    node : zarr.Group or zarr.Array
        What is written to.
    """

    def __init__(self, node: Any) -> None:
        self._node = node

    def group(self, name: str) -> ZarrSink:
        """Make a group below."""
        return ZarrSink(self._node.create_group(name))

    def array(self, name: str, values: NDArray[Any]) -> ZarrSink:
        """Write an array of numbers or booleans below."""
        row_bytes = values.itemsize * int(np.prod(values.shape[1:]))
        rows = min((max(1, _CHUNK_BYTES // max(1, row_bytes)), *values.shape[:1]))
        chunks = tuple(max(1, side) for side in (rows, *values.shape[1:])) if values.ndim else ()
        array = self._node.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunks)
        array[...] = values
        return ZarrSink(array)

    def strings(self, name: str, values: Sequence[str] | str) -> ZarrSink:
        """Write an array of texts, or one text, below."""
        data = np.array(values, dtype=np.dtypes.StringDType())
        array = self._node.create_array(
            name, shape=data.shape, dtype=data.dtype, chunks=(max(1, data.size),) * data.ndim
        )
        array[...] = data
        return ZarrSink(array)

    def mark(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes."""
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in attributes.items()}
        self._node.attrs.update(plain)
