"""Niches that were found: labels, names, figures, and how they are kept on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import (
    output_folder,
    write_csv,
    write_parquet,
)
from napari_haiku.analysis.niches.niche_enrichment import CAUTION
from napari_haiku.errors import HaikuError
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.cluster_number import ClusterNumber
    from napari_haiku.analysis.niches.niche_request import NicheRequest
    from napari_haiku.analysis.niches.niche_slides import NicheSlide


@dataclass(frozen=True)
class NicheLabels:
    """The niches of one slide.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Niche of each patch, from 1; 0 belongs to none.
    names : dict of int to str
        Name of each niche.
    """

    labels: NDArray[np.int64]
    names: dict[int, str]


@dataclass(frozen=True)
class NicheResult:
    """Niches of one or several slides, numbered alike in all of them.

    Parameters
    ----------
    slides : tuple of NicheSlide
        What was grouped.
    labels : tuple of ndarray of int64, shape (n,)
        Niche of each patch of each slide, from 1, the largest niche first.
    names : dict of int to str
        Suggested names.
    enrichment : DataFrame
        Markers of each niche against the rest; empty where no marker is known.
    prototypes : dict of int to tuple of (int, int)
        Slide and patch of the three patches nearest to each niche's centre.
    centres : ndarray of float32, shape (niches, dim)
        Mean vector of each niche.
    request : NicheRequest
        How they were made.
    certainty : tuple of ndarray of float32, shape (n,), or None
        Of a mixture: how probable the niche of each patch is, given its vector.
    number : ClusterNumber, optional
        How the number of niches was chosen, where it was.
    """

    slides: tuple[NicheSlide, ...]
    labels: tuple[NDArray[np.int64], ...]
    names: dict[int, str]
    enrichment: pd.DataFrame
    prototypes: dict[int, tuple[tuple[int, int], ...]]
    centres: NDArray[np.float32]
    request: NicheRequest
    certainty: tuple[NDArray[np.float32], ...] | None = None
    number: ClusterNumber | None = None

    @property
    def niches(self) -> tuple[int, ...]:
        """Niche numbers, the largest first."""
        return tuple(self.names)

    @property
    def sizes(self) -> dict[int, int]:
        """Patches of each niche over all slides."""
        together = np.concatenate(self.labels)
        return {niche: int((together == niche).sum()) for niche in self.niches}

    @property
    def composition(self) -> NDArray[np.float64]:
        """Share of each niche on each slide, shape (slides, niches)."""
        return np.array(
            [[float((own == niche).mean()) for niche in self.niches] for own in self.labels]
        )

    def of(self, slide: int = 0) -> NicheLabels:
        """Give the niches of one slide."""
        return NicheLabels(self.labels[slide], dict(self.names))

    def renamed(self, names: Mapping[int, str]) -> NicheResult:
        """Give the same niches with other names; those not mentioned keep theirs.

        Raises
        ------
        HaikuError
            A niche that does not exist.
        """
        unknown = sorted(set(names) - set(self.names))
        if unknown:
            raise HaikuError(f"There is no niche {unknown[0]} to name.")
        new = {niche: names.get(niche, name) for niche, name in self.names.items()}
        enrichment = self.enrichment.copy()
        enrichment["name"] = [new[int(niche)] for niche in enrichment["niche"]]
        return replace(self, names=new, enrichment=enrichment)

    def table(self) -> pd.DataFrame:
        """One row a patch: `patch, x_um, y_um, niche, name`, and `slide` when there are several.

        Niche 0, without a name, is that of patches without a vector. A mixture
        adds `certainty`. Slides are numbered from 1 in the order in which they were given.
        """
        import pandas as pd

        parts = []
        for number, (slide, own) in enumerate(zip(self.slides, self.labels, strict=True), 1):
            part = pd.DataFrame(
                {
                    "patch": slide.patches,
                    "x_um": slide.centres_um[:, 0],
                    "y_um": slide.centres_um[:, 1],
                    "niche": own,
                    "name": [self.names.get(int(niche), "") for niche in own],
                }
            )
            if self.certainty is not None:
                part["certainty"] = self.certainty[number - 1]
            if len(self.slides) > 1:
                part["slide"] = number
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def save(self, output: Path) -> None:
        """Write `niches.parquet` and `enrichment.csv` into a folder.

        Where the number of niches was chosen, `stability.csv` says how.
        """
        folder = output_folder(output)
        notes = {
            "clusters": self.request.clusters,
            "modality": self.request.modality,
            "seed": self.request.seed,
            "restarts": self.request.restarts,
            "smooth": self.request.smooth,
            "method": self.request.method,
            "resolution": self.request.resolution,
            "stability": None if self.number is None else self.number.to_json(),
            "caution": CAUTION,
            "notice": RESEARCH_USE,
        }
        write_parquet(folder / "niches.parquet", self.table(), notes)
        write_csv(folder / "enrichment.csv", self.enrichment)
        if self.number is not None:
            write_csv(folder / "stability.csv", self.number.table())


def read_niches(path: Path, centres_um: NDArray[Any]) -> NicheLabels:
    """Read the niches of one slide from what :meth:`NicheResult.save` left.

    Parameters
    ----------
    path : Path
        The folder, or its `niches.parquet`.
    centres_um : ndarray, shape (n, 2)
        Patch centres of the slide they are meant for.

    Raises
    ------
    HaikuError
        There is no such table, or it belongs to other patches.
    """
    import pandas as pd

    path = path / "niches.parquet" if path.is_dir() else path
    try:
        table = pd.read_parquet(path)
        places = table[["x_um", "y_um"]].to_numpy(np.float64)
        labels = table["niche"].to_numpy(np.int64)
        named = table["name"] if "name" in table else [f"Niche {niche}" for niche in labels]
    except FileNotFoundError as error:
        raise HaikuError(f"{path.name} does not exist: find niches first.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HaikuError(
            f"{path.name} is no table of niches: make it with 'napari-haiku niches'."
        ) from error
    if places.shape != centres_um.shape or not np.allclose(places, centres_um, atol=0.01):
        raise HaikuError(
            f"{path.name} holds niches of other patches than this encoding's: "
            "find niches for this encoding."
        )
    names = {int(niche): str(name) for niche, name in zip(labels, named, strict=True) if niche}
    return NicheLabels(labels, dict(sorted(names.items())))
