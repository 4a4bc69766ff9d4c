"""Create an encoding or take one up where it stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.encoding import layout
from napari_haiku.encoding.differences import first_difference
from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.encoding.plan import Plan


def find_started(output: Path, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Look for an encoding of the same inputs at `output`.

    Parameters
    ----------
    output : Path
        Where the encoding is to lie.
    inputs : mapping
        What it is to be made from; see :func:`napari_haiku.encoding.plan.inputs_of`.

    Returns
    -------
    dict or None
        The attributes of the encoding found; None when there is nothing yet.

    Raises
    ------
    HaikuError
        Something else is there, or an encoding of other inputs.
    """
    if not output.exists():
        return None
    attributes = layout.read_attributes(output)
    difference = first_difference(attributes["inputs"], inputs)
    if difference:
        raise HaikuError(
            f"{output.name} exists already and was made from {difference}: choose another name "
            "for the output, or remove the old encoding."
        )
    return attributes


class EncodingWriter:
    """Write an encoding chunk by chunk.

    Parameters
    ----------
    path : Path
        Folder of the encoding, already there.
    attributes : dict
        Its description.
    """

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path = path
        self.attributes = attributes
        self.n_patches = int(attributes["n_patches"])
        self.chunk_rows = int(attributes["chunk_rows"])
        self.n_chunks = -(-self.n_patches // self.chunk_rows)
        self.chunks_done = layout.chunks_done(path, self.n_chunks)
        self._arrays = {
            name: layout.open_array(path, name, writable=True) for name in attributes["streamed"]
        }

    @property
    def patches_done(self) -> int:
        """Patches whose chunk is committed."""
        return min(self.chunks_done * self.chunk_rows, self.n_patches)

    @classmethod
    def create(cls, output: Path, plan: Plan) -> EncodingWriter:
        """Create the encoding with everything but its streamed rows.

        It is made under a temporary name and renamed, so that a killed process
        never leaves half a description.
        """
        fresh = output.parent / f".{output.name}.new"
        with speaking(output):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            _write_fixed_parts(fresh, plan)
            os.replace(fresh, output)
        return cls(output, plan.attributes)

    @classmethod
    def resume(cls, output: Path, attributes: dict[str, Any]) -> EncodingWriter:
        """Take up an encoding behind its last committed chunk."""
        layout.remove_leftovers(output)
        return cls(output, attributes)

    def note_conditions(self, conditions: Mapping[str, Any], first_patch: int) -> None:
        """Record on what the patches from `first_patch` on are computed, if it is new."""
        entries = self.attributes["computed_on"]
        # What was noted of patches that a killed run never committed is void.
        kept = [old for old in entries if old["first_patch"] < max(first_patch, 1)]
        known = [{**old, "first_patch": first_patch} for old in kept[-1:]]
        entry = {"first_patch": first_patch, **conditions}
        if known != [entry]:
            kept = [old for old in kept if old["first_patch"] < first_patch] + [entry]
        if kept != entries:
            self.attributes = {**self.attributes, "computed_on": kept}
            layout.write_attributes(self.path, self.attributes)

    def reduced_batches(self) -> dict[int, int]:
        """Batch sizes that memory reduced before: what was asked, and what it became."""
        return {
            int(entry["reduced_from"]): int(entry["batch_size"])
            for entry in self.attributes["computed_on"]
            if "reduced_from" in entry and entry["first_patch"] <= self.patches_done
        }

    def chunks_left(self) -> list[tuple[int, int]]:
        """First patch, and one behind the last, of every chunk that is not committed."""
        return [
            (start, min(start + self.chunk_rows, self.n_patches))
            for start in range(self.patches_done, self.n_patches, self.chunk_rows)
        ]

    def commit(self, rows: Mapping[str, NDArray[Any]]) -> None:
        """Write the next chunk of every streamed array and mark it done."""
        chunk = self.chunks_done
        for name, array in self._arrays.items():
            layout.write_chunk(self.path, array, name, chunk, rows[name])
        layout.mark_done(self.path, chunk)
        self.chunks_done += 1


def _write_fixed_parts(folder: Path, plan: Plan) -> None:
    grid, attributes = plan.grid, plan.attributes
    layout.write_attributes(folder, attributes)
    centres = np.asarray(grid.centres_um, np.float64)
    fixed: dict[str, NDArray[Any]] = {
        "row": np.asarray(grid.rows, np.int32),
        "col": np.asarray(grid.cols, np.int32),
        "x_um": centres[:, 0],
        "y_um": centres[:, 1],
        "tissue_fraction": np.asarray(grid.tissue_fraction, np.float32),
    }
    if plan.text is not None:
        fixed[layout.TEXT] = plan.text
    for name, values in fixed.items():
        array = layout.add_array(
            folder, name, values.shape, str(values.dtype), chunk_rows=len(values)
        )
        layout.write_chunk(folder, array, name, 0, values)
    for name, (shape, dtype) in attributes["streamed"].items():
        layout.add_array(
            folder,
            name,
            (plan.n_patches, *shape),
            dtype,
            chunk_rows=attributes["chunk_rows"],
        )
    chunks = -(-plan.n_patches // attributes["chunk_rows"])
    layout.add_array(folder, layout.DONE, (chunks,), "uint8", chunk_rows=1, compressed=False)
