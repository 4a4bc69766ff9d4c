"""What lies inside drawn regions: how much tissue, which markers, which niches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.statistics.correlation import pearson_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.regions.region import Region

# Below so few patches a correlation says nothing.
FEWEST_FOR_R = 10
_MM2 = 1e6


@dataclass(frozen=True, eq=False)
class RegionInputs:
    """What the table is read from; every array has one row a patch.

    Parameters
    ----------
    centres_um : ndarray, shape (n, 2)
        Patch centres.
    measured, predicted : mapping of str to ndarray
        Values by marker; NaN where there is none.
    niches : ndarray of int, shape (n,), optional
        Niche of each patch, 0 for none.
    niche_names : mapping of int to str
        Their names.
    """

    centres_um: NDArray[Any]
    measured: Mapping[str, NDArray[Any]]
    predicted: Mapping[str, NDArray[Any]]
    niches: NDArray[Any] | None = None
    niche_names: Mapping[int, str] | None = None


def region_table(regions: Sequence[Region], inputs: RegionInputs) -> pd.DataFrame:
    """Describe regions, one row each.

    A patch belongs to a region when its centre lies inside. Means are over the
    patches that have a value; `r` is Pearson's between measured and predicted
    over the region's patches, empty below ten of them.

    Parameters
    ----------
    regions : sequence of Region
        The regions, in um.
    inputs : RegionInputs
        What is known of the patches.

    Returns
    -------
    DataFrame
        `region, class, area_mm2, patches`, then for each marker
        `M measured`, `M predicted`, `M predicted patches`, `M r`, and for each
        niche its share.
    """
    import pandas as pd

    rows = []
    for region in regions:
        inside = region.contains(inputs.centres_um)
        row: dict[str, Any] = {
            "region": region.name,
            "class": region.kind,
            "area_mm2": region.area_um2 / _MM2,
            "patches": int(inside.sum()),
        }
        rows.append({**row, **_markers(inside, inputs), **_niches(inside, inputs)})
    columns = ["region", "class", "area_mm2", "patches"]
    return pd.DataFrame(rows, columns=None if rows else columns)


def _markers(inside: NDArray[np.bool_], inputs: RegionInputs) -> dict[str, float]:
    said: dict[str, float] = {}
    for marker in dict.fromkeys((*inputs.measured, *inputs.predicted)):
        measured, predicted = inputs.measured.get(marker), inputs.predicted.get(marker)
        if measured is not None:
            said[f"{marker} measured"] = _mean(measured[inside])
        if predicted is not None:
            said[f"{marker} predicted"] = _mean(predicted[inside])
            said[f"{marker} predicted patches"] = int(np.isfinite(predicted[inside]).sum())
        if measured is not None and predicted is not None:
            said[f"{marker} r"] = _agreement(measured[inside], predicted[inside])
    return said


def _niches(inside: NDArray[np.bool_], inputs: RegionInputs) -> dict[str, float]:
    if inputs.niches is None:
        return {}
    names = inputs.niche_names or {}
    own = inputs.niches[inside]
    numbers = sorted({*names, *(int(n) for n in np.unique(inputs.niches) if n > 0)})
    return {
        f"niche {number} {names.get(number, '')}".rstrip(): (
            float((own == number).mean()) if len(own) else float("nan")
        )
        for number in numbers
    }


def _mean(values: NDArray[Any]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")


def _agreement(measured: NDArray[Any], predicted: NDArray[Any]) -> float:
    both = np.isfinite(measured) & np.isfinite(predicted)
    if both.sum() < FEWEST_FOR_R:
        return float("nan")
    return float(pearson_columns(measured[both][:, None], predicted[both][:, None])[0])
