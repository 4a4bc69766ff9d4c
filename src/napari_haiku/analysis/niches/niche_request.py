"""How patches are to be grouped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

GroupBy = Literal["he", "mif", "both"]
Method = Literal["kmeans", "gaussian", "leiden"]
METHODS: tuple[Method, ...] = ("kmeans", "gaussian", "leiden")
# What is taken when nobody says, in the window, on the command line and in Python.
CLUSTERS, SMOOTH = 4, True
METHOD: Method = "kmeans"


def usual_modality(present: Iterable[Collection[str]]) -> GroupBy:
    """Choose what patches are grouped by when nobody says: everything that all slides have.

    Parameters
    ----------
    present : iterable of collections of str
        Image modalities of each slide.
    """
    shared = set.intersection(*(set(one) for one in present)) & {"he", "mif"}
    if len(shared) == 2:
        return "both"
    return "mif" if "mif" in shared else "he"


@dataclass(frozen=True)
class NicheRequest:
    """How to group patches.

    Parameters
    ----------
    clusters : int or "auto"
        Number of niches; "auto" takes the number that comes out alike in
        separate parts of the tissue. Leiden finds the number by itself.
    modality : {"he", "mif", "both"}
        What makes two patches alike; see :func:`usual_modality`.
    seed : int
        Seed of the starting points.
    restarts : int
        How often the grouping starts anew; the tightest one is kept.
    smooth : bool
        Whether each patch also listens to its eight neighbours.
    method : {"kmeans", "gaussian", "leiden"}
        Nearest of some centres, a mixture of normal distributions, or
        communities of a graph of like patches.
    resolution : float
        Of Leiden: larger gives more and smaller niches.
    """

    clusters: int | Literal["auto"] = CLUSTERS
    modality: GroupBy = "he"
    seed: int = 0
    restarts: int = 10
    smooth: bool = SMOOTH
    method: Method = METHOD
    resolution: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.clusters, str):
            if self.clusters != "auto":
                raise HaikuError(
                    f"The number of niches must be a number or auto, not {self.clusters!r}."
                )
        elif self.clusters < 1:
            raise HaikuError(f"The number of niches must be at least 1, not {self.clusters}.")
        if self.restarts < 1:
            raise HaikuError(f"The number of restarts must be at least 1, not {self.restarts}.")
        if self.method not in METHODS:
            raise HaikuError(
                f"Patches cannot be grouped by the method {self.method!r}: "
                f"choose {', '.join(METHODS[:-1])} or {METHODS[-1]}."
            )
        if not 0 < self.resolution < float("inf"):
            raise HaikuError(f"The resolution must be above 0, not {self.resolution:g}.")
