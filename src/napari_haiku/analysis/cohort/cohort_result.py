"""What a cohort counterfactual answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import (
    output_folder,
    write_csv,
    write_parquet,
)
from napari_haiku.analysis.counterfactual.shift_table import LEVEL
from napari_haiku.analysis.statistics.multiple_testing import q_of_both
from napari_haiku.notices import ASSOCIATION, RESEARCH_USE
from napari_haiku.storage import write_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.cohort.cohort_classifier import Classification
    from napari_haiku.analysis.cohort.cohort_tests import Agreement, Groups
    from napari_haiku.analysis.counterfactual.contrast import Contrast
    from napari_haiku.analysis.counterfactual.placebo import PlaceboVerdict

AGREEMENT_LABEL = "agreement between patients under one text edit, not evidence for the edit"
AGREEMENT_LEVEL = 0.10


@dataclass(frozen=True)
class CohortCounterfactualResult:
    """Mean shifts of a cohort under one edit, with their footing.

    Parameters
    ----------
    edits : dict of str to str
        Field to new value, as asked.
    cohort : str
        The filter that chose the cohort, withheld where it names patients.
    patients : tuple of str
        Pseudonyms.
    markers : tuple of str
        Markers of the atlas.
    theta, baseline : ndarray, shape (patients, markers)
        Mean shift, and read-out under the record as it reads, in SD of the atlas.
    agreement : Agreement
        Tests over patients, as published.
    groups : Groups or None
        Patients and markers grouped; None with too few.
    classification : Classification or None
        Whether shifts tell two groups apart, if that was asked.
    shifts : DataFrame
        One row a marker; the columns of `shifts.csv` and more.
    whole_edit_p : float
        Rank of the edit among placebo edits.
    inference : str
        Where p and q come from, or why there are none.
    patches, overlap, own_share, answering : ndarray, shape (patients,)
        Patches asked about; share of neighbours that stayed; share of the
        patient's own patches among neighbours; patients that answer a patch.
    example : tuple of str
        Both captions of the first slide.
    notes : tuple of str
        Sentences for the user.
    label : str
        "" or the same-patient notice.
    provenance : dict
        Atlas, model, settings and seed.
    """

    edits: dict[str, str]
    cohort: str
    patients: tuple[str, ...]
    markers: tuple[str, ...]
    theta: NDArray[np.float64]
    baseline: NDArray[np.float64]
    agreement: Agreement
    groups: Groups | None
    classification: Classification | None
    shifts: pd.DataFrame
    whole_edit_p: float
    inference: str
    patches: NDArray[np.int64]
    overlap: NDArray[np.float64]
    own_share: NDArray[np.float64]
    answering: NDArray[np.float64]
    example: tuple[str, str]
    notes: tuple[str, ...]
    label: str
    provenance: dict[str, Any] = field(repr=False)

    @property
    def notice(self) -> str:
        """The sentence under every counterfactual."""
        return ASSOCIATION

    @property
    def words(self) -> str:
        """Say the edit in a few words."""
        return ", ".join(
            f"{name.replace('_', ' ')} to {value}" for name, value in self.edits.items()
        )

    @property
    def kept_markers(self) -> tuple[str, ...]:
        """Markers that passed quality control."""
        return tuple(
            name for name, kept in zip(self.markers, self.agreement.kept, strict=True) if kept
        )

    @property
    def no_more_than_placebo(self) -> bool:
        """Whether the edit moved the cohort no more than irrelevant text does."""
        return bool(self.whole_edit_p > LEVEL)

    def by_patient(self) -> pd.DataFrame:
        """One row a patient: provenance of the answers, and one shift a marker."""
        import pandas as pd

        head = pd.DataFrame(
            {
                "patient": self.patients,
                "patches": self.patches,
                "neighbours_kept": self.overlap,
                "own_share": self.own_share,
                "patients_answering": self.answering,
            }
        )
        return pd.concat([head, pd.DataFrame(self.theta, columns=list(self.markers))], axis=1)

    def save(self, output: Path) -> None:
        """Write `shifts.csv`, `patients.parquet` and, where asked for, `classifier.json`."""
        folder = output_folder(output)
        write_csv(folder / "shifts.csv", self.shifts)
        notes = {
            **self.provenance,
            "edit": self.edits,
            "whole_edit_p": self.whole_edit_p if np.isfinite(self.whole_edit_p) else None,
            "inference": self.inference,
            "agreement": AGREEMENT_LABEL,
            "notes": list(self.notes),
            "label": self.label,
            "caution": self.notice,
            "notice": RESEARCH_USE,
        }
        write_parquet(folder / "patients.parquet", self.by_patient(), notes)
        if self.classification is not None:
            told = asdict(self.classification)
            told["coefficients"] = dict(
                zip(self.kept_markers, self.classification.coefficients.tolist(), strict=True)
            )
            told["p"] = told["p"] if np.isfinite(told["p"]) else None
            write_json(folder / "classifier.json", told)


def cohort_table(
    markers: Sequence[str],
    baseline: NDArray[np.float64],
    theta: NDArray[np.float64],
    agreed: Agreement,
    limits: tuple[NDArray[np.float64], NDArray[np.float64]],
    atlas_error: NDArray[np.float64],
    p: NDArray[np.float64],
    model_error: NDArray[np.float64],
    verdict: PlaceboVerdict,
    contrast: Contrast,
) -> pd.DataFrame:
    """Lay the figures out, one row a marker; `n` counts patients.

    Markers that fail quality control keep their row but have no p and q.
    """
    import pandas as pd

    known = np.isfinite(theta)
    count = known.sum(axis=0)
    many = np.where(count > 1, count, np.nan)
    shift = np.where(known, theta, 0).sum(axis=0) / many
    before = np.where(known, baseline, 0).sum(axis=0) / many
    tested = np.where(agreed.kept, p[0], np.nan)
    q = q_of_both(tested, verdict.p[0])
    nothing = np.full(len(markers), np.nan)
    with np.errstate(invalid="ignore"):
        supported = (
            (q < LEVEL)
            & (contrast.p[0] < LEVEL)
            & (np.sign(contrast.difference[0]) == np.sign(shift))
        )
    return pd.DataFrame(
        {
            "niche": 0,
            "niche_name": "All tissue",
            "marker": list(markers),
            "n": agreed.n,
            "baseline": before,
            "counterfactual": before + shift,
            "shift": shift,
            "ci_low": limits[0],
            "ci_high": limits[1],
            "p": tested,
            "q": q,
            "placebo_p": verdict.rank_p[0],
            "placebo_scale": verdict.scale[0],
            "tissue_low": nothing,
            "tissue_high": nothing,
            "contrast": contrast.difference[0],
            "contrast_low": contrast.low[0],
            "contrast_high": contrast.high[0],
            "contrast_p": contrast.p[0],
            "supported": supported,
            "se_atlas": atlas_error,
            "se_model": model_error[0],
            "d_z": agreed.effect,
            "patients_low": agreed.low,
            "patients_high": agreed.high,
            "agreement_p": agreed.p,
            "agreement_q": agreed.q,
            "kept": agreed.kept,
        }
    )
