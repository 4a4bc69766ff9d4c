"""Niches corrected by hand: painted, merged, split, named, and described anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niches import NicheResult

MOST_NICHES = 12


def short_names(names: Mapping[int, str]) -> dict[int, str]:
    """Shorten suggested names to what tells the niches apart: "Epithelium: EpCAM" -> "Epithelium".

    The markers stand in a column of their own; a name that two niches share
    keeps its first marker, or else its number.
    """
    heads = {niche: name.split(":")[0].strip() for niche, name in names.items()}
    short: dict[int, str] = {}
    for niche, name in names.items():
        chosen = heads[niche]
        if list(heads.values()).count(chosen) > 1:
            first = name.partition(":")[2].split(",")[0].strip()
            chosen = f"{chosen}, {first}" if first else chosen
        short[niche] = chosen
    listed = list(short.values())
    return {
        niche: f"{name} ({niche})" if listed.count(name) > 1 else name
        for niche, name in short.items()
    }


def free_number(niches: Collection[int]) -> int:
    """Smallest number that no niche carries."""
    return next(number for number in range(1, len(niches) + 2) if number not in niches)


def relabelled(
    result: NicheResult, labels: NDArray[np.integer], remembered: Mapping[int, str]
) -> NicheResult:
    """Give a result with other labels of its first slide; markers per niche are the old ones.

    Parameters
    ----------
    result : NicheResult
        The niches as they were.
    labels : ndarray of int, shape (n,)
        Niche of each patch as corrected; 0 belongs to none.
    remembered : Mapping
        Names of niches that were there before, for those that come back.
    """
    first = np.array(labels, np.int64)
    kept = np.unique(np.concatenate([first, *result.labels[1:]]))
    present = [int(niche) for niche in kept if niche > 0]
    names = {
        niche: result.names.get(niche, remembered.get(niche, f"Niche {niche}")) for niche in present
    }
    return replace(
        result,
        labels=(first, *result.labels[1:]),
        names=names,
        prototypes={
            niche: result.prototypes[niche] for niche in present if niche in result.prototypes
        },
    )


def named(result: NicheResult, names: Mapping[int, str]) -> NicheResult:
    """Give a result with other names of some niches."""
    changed = {
        niche: name
        for niche, name in names.items()
        if niche in result.names and result.names[niche] != name
    }
    return result.renamed(changed) if changed else result


def described(result: NicheResult, kept: Mapping[int, str]) -> NicheResult:
    """Compare the niches anew after labels changed; names that are not kept are suggested anew.

    Statistics over all patches: call it in a job.

    Parameters
    ----------
    result : NicheResult
        Niches whose labels changed.
    kept : Mapping
        Names that stay, by niche.
    """
    from napari_haiku.analysis.niches.niche_enrichment import (
        enrichment_table,
        suggest_names,
        with_patients,
    )
    from napari_haiku.markers import MARKER_GROUPS

    niches = result.niches
    labels = np.concatenate(result.labels)
    markers = tuple(dict.fromkeys(name for slide in result.slides for name in slide.markers))
    values = np.full((len(labels), len(markers)), np.nan, np.float32)
    start = 0
    for slide in result.slides:
        stop = start + len(slide.vectors)
        if slide.expression is not None:
            columns = [markers.index(marker) for marker in slide.markers]
            values[start:stop, columns] = slide.expression
        start = stop
    table = enrichment_table(labels, values, markers, niches)
    names = {**short_names(suggest_names(table, niches, MARKER_GROUPS)), **kept}
    names = {niche: names[niche] for niche in niches}
    table["name"] = [names[int(niche)] for niche in table["niche"]]
    patients = np.unique([slide.patient for slide in result.slides], return_inverse=True)[1]
    of_patch = np.repeat(patients.ravel(), [len(slide.vectors) for slide in result.slides])
    return replace(
        result,
        names=names,
        enrichment=with_patients(table, labels, values, markers, of_patch),
        centres=_centres(result, labels),
    )


def split_in_two(result: NicheResult, niche: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Split a niche of the first slide into the two kinds of patches it is made of.

    Parameters
    ----------
    result : NicheResult
        The niches.
    niche : int
        Which one.
    seed : int
        Seed of the starting points.

    Returns
    -------
    ndarray of int64, shape (n,)
        Labels of the first slide; the smaller part carries the smallest free
        number.

    Raises
    ------
    HaikuError
        The niche has fewer than two different patches.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    from napari_haiku.analysis.niches.grid_smoothing import smooth_over_neighbours, step_between
    from napari_haiku.errors import HaikuError

    slide, labels = result.slides[0], result.labels[0].copy()
    members = np.flatnonzero(labels == niche)
    vectors = np.asarray(slide.vectors, np.float32)
    if result.request.smooth:
        step = step_between(slide.centres_um)
        vectors = smooth_over_neighbours(vectors, slide.centres_um, step)
    vectors = vectors[members]
    if len(np.unique(vectors, axis=0)) < 2:
        raise HaikuError(
            f"{result.names[niche]} is made of one kind of patch only, so it cannot be split."
        )
    with threadpool_limits(1):
        parts = KMeans(2, n_init=4, random_state=seed).fit_predict(vectors)
    smaller = int(np.bincount(parts, minlength=2).argmin())
    labels[members[parts == smaller]] = free_number(result.niches)
    return labels


def _centres(result: NicheResult, labels: NDArray[np.int64]) -> NDArray[Any]:
    vectors = np.concatenate([np.asarray(slide.vectors, np.float32) for slide in result.slides])
    return np.stack([vectors[labels == niche].mean(axis=0) for niche in result.niches])
