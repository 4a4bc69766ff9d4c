"""What is known of the patches of one slide, side by side, ready to be written anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import read_notes
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.analysis.niches.niches import NicheLabels
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.images.grid import PatchGrid

_PLACE = ("patch", "x_um", "y_um", "similarity", "outside_atlas")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted markers of every patch of a slide; NaN where there is no value.

    Parameters
    ----------
    markers : tuple of str
        The markers.
    values, spread : ndarray of float32, shape (n, markers)
        Predicted value and spread of the neighbours behind it; NaN for patches
        that were not asked about or lie outside the atlas.
    similarity : ndarray of float32, shape (n,)
        Likeness of the best neighbour.
    outside_atlas : ndarray of bool, shape (n,)
        Whether the atlas holds nothing alike.
    notes : dict
        How they were made, as JSON holds it.
    """

    markers: tuple[str, ...]
    values: NDArray[np.float32]
    spread: NDArray[np.float32]
    similarity: NDArray[np.float32]
    outside_atlas: NDArray[np.bool_]
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_result(cls, result: BiomarkerResult, n_patches: int) -> Predictions:
        """Lay a result over all patches of its slide."""
        notes = {
            "atlas": result.atlas_name,
            "neighbours": result.request.k,
            "weights": result.weights,
            "temperature": result.request.temperature,
            "within_patient_um": result.request.within_patient_um,
            "label": result.label,
        }
        return _spread_out(
            n_patches,
            result.rows,
            tuple(result.markers),
            (result.values, result.spread),
            (result.similarity, result.outside_atlas),
            notes,
        )

    @classmethod
    def read(cls, folder: Path, encoding: Encoding) -> Predictions:
        """Read what ``napari-haiku biomarkers`` left.

        Raises
        ------
        HaikuError
            The folder holds no predictions, or those of other patches.
        """
        import pandas as pd

        table_file, spread_file = folder / "predictions.parquet", folder / "spread.parquet"
        try:
            table, spread = pd.read_parquet(table_file), pd.read_parquet(spread_file)
            notes = read_notes(table_file)
            rows = table["patch"].to_numpy(np.int64)
            places = table[["x_um", "y_um"]].to_numpy(np.float64)
            markers = tuple(name for name in table.columns if name not in _PLACE)
            values = table[list(markers)].to_numpy(np.float32)
            spreads = spread[list(markers)].to_numpy(np.float32)
            marks = (
                table["similarity"].to_numpy(np.float32),
                table["outside_atlas"].to_numpy(bool),
            )
        except FileNotFoundError as error:
            raise HaikuError(
                f"{folder.name} holds no predictions: make them with 'napari-haiku biomarkers'."
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HaikuError(
                f"The predictions in {folder.name} cannot be read: make them again."
            ) from error
        inside = bool(len(rows)) and rows.min() >= 0 and rows.max() < encoding.n_patches
        if not inside or not np.allclose(places, encoding.centres_um[rows], atol=0.01):
            raise HaikuError(
                f"{folder.name} holds predictions of other patches than {encoding.path.name}'s: "
                "predict this slide."
            )
        kept = ("atlas", "neighbours", "weights", "temperature", "within_patient_um", "label")
        notes = {name: notes[name] for name in kept if name in notes}
        return _spread_out(encoding.n_patches, rows, markers, (values, spreads), marks, notes)


@dataclass(frozen=True, eq=False)
class PatchData:
    """The patches of a slide and all that is known of them.

    Parameters
    ----------
    encoding : Encoding
        The slide.
    predictions : Predictions, optional
        Predicted markers.
    niches : NicheLabels, optional
        Niche of each patch.
    niche_notes : mapping
        How the niches were made.
    projection : ndarray, shape (n, 2), optional
        Place of each patch on the map of patches (UMAP).
    """

    encoding: Encoding
    predictions: Predictions | None = None
    niches: NicheLabels | None = None
    niche_notes: Mapping[str, Any] = field(default_factory=dict)
    projection: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        n = self.encoding.n_patches
        if self.niches is not None and len(self.niches.labels) != n:
            raise HaikuError(
                f"The niches are of {len(self.niches.labels):,} patches but the slide has {n:,}: "
                "find its niches again."
            )
        if self.projection is not None and self.projection.shape != (n, 2):
            raise HaikuError(
                f"The map of patches has {len(self.projection):,} points but the slide has {n:,} "
                "patches: draw it again."
            )

    def __len__(self) -> int:
        return self.encoding.n_patches

    @property
    def grid(self) -> PatchGrid:
        """Where the patches lie."""
        return self.encoding.grid

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers measured on the slide, then those only predicted."""
        predicted = () if self.predictions is None else self.predictions.markers
        return tuple(dict.fromkeys((*self.encoding.markers, *predicted)))

    def measured(self, marker: str) -> NDArray[np.float32] | None:
        """Measured values of a marker; None where the slide did not measure it."""
        expression = self.encoding.expression
        if expression is None or marker not in self.encoding.markers:
            return None
        column: NDArray[np.float32] = expression[:, self.encoding.markers.index(marker)]
        return column

    def predicted(self, marker: str) -> NDArray[np.float32] | None:
        """Predicted values of a marker; None where nobody measured it."""
        found = self.predictions
        if found is None or marker not in found.markers:
            return None
        column: NDArray[np.float32] = found.values[:, found.markers.index(marker)]
        return column

    def numbers(self) -> dict[str, NDArray[Any]]:
        """One column a quantity that can be drawn as a map: ``CD8 measured``, ``CD8 predicted``."""
        columns: dict[str, NDArray[Any]] = {}
        for marker in self.markers:
            measured, predicted = self.measured(marker), self.predicted(marker)
            if measured is not None:
                columns[f"{marker} measured"] = measured
            if predicted is not None:
                columns[f"{marker} predicted"] = predicted
        return columns

    def niche_names(self) -> list[str] | None:
        """Name of each patch's niche, "" where it has none; None without niches."""
        if self.niches is None:
            return None
        names = self.niches.names
        return [names.get(int(niche), "") for niche in self.niches.labels]

    def table(self) -> pd.DataFrame:
        """One row a patch with everything that fits a column."""
        import pandas as pd

        encoding = self.encoding
        columns: dict[str, Any] = {
            "patch": np.arange(len(self)),
            "x_um": encoding.centres_um[:, 0],
            "y_um": encoding.centres_um[:, 1],
            "tissue_fraction": encoding.tissue_fraction,
        }
        if self.niches is not None:
            columns |= {"niche": self.niches.labels, "niche_name": self.niche_names()}
        if self.projection is not None:
            columns |= {"umap_1": self.projection[:, 0], "umap_2": self.projection[:, 1]}
        found = self.predictions
        if found is not None:
            columns |= {"similarity": found.similarity, "outside_atlas": found.outside_atlas}
        columns |= self.numbers()
        if found is not None:
            columns |= {f"{m} spread": found.spread[:, i] for i, m in enumerate(found.markers)}
        return pd.DataFrame(columns)


def _spread_out(
    n_patches: int,
    rows: NDArray[np.int64],
    markers: tuple[str, ...],
    per_marker: tuple[NDArray[Any], NDArray[Any]],
    per_patch: tuple[NDArray[Any], NDArray[Any]],
    notes: dict[str, Any],
) -> Predictions:
    similarity = np.full(n_patches, np.nan, np.float32)
    outside = np.zeros(n_patches, bool)
    similarity[rows], outside[rows] = per_patch
    laid = []
    for source in per_marker:
        values = np.full((n_patches, len(markers)), np.nan, np.float32)
        values[rows] = source
        values[outside] = np.nan
        laid.append(values)
    return Predictions(markers, laid[0], laid[1], similarity, outside, notes)
