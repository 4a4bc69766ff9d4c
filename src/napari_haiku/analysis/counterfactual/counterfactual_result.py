"""What a counterfactual answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import (
    output_folder,
    write_csv,
    write_parquet,
)
from napari_haiku.notices import ASSOCIATION, RESEARCH_USE

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.counterfactual.record_edit import RecordEdit
    from napari_haiku.analysis.counterfactual.support import Support
    from napari_haiku.analysis.niches.niches import NicheLabels

WHOLE_EDIT_LEVEL = 0.05


@dataclass(frozen=True)
class CounterfactualResult:
    """Shifts of a slide's markers under an edited record, with their footing.

    Parameters
    ----------
    edit : RecordEdit
        The record before and after.
    rows : ndarray of int64, shape (n,)
        Patches of the encoding that were asked about.
    centres_um : ndarray, shape (n, 2)
        Their centres.
    markers : tuple of str
        Markers of the atlas.
    baseline, counterfactual : ndarray of float32, shape (n, markers)
        Read-out under either record, in SD of the atlas from its mean.
    shift : ndarray of float32, shape (n, markers)
        Counterfactual minus baseline; NaN where not estimable.
    niches : NicheLabels
        Niches of these patches.
    shifts : DataFrame
        One row a niche and marker; see :mod:`napari_haiku.analysis.counterfactual.shift_table`.
    support : Support
        What stands behind the edit.
    neighbours_before, neighbours_after : ndarray of int64, shape (n, k)
        Atlas rows under either record, -1 for none.
    outside_atlas : ndarray of bool, shape (n,)
        Patches unlike anything in the atlas.
    whole_edit_p : float
        Rank of the whole edit among placebo edits; NaN when there are none.
    inference : str
        Where p and q come from, or why there are none.
    adjusted_for : tuple of str
        Fields held constant in the atlas contrast.
    notes : tuple of str
        Sentences for the user.
    label : str
        "" or the same-patient notice.
    provenance : dict
        Atlas, model, settings and seed, without identifying fields.
    weak_placebo : bool
        Whether the placebo edits were other wordings of the record only.
    """

    edit: RecordEdit
    rows: NDArray[np.int64]
    centres_um: NDArray[Any]
    markers: tuple[str, ...]
    baseline: NDArray[np.float32]
    counterfactual: NDArray[np.float32]
    shift: NDArray[np.float32]
    niches: NicheLabels
    shifts: pd.DataFrame
    support: Support
    neighbours_before: NDArray[np.int64]
    neighbours_after: NDArray[np.int64]
    outside_atlas: NDArray[np.bool_]
    whole_edit_p: float
    inference: str
    adjusted_for: tuple[str, ...]
    notes: tuple[str, ...]
    label: str
    provenance: dict[str, Any] = field(repr=False)
    weak_placebo: bool = False

    @property
    def notice(self) -> str:
        """The sentence under every counterfactual."""
        return ASSOCIATION

    @property
    def supported_sentence(self) -> str:
        """Say how many rows of the table both q and the atlas contrast support."""
        told = int(self.shifts["shift"].notna().sum())
        return f"{int(self.shifts['supported'].sum())} of {told} rows are supported."

    @property
    def baseline_caption(self) -> str:
        """What the text tower read of the record as it is."""
        return self.edit.baseline_caption

    @property
    def edited_caption(self) -> str:
        """What the text tower read of the edited record."""
        return self.edit.edited_caption

    @property
    def no_more_than_placebo(self) -> bool:
        """Whether the edit moved the result no more than irrelevant text does."""
        return bool(self.whole_edit_p > WHOLE_EDIT_LEVEL)

    def shown(self) -> NDArray[np.float32]:
        """Give the shifts with NaN where the atlas holds nothing alike."""
        return np.where(self.outside_atlas[:, None], np.float32(np.nan), self.shift)

    def gained(self, top: int, niche: int | None = None) -> list[tuple[int, int]]:
        """Atlas patches that the edit brought in most often.

        Parameters
        ----------
        top : int
            How many.
        niche : int, optional
            Count only patches of this niche.

        Returns
        -------
        list of (int, int)
            Atlas row, and for how many patches of the slide it is a neighbour
            under the edited record without being one under the baseline.
        """
        use = slice(None) if niche is None else self.niches.labels == niche
        new: dict[int, int] = {}
        for before, after in zip(
            self.neighbours_before[use], self.neighbours_after[use], strict=True
        ):
            for row in np.setdiff1d(after[after >= 0], before):
                new[int(row)] = new.get(int(row), 0) + 1
        return sorted(new.items(), key=lambda entry: (-entry[1], entry[0]))[:top]

    def table(self) -> pd.DataFrame:
        """One row a patch: where it lies, its niche, whether outside, one column a marker."""
        import pandas as pd

        place = pd.DataFrame(
            {
                "patch": self.rows,
                "x_um": self.centres_um[:, 0],
                "y_um": self.centres_um[:, 1],
                "niche": self.niches.labels,
                "outside_atlas": self.outside_atlas,
            }
        )
        return pd.concat([place, pd.DataFrame(self.shift, columns=list(self.markers))], axis=1)

    def save(self, output: Path) -> None:
        """Write `shifts.csv` and `shift_per_patch.parquet` into a folder."""
        folder = output_folder(output)
        write_csv(folder / "shifts.csv", self.shifts)
        notes = {
            **self.provenance,
            "edit": {name: [self.edit.before[name], new] for name, new in self.edit.after.items()},
            "support": self.support.sentence,
            "whole_edit_p": self.whole_edit_p if np.isfinite(self.whole_edit_p) else None,
            "inference": self.inference,
            "notes": list(self.notes),
            "label": self.label,
            "caution": self.notice,
            "notice": RESEARCH_USE,
        }
        write_parquet(folder / "shift_per_patch.parquet", self.table(), notes)
