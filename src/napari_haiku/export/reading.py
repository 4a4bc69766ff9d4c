"""A slide and the results that other commands left of it, read back from disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import read_notes
from napari_haiku.analysis.niches.niches import read_niches
from napari_haiku.errors import HaikuError
from napari_haiku.export.patch_data import PatchData, Predictions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.encoding.store import Encoding

_NICHE_NOTES = ("clusters", "modality", "seed", "restarts", "smooth")
PROJECTION = "projection.parquet"


def read_patch_data(
    encoding: Encoding,
    *,
    predictions: Path | None = None,
    niches: Path | None = None,
    projection: Path | None = None,
) -> PatchData:
    """Put a slide together with what ``biomarkers``, ``niches`` and ``project`` left.

    Raises
    ------
    HaikuError
        A folder holds no such result, or that of other patches.
    """
    notes: dict[str, Any] = {}
    if niches is not None:
        table = niches / "niches.parquet" if niches.is_dir() else niches
        if table.is_file():
            found = read_notes(table)
            notes = {name: found[name] for name in _NICHE_NOTES if name in found}
    return PatchData(
        encoding,
        predictions=None if predictions is None else Predictions.read(predictions, encoding),
        niches=None if niches is None else read_niches(niches, encoding.centres_um),
        niche_notes=notes,
        projection=None if projection is None else _read_projection(projection, encoding),
    )


def _read_projection(folder: Path, encoding: Encoding) -> NDArray[np.float32]:
    import pandas as pd

    file = folder / PROJECTION if folder.is_dir() else folder
    try:
        table = pd.read_parquet(file)
        places = table[["x_um", "y_um"]].to_numpy(np.float64)
        points: NDArray[np.float32] = table[["u", "v"]].to_numpy(np.float32)
    except FileNotFoundError as error:
        raise HaikuError(f"{folder.name} holds no map of patches: draw one first.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HaikuError(f"{file.name} is no map of patches: draw it again.") from error
    if places.shape != encoding.centres_um.shape or not np.allclose(
        places, encoding.centres_um, atol=0.01
    ):
        raise HaikuError(
            f"{file.name} is a map of other patches than {encoding.path.name}'s: draw it for this "
            "slide."
        )
    return points
