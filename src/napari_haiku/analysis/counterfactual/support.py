"""Can the atlas speak to an edit: who carries the value, and do they get retrieved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_THIN, _GOOD, _GOOD_SHARE = 5, 10, 0.3

Word = Literal["none", "thin", "limited", "good"]


@dataclass(frozen=True)
class Support:
    """What stands behind a counterfactual.

    Parameters
    ----------
    patients : int
        Other patients of the atlas that carry the edited values.
    of_patients : int
        Other patients of the atlas in all.
    agree, agreed_before : float
        Share of the neighbours retrieved under the edited, and under the
        baseline record, whose patient carries the edited values. NaN without
        neighbours.
    overlap : float
        Mean share of a patch's neighbours that stay the same; 1 means that
        retrieval did not move at all.
    """

    patients: int
    of_patients: int
    agree: float
    agreed_before: float
    overlap: float

    @property
    def word(self) -> Word:
        """Sum the support up: none, thin, limited or good."""
        if self.patients == 0:
            return "none"
        if self.patients < _THIN:
            return "thin"
        if self.patients >= _GOOD and self.agree >= _GOOD_SHARE:
            return "good"
        return "limited"

    @property
    def sentence(self) -> str:
        """Say it in full."""
        verb = "carries" if self.patients == 1 else "carry"
        said = f"{self.patients} of {self.of_patients} other patients {verb} the edited values"
        if np.isfinite(self.agree):
            said += (
                f"; they give {self.agree:.0%} of the new neighbours "
                f"({self.agreed_before:.0%} before the edit)"
            )
        if np.isfinite(self.overlap):
            said += f". {self.overlap:.0%} of the neighbours stayed the same"
        return said + "."


def measure_support(
    before: NDArray[Any],
    after: NDArray[Any],
    patients: NDArray[np.int64],
    carry: NDArray[np.bool_],
) -> Support:
    """Measure the support of an edit from the neighbours under both records.

    Parameters
    ----------
    before, after : ndarray of int, shape (n, k)
        Atlas rows retrieved under the baseline and the edited record, -1 none.
    patients : ndarray of int64, shape (atlas rows,)
        Patient of each atlas row as a number from 0, -1 for one left out.
    carry : ndarray of bool, shape (patients,)
        Which patients carry the edited values.
    """
    return Support(
        patients=int(carry.sum()),
        of_patients=len(carry),
        agree=_share_carrying(after, patients, carry),
        agreed_before=_share_carrying(before, patients, carry),
        overlap=_overlap(before, after),
    )


def _share_carrying(
    rows: NDArray[Any], patients: NDArray[np.int64], carry: NDArray[np.bool_]
) -> float:
    there = rows[rows >= 0]
    if not there.size:
        return float("nan")
    patient = patients[there]
    return float((np.append(carry, False)[patient] & (patient >= 0)).mean())


def _overlap(before: NDArray[Any], after: NDArray[Any]) -> float:
    shares = []
    for old, new in zip(before, after, strict=True):
        old, new = old[old >= 0], new[new >= 0]
        if len(old):
            shares.append(len(np.intersect1d(old, new)) / len(old))
    return float(np.mean(shares)) if shares else float("nan")
