"""Measured beside predicted: r by marker and region, and points of a calibration plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.statistics.block_correlation import block_limits
from napari_haiku.analysis.statistics.correlation import pearson_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

WHOLE = "All patches"
# Fewer patches in a region give no r, as published.
MIN_PATCHES = 5


def agreement_by_region(
    measured: NDArray[Any],
    predicted: NDArray[Any],
    markers: Sequence[str],
    labels: NDArray[np.int64] | None = None,
    names: Mapping[int, str] | None = None,
    centres_um: NDArray[Any] | None = None,
) -> pd.DataFrame:
    """Correlate measured and predicted, marker by marker, over all patches and by region.

    Parameters
    ----------
    measured, predicted : ndarray, shape (n, markers)
        NaN where not measured, or not predicted.
    markers : sequence of str
        Their names.
    labels : ndarray of int64, shape (n,), optional
        Region of each patch, such as its niche; those not in `names` are left
        out.
    names : mapping, optional
        Names of the regions.
    centres_um : ndarray, shape (n, 2), optional
        Patch centres, for the intervals.

    Returns
    -------
    DataFrame
        `region, marker, n, r, r_low, r_high`; r is NaN with fewer than five
        patches or where a side is constant. The limits (95 %) are bootstrapped
        over blocks of tissue, since patches that touch are no independent trials;
        NaN without places or in fewer than five blocks. They say how firm r is on
        this slide, nothing of other slides.
    """
    import pandas as pd

    regions: list[tuple[str, NDArray[np.bool_]]] = [(WHOLE, np.ones(len(measured), bool))]
    if labels is not None:
        regions += [(name, labels == number) for number, name in (names or {}).items()]
    measured, predicted = np.asarray(measured, np.float64), np.asarray(predicted, np.float64)
    both = np.isfinite(measured) & np.isfinite(predicted)
    rows = []
    for name, here in regions:
        n = both[here].sum(axis=0)
        r = pearson_columns(measured[here], predicted[here])
        low, high = np.full((2, len(markers)), np.nan)
        if centres_um is not None:
            low, high = block_limits(measured[here], predicted[here], centres_um[here])
        for column, marker in enumerate(markers):
            figures = [float(one[column]) for one in (r, low, high)]
            if n[column] < MIN_PATCHES or not np.isfinite(figures[0]):
                figures = [np.nan] * 3
            rows.append((name, marker, int(n[column]), *figures))
    return pd.DataFrame(rows, columns=["region", "marker", "n", "r", "r_low", "r_high"])


def calibration_points(
    measured: NDArray[Any], predicted: NDArray[Any], markers: Sequence[str], *, bins: int = 10
) -> pd.DataFrame:
    """Mean measured value where the prediction was about so high: points of a calibration plot.

    Parameters
    ----------
    measured, predicted : ndarray, shape (n, markers)
        NaN where unknown.
    markers : sequence of str
        Their names.
    bins : int
        Equal shares of the patches, by predicted value.

    Returns
    -------
    DataFrame
        `marker, n, predicted, measured`: means of each bin. Markers that were
        measured nowhere are not in it.
    """
    import pandas as pd

    rows = []
    for column, marker in enumerate(markers):
        pair = np.stack([measured[:, column], predicted[:, column]]).astype(np.float64)
        pair = pair[:, np.isfinite(pair).all(axis=0)]
        if pair.shape[1] < MIN_PATCHES:
            continue
        order = np.argsort(pair[1], kind="stable")
        for part in np.array_split(order, min(bins, pair.shape[1] // MIN_PATCHES)):
            rows.append((marker, len(part), pair[1, part].mean(), pair[0, part].mean()))
    return pd.DataFrame(rows, columns=["marker", "n", "predicted", "measured"])
